"""What a login's answer gives, and how other requests send it. For the drill's own client and for the load.

Uses the standard library only, since the load's own process imports this, too.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import Any

FAILED = "login "
"""How the error of a request begins that was not sent, because its login has failed."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")  # RFC 6901, section 4: ASCII digits without leading zeros


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the answer of one login is read.

    Attributes:
        accepted: statuses of a login that has succeeded.
        pointer: JSON Pointer to the token; not used where ``cookie`` names a cookie.
        header: the header that sends the token, with ``value`` around ``{token}``.
        expired: statuses of other requests that ask for another login.
    """

    name: str
    accepted: list[int]
    pointer: str
    cookie: str
    header: str
    value: str
    expired: list[int]

    def read(self, status: int | None, text: str, set_cookie: str) -> tuple[str, str] | None:
        """The header that authorises later requests; None where the answer gives nothing."""
        if status not in self.accepted:
            return None
        if self.cookie:
            found = re.search(rf"(?:^|[,;]\s*){re.escape(self.cookie)}=([^;,\s]+)", set_cookie)
            return ("Cookie", f"{self.cookie}={found[1]}") if found else None
        try:
            token = pointer(json.loads(text), self.pointer)
        except (ValueError, RecursionError):
            return None
        return (self.header, self.value.replace("{token}", token)) if isinstance(token, str) and token else None

    def secret(self, header: tuple[str, str]) -> str:
        """The token or cookie in a header that `read` has returned."""
        if self.cookie:
            return header[1].partition("=")[2]
        before, _, after = self.value.partition("{token}")
        return header[1][len(before) : len(header[1]) - len(after)]

    def asks_again(self, status: int | None, *, deliberate: bool) -> bool:
        """Whether an answer to another request asks for another login.

        Args:
            deliberate: another login cannot help: it is the agreed answer of what is turned off, or one has not helped.
        """
        return status in self.expired and not deliberate

    def problem(self, status: int | None, error: str = "") -> str:
        """Why a request could not be sent, without a word of the answer, which may hold a token."""
        if status is None:
            return f"{FAILED}{self.name}: {error}"
        if status not in self.accepted:
            return f"{FAILED}{self.name} is answered {status}"
        where = f"sets no cookie {self.cookie}" if self.cookie else f"has no token at {self.pointer or '/'}"
        return f"{FAILED}{self.name} is answered {status}, and {where}"


class Futile:
    """Refusals against which another login has not helped: for a while, they cause no further one.

    Only for a while, and only until a connection fails: a gateway that was restarted may have forgotten its sessions,
    and refuse requests with the same status.
    """

    LASTS = 2.0  # seconds

    def __init__(self) -> None:
        self._since: dict[tuple[str, int | None], float] = {}

    def note(self, request: str, status: int | None) -> None:
        self._since[request, status] = time.monotonic()

    def holds(self, request: str, status: int | None) -> bool:
        since = self._since.get((request, status))
        return since is not None and time.monotonic() - since < self.LASTS

    def forget(self) -> None:
        self._since.clear()


def pointer(document: Any, path: str) -> Any:
    """The value at a JSON Pointer (RFC 6901); None if there is none."""
    if path and not path.startswith("/"):
        return None
    here = document
    for token in path.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict) and key in here:
            here = here[key]
        elif isinstance(here, list) and _INDEX.fullmatch(key) and int(key) < len(here):
            here = here[int(key)]
        else:
            return None
    return here

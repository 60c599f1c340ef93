"""What the gateway has answered, and whether that is what the target file says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from rollback_drills.evidence.model import strictly_equal
from rollback_drills.target.client_tables import AgreedAnswer, Probe
from rollback_drills.target.target import Target

BODY_LIMIT = 2_000  # characters of a body that is not JSON which are worth recording
TOO_MANY = 429
TEXT_LIMIT = 1 << 16  # characters of a body in which a pattern is looked for


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, or why there was none (``status`` None); ``text`` is the body's text, as far as it is kept."""

    status: int | None
    body: JsonValue
    seconds: float
    error: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

    def brief(self) -> JsonValue:
        """For the evidence: status and body, or the transport error."""
        if self.status is None:
            return {"error": self.error}
        return {"status": self.status, "body": self.body[:BODY_LIMIT] if isinstance(self.body, str) else self.body}


def is_disabled(target: Target, integration: str, answer: Answer) -> bool:
    """Whether this is what was agreed on for an integration that is off: everybody who judges one asks here."""
    agreed = target.disabled_answer(integration)
    return agreed is not None and is_agreed(agreed, answer)


def is_acknowledged(target: Target, integration: str, answer: Answer) -> bool:
    """Whether the gateway has taken responsibility for a delivery; one that is disabled may answer 200 and drop it."""
    return answer.status in target.delivery.accepted and not is_disabled(target, integration, answer)


def is_rate_limited(target: Target, integration: str, answer: Answer) -> bool:
    """Whether a delivery was refused because there were too many of them (RFC 6585, section 4)."""
    return answer.status == TOO_MANY and not is_disabled(target, integration, answer)


def is_agreed(agreed: AgreedAnswer, answer: Answer) -> bool:
    """Whether an answer is the one that was agreed on."""
    if answer.status not in agreed.statuses:
        return False
    if agreed.not_pattern is not None and re.search(agreed.not_pattern, answer.text):
        return False
    if agreed.pattern is not None:
        return re.search(agreed.pattern, answer.text) is not None
    if agreed.contains is not None:
        return contains(answer.body, agreed.contains)
    return agreed.body is None or strictly_equal(agreed.body, answer.body)


def matches(probe: Probe, answer: Answer) -> bool:
    """Whether an answer has the probe's status, and the probe's body as a subset of its own."""
    return answer.status == probe.status and (probe.body is None or contains(answer.body, probe.body))


def contains(whole: JsonValue, part: JsonValue) -> bool:
    """Whether every key that ``part`` names is equal in ``whole``; lists and scalars are compared as they are."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and contains(whole[key], value) for key, value in part.items())
    return strictly_equal(part, whole)


def pointer(document: JsonValue, path: str) -> JsonValue:
    """The value at a JSON Pointer (RFC 6901); None where there is none."""
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


_INDEX = re.compile(r"0|[1-9][0-9]{0,17}")  # RFC 6901, section 4: ASCII digits without leading zeros

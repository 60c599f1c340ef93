"""Why a gateway did not start, from its last words."""

from __future__ import annotations

import re

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.migrations import NO_MODULE
from rollback_drills.runtimes.protocols import Outcome

_NAME = r"(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{4,})"
# As Python, pydantic-settings, and people say it.
_VARIABLES = (
    re.compile(rf"KeyError: ['\"]{_NAME}['\"]"),
    re.compile(r"^(?P<name>[A-Za-z_]\w*)\n\s+Field required", re.MULTILINE),
    re.compile(rf"{_NAME}\W[^\n]*\b(?:not set|unset|required|missing|undefined|must be set|not defined|is empty)\b"),
    re.compile(rf"\b(?:[Ss]et|[Mm]issing|[Rr]equired?s?|[Nn]eeds?)\b[^\n]*?\b{_NAME}\b"),
)


def not_started(release: str, outcome: Outcome) -> Diagnosis:
    """With the log, and what its last line and the names in it lead to."""
    return Diagnosis(f"{release}: start", "problem", outcome.why, fix_of(outcome.log))


def fix_of(log: str) -> str:
    """What to do; quotes the last line, which says why in most languages."""
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    said = f" (its last line: {last})" if last else ""
    module = NO_MODULE.search(log)
    if module is not None:
        package = module["name"].partition(".")[0]
        return (
            f"add {package!r} to the release's requirements (requirements under [python]) if it is a package; if it is "
            f"the release's own, give directory under [gateway], or PYTHONPATH under [gateway.env]{said}"
        )
    names = list(dict.fromkeys(match["name"].upper() for each in _VARIABLES for match in each.finditer(log)))
    if names:
        which = ", ".join(names[:3])
        return f"give {which} under [gateway.env]: that is the whole environment, nothing of yours is passed on{said}"
    return f"correct start and env under [gateway], or ready_timeout{said}"

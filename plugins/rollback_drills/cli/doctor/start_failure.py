"""Why a gateway did not start, according to its log."""

from __future__ import annotations

import re

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.migrations import NO_MODULE
from rollback_drills.runtimes.protocols import Outcome

_NAME = r"(?P<name>[A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{4,})"
# As written by Python, pydantic-settings, and people.
_VARIABLES = (
    re.compile(rf"KeyError: ['\"]{_NAME}['\"]"),
    re.compile(r"^(?P<name>[A-Za-z_]\w*)\n\s+Field required", re.MULTILINE),
    re.compile(rf"{_NAME}\W[^\n]*\b(?:not set|unset|required|missing|undefined|must be set|not defined|is empty)\b"),
    re.compile(rf"\b(?:[Ss]et|[Mm]issing|[Rr]equired?s?|[Nn]eeds?)\b[^\n]*?\b{_NAME}\b"),
)


def not_started(release: str, outcome: Outcome) -> Diagnosis:
    """The diagnosis of a failed start, with a remedy from its log."""
    fix = fix_of(outcome.log)
    if outcome.elsewhere:
        fix = "let it listen on 127.0.0.1:{port} (start under [gateway]), or set scheme there if it speaks TLS"
    return Diagnosis(f"{release}: start", "problem", outcome.why, fix)


def fix_of(log: str) -> str:
    """A remedy; it quotes the last line of the log, which has the reason in most languages."""
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    said = f" (its last line: {last})" if last else ""
    module = NO_MODULE.search(log)
    if module is not None:
        package = module["name"].partition(".")[0]
        return (
            f"if {package!r} is a package, add it to the release's requirements (requirements under [python]); if it "
            f"is the release's own, set directory under [gateway], or PYTHONPATH under [gateway.env]{said}"
        )
    names = list(dict.fromkeys(match["name"].upper() for each in _VARIABLES for match in each.finditer(log)))
    if names:
        which = ", ".join(names[:3])
        return f"set {which} under [gateway.env]: the gateway inherits nothing from your environment{said}"
    return f"correct start and env under [gateway], or ready_timeout{said}"

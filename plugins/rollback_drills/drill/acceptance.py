"""Accepted risks: which findings are accepted today, and what a run says about each acceptance.

The caller gives the day. An accepted finding is recorded like any other, and fails no drill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date

from rollback_drills.evidence.model import Acceptance, AcceptedRisk, DrillEvidence, Finding
from rollback_drills.target.accepted import Accepted


class Acceptances:
    """The accepted risks of a target on a day."""

    def __init__(self, accepted: Sequence[Accepted] = (), today: date = date.min) -> None:
        self._accepted, self._today = accepted, today

    def settle(self, finding: Finding, drill: str) -> Finding:
        """The finding as it counts today: accepted, no longer accepted (its detail says so), or unchanged."""
        mine = [each for each in self._accepted if covers(each, finding, drill)]
        if not mine:
            return finding
        latest = max(mine, key=lambda each: each.until)
        acceptance = Acceptance(reason=latest.reason, owner=latest.owner, until=latest.until.isoformat())
        if latest.until >= self._today:
            return finding.model_copy(update={"accepted": acceptance})
        said = f"this risk was accepted until {acceptance.until} by {acceptance.owner} ({acceptance.reason})"
        detail = f"{finding.detail}; {said}, and is so no longer"
        return finding.model_copy(update={"expired": acceptance, "detail": detail})

    def account(self, drills: Sequence[DrillEvidence], *, full: bool) -> tuple[AcceptedRisk, ...]:
        """What a run says about each accepted risk, in the target file's order.

        Args:
            full: whether the run was to perform every drill: only then does finding nothing mean "not needed".
        """
        return tuple(self._account(each, drills, full) for each in self._accepted)

    def _account(self, accepted: Accepted, drills: Sequence[DrillEvidence], full: bool) -> AcceptedRisk:
        found = sum(covers(accepted, finding, drill.id) for drill in drills for finding in drill.findings)
        days_left = (accepted.until - self._today).days
        needless = full and not found and _would_have_been_found(accepted, drills)
        return AcceptedRisk(
            finding=accepted.finding,
            acceptance=Acceptance(reason=accepted.reason, owner=accepted.owner, until=accepted.until.isoformat()),
            drill=accepted.drill or "",
            subject=accepted.subject or "",
            found=found,
            days_left=days_left,
            state="not needed" if needless else "expired" if days_left < 0 else "used" if found else "not judged",
        )


def covers(accepted: Accepted, finding: Finding, drill: str) -> bool:
    """Whether an acceptance applies to a finding of this drill, whatever the day."""
    return (
        accepted.finding == finding.code
        and matches(accepted.drill, drill)
        and matches(accepted.subject, finding.subject)
    )


def matches(pattern: str | None, text: str) -> bool:
    """``*`` matches any text, ``?`` any character. Brackets are literal, because test ids contain them."""
    if pattern is None:
        return True
    parts = (".*" if part == "*" else "." if part == "?" else re.escape(part) for part in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _would_have_been_found(accepted: Accepted, drills: Iterable[DrillEvidence]) -> bool:
    """Whether the drills that could have found it were completed.

    A drill's checks name the codes that it can find. For a code that no check names, every drill has to be completed.
    """
    mine = [drill for drill in drills if matches(accepted.drill, drill.id)]
    ended = [drill for drill in mine if drill.verdict in ("passed", "failed")]
    checked = any(check.finding == accepted.finding for drill in ended for step in drill.steps for check in step.checks)
    return checked or (bool(ended) and len(ended) == len(mine))

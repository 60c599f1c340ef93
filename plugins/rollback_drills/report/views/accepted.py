"""Accepted risks: what this run says about each, and which need attention."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_drills.evidence.findings.catalogue import CATALOGUE
from rollback_drills.evidence.model import Acceptance
from rollback_drills.evidence.run import (
    AcceptedRisk,
    RunEvidence,
)
from rollback_drills.report.text import count, cut, one_line
from rollback_drills.report.views.limits import Limits

SOON = 14
"""Days before its end from which the report warns that an acceptance expires."""


@dataclass(frozen=True, slots=True)
class AcceptedView:
    """One accepted risk of the target file; ``warn`` if someone must act on it."""

    code: str
    title: str
    reason: str
    owner: str
    until: str
    only: str
    said: str
    warn: bool


def accepted_risks(run: RunEvidence, limits: Limits) -> tuple[AcceptedView, ...]:
    """Those that need attention come first, otherwise in the target file's order."""
    views = [_view(each, limits) for each in run.accepted]
    return tuple(sorted(views, key=lambda each: not each.warn))


def _view(risk: AcceptedRisk, limits: Limits) -> AcceptedView:
    known = CATALOGUE.get(risk.finding)
    only = [f"{name} {pattern}" for name, pattern in (("drill", risk.drill), ("subject", risk.subject)) if pattern]
    return AcceptedView(
        code=one_line(risk.finding, 80),
        title=known.title if known else "",
        reason=cut(risk.acceptance.reason, limits.value),
        owner=one_line(risk.acceptance.owner, limits.line),
        until=one_line(risk.acceptance.until, 40),
        only=one_line(", ".join(only), limits.line),
        said=_said(risk),
        warn=risk.state in ("expired", "not needed") or risk.days_left <= SOON,
    )


def _said(risk: AcceptedRisk) -> str:
    """What this run says about it."""
    found = {
        "used": f"found {count(risk.found, 'time')}",
        "expired": f"found {count(risk.found, 'time')}" if risk.found else "not found by this run",
        "not needed": "not needed: not found, remove it from the target file",
        "not judged": "not judged: this run did not look for it everywhere",
    }[risk.state]
    if risk.days_left < 0:
        return f"{found}; expired {count(-risk.days_left, 'day')} ago and fails drills again"
    if risk.days_left <= SOON:
        return f"{found}; expires in {count(risk.days_left, 'day')}" if risk.days_left else f"{found}; expires today"
    return found


def acceptance_text(acceptance: Acceptance | None) -> str:
    """Who answers for a finding, until when and why; empty if it is not accepted."""
    if acceptance is None:
        return ""
    return one_line(f"accepted by {acceptance.owner} until {acceptance.until}: {acceptance.reason}", 600)

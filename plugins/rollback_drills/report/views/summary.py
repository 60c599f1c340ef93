"""The release manager's table: can we roll back, how fast, what is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rollback_drills.evidence.model import Verdict
from rollback_drills.report.text import count, enumerate_words, humanise, one_line
from rollback_drills.report.views.coverage import SectionCoverage
from rollback_drills.report.views.groups import NOT_BEGUN, Group
from rollback_drills.report.views.objectives import downtime_of, recovery_of, writes_of

Tone = Literal["passed", "failed", "unknown"]


@dataclass(frozen=True, slots=True)
class Row:
    """One drill, or a section without a drill (``anchor`` is empty)."""

    section: str
    answer: str
    tone: Tone
    title: str = ""
    cases: str = ""
    anchor: str = ""
    verdict: Verdict | None = None
    why: str = ""
    recovery: str = ""
    objective: str = ""
    met: bool | None = None
    downtime: str = ""
    downtime_met: bool | None = None
    writes: str = ""
    rpo: str = ""
    rpo_met: bool | None = None
    findings: int = 0
    accepted: int = 0
    gaps: int = 0

    @property
    def found(self) -> str:
        """How many findings, with those that fail nothing apart; empty if there are none."""
        parts = [f"{self.findings}"] if self.findings else []
        parts += [f"{self.accepted} accepted"] if self.accepted else []
        parts += [count(self.gaps, "known gap")] if self.gaps else []
        return ", ".join(parts)


def rows(groups: Sequence[Group], covered: Sequence[SectionCoverage]) -> tuple[Row, ...]:
    """One row per drill in the runbook's order; sections without a drill have one too."""
    result: list[Row] = []
    for section in covered:
        mine = [group for group in groups if group.runbook == section.id]
        result += [_row(group, section.title) for group in mine]
        if not mine:
            result.append(_undrilled(section))
    known = {section.id for section in covered}
    result += [_row(group, _foreign(group.runbook)) for group in groups if group.runbook not in known]
    return tuple(result)


def _undrilled(section: SectionCoverage) -> Row:
    return Row(section.title, "Not proven", "unknown", why=one_line(section.why, 120))


def _foreign(runbook: str) -> str:
    return f"{humanise(one_line(runbook))} (not in the runbook)" if runbook else "Not in the runbook"


def _row(group: Group, section: str) -> Row:
    answer, tone = _answer(group)
    held = [drill for drill in group.drills if drill.recovery and drill.verdict not in NOT_BEGUN]
    recovery, objective, met = recovery_of(held)
    downtime, downtime_met = downtime_of(group.drills)
    lost, rpo, rpo_met = writes_of(group.drills)
    found = [finding for drill in group.drills for finding in drill.findings]
    return Row(
        section,
        answer,
        tone,
        title=group.title if group.parametrised else group.full_title,
        cases=group.cases,
        anchor=group.anchor,
        verdict=group.verdict,
        why=_why(group) if tone == "unknown" else "",
        recovery=recovery,
        objective=objective,
        met=met,
        downtime=downtime,
        downtime_met=downtime_met,
        writes=lost,
        rpo=rpo,
        rpo_met=rpo_met,
        findings=sum(finding.fails for finding in found),
        accepted=sum(bool(each.accepted) for each in found),
        gaps=sum(finding.severity == "info" for finding in found),
    )


def _why(group: Group) -> str:
    """Each reason for which a case was skipped, not run or cut short, once."""
    if group.literal and group.verdict == "passed":
        return "it shows what the command does"
    reasons = dict.fromkeys(one_line(drill.reason, 200) for drill in group.drills if drill.verdict != "passed")
    return enumerate_words([reason for reason in reasons if reason], 2)


def _answer(group: Group) -> tuple[str, Tone]:
    """Can we roll back?"""
    counts = Counter(drill.verdict for drill in group.drills)
    total = len(group.drills)
    of = f" ({{}} of {total})" if group.parametrised else ""
    risks = ", with accepted risks" if any(drill.accepted for drill in group.drills) else ""
    if any(finding.fails for drill in group.drills for finding in drill.findings):
        risks = ", with findings"
    if counts["failed"]:
        return "No" + (of.format(counts["failed"]) if counts["failed"] < total else ""), "failed"
    if counts["passed"] and group.literal:
        return f"Not asked{risks}", "unknown"
    if counts["passed"] == total:
        return f"Yes{risks}", "passed"
    if counts["passed"] and counts["passed"] + counts["skipped"] == total:
        return f"Yes{of.format(counts['passed'])}{risks}", "passed"
    return "Not proven" + (of.format(total - counts["passed"]) if counts["passed"] else ""), "unknown"

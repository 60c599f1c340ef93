"""The rows of the first page, one for each section of the runbook: can we, how long, what is lost, how sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import NOT_MEASURED, count, enumerate_words, one_line, seconds
from rollback_drills.report.views.coverage import SectionCoverage
from rollback_drills.report.views.groups import NOT_BEGUN, Group
from rollback_drills.report.views.summary import Row

_SHORT: Final = {
    "a new integration causes issues": "Integration fails",
    "a database migration failed": "Migration fails",
    "complete version rollback": "Restore a backup",
}
"""Names of built-in sections that are shorter than their titles."""
Can = Literal["Yes", "In part", "No", "Unknown"]
Sure = Literal["Drilled", "In part", "Not drilled"]
Mark = Literal["yes", "no", "part", "none"]
_MARKS: Final[dict[Can, Mark]] = {"Yes": "yes", "In part": "part", "No": "no", "Unknown": "none"}
MIGRATIONS: Final = "reversibility"
"""The section whose drills prove migrations, each a case of one drill."""


@dataclass(frozen=True, slots=True)
class SectionRow:
    """One section of the runbook on two axes: whether we can roll back, and how sure that is.

    Attributes:
        share: the recovery time over its objective, from 0 to 1, for a bar; None where there is none.
        note: of the answer: what it does not say by itself.
        bold: which of the cells, ``long``, ``lost`` and ``sure``, are the exception that a reader must see.
    """

    id: str
    name: str
    label: str
    can: Can
    note: str
    long: str
    long_of: str
    share: float | None
    lost: str
    lost_of: str
    sure: Sure
    sure_why: str
    bold: frozenset[str]
    rows: tuple[Row, ...]
    why: str = ""

    @property
    def mark(self) -> Mark:
        return _MARKS[self.can]

    @property
    def title(self) -> str:
        return f"{self.label}: {self.name}" if self.label else self.name


def section_rows(
    run: RunEvidence, groups: Sequence[Group], covered: Sequence[SectionCoverage], rows: Sequence[Row]
) -> tuple[SectionRow, ...]:
    """One row for each section, in the runbook's order."""
    return tuple(
        _row(
            section,
            [group for group in groups if group.runbook == section.id],
            tuple(row for row in rows if row.anchor and row.section == section.title),
        )
        for section in covered
    )


def _row(section: SectionCoverage, groups: Sequence[Group], rows: tuple[Row, ...]) -> SectionRow:
    drills = [drill for group in groups for drill in group.drills]
    begun = [drill for drill in drills if drill.verdict not in NOT_BEGUN]
    label, name = _names(section.title)
    can, note = _can(groups)
    long, long_of, share, late = _how_long(begun)
    lost, lost_of, unexpected = _lost(begun)
    sure: Sure = "Not drilled" if not begun else "Drilled" if section.proof in ("proven", "failed") else "In part"
    bold = {name for name, true in (("long", late), ("lost", unexpected), ("sure", sure != "Drilled")) if true}
    return SectionRow(
        id=section.id,
        name=name,
        label=label,
        can=can,
        note=note,
        long=long,
        long_of=long_of,
        share=share,
        lost=lost,
        lost_of=lost_of,
        sure=sure,
        sure_why=_sure_why(section, groups, begun),
        bold=frozenset(bold),
        rows=rows,
        why=section.why,
    )


def _names(title: str) -> tuple[str, str]:
    """Label and name of ``Scenario A: a new integration causes issues``; a title without a colon has no label."""
    label, colon, name = title.partition(": ")
    return (label, _SHORT.get(name, name[:1].upper() + name[1:])) if colon else ("", title)


def _can(groups: Sequence[Group]) -> tuple[Can, str]:
    """The worst of what was asked: a drill that shows what a command does asks nothing, unless it failed."""
    counts = Counter(drill.verdict for group in groups for drill in group.drills)
    asked = [drill for group in groups if not group.literal for drill in group.drills]
    if counts["failed"]:
        total = sum(counts[verdict] for verdict in counts if verdict not in NOT_BEGUN)
        return "No", f"{counts['failed']} of {count(total, 'drill')}" if total > 1 else ""
    if broken := counts["error"] + counts["incomplete"]:
        return "Unknown", f"{count(broken, 'drill')} broke off"
    if not any(drill.verdict == "passed" for drill in asked):
        return "Unknown", ""
    found = {finding.code for drill in asked for finding in drill.findings if finding.fails}
    if found:
        return "In part", f"{count(len(found), 'finding')}"
    risks = {finding.code for drill in asked for finding in drill.accepted}
    return "Yes", count(len(risks), "accepted risk") if risks else ""


def _how_long(begun: Sequence[DrillEvidence]) -> tuple[str, str, float | None, bool]:
    """The longest recovery, its objective, their ratio, and whether it is too long or was never reached."""
    measured = [drill.recovery for drill in begun if drill.recovery]
    if not measured:
        return "", "no objective" if begun else "", None, False
    limits = [each.objective_seconds for each in measured if each.objective_seconds is not None]
    least = min(limits, default=0.0)
    of = f"of {seconds(least)}" if limits else "no objective"
    missing = sum(each.seconds is None for each in measured)
    if missing:
        few = f" in {missing} of {len(measured)}" if len(measured) > 1 else ""
        return f"not reached{few}", of, None, True
    longest = max(each.seconds or 0.0 for each in measured)
    late = any(each.met is False for each in measured)
    return seconds(longest), of, min(1.0, longest / least) if least else None, late


def _lost(begun: Sequence[DrillEvidence]) -> tuple[str, str, bool]:
    """What was lost, of what, and whether that is more than the procedure gives up."""
    lossy = [each for drill in begun for each in drill.revisions if each.losses or each.seed_losses]
    if any(drill.revisions for drill in begun):
        every = sum(len(drill.revisions) for drill in begun)
        if not lossy:
            return "nothing", f"in {count(every, 'migration')}", False
        return count(len(lossy), "migration"), f"of {every} lose{'s' if len(lossy) == 1 else ''} data", False
    writes = [drill.writes for drill in begun if drill.writes]
    if not writes:
        return "", NOT_MEASURED if begun else "", False
    lost, sent = sum(each.all_lost for each in writes), sum(each.acknowledged for each in writes)
    if not lost:
        of = f"of {count(sent, 'write')}"
        return ("nothing" if sent else ""), (of if sent else "no write was sent"), False
    expected = sum(min(each.expected_lost, each.all_lost) for each in writes)
    if not all(each.judged for each in writes):
        return count(lost, "write"), f"of {sent:,}; whether expected was not reached", True
    words = ", all expected" if lost <= expected else f", {count(expected, 'expected', 'expected')}" if expected else ""
    return count(lost, "write"), f"of {sent:,}{words}", lost > expected


def _sure_why(section: SectionCoverage, groups: Sequence[Group], begun: Sequence[DrillEvidence]) -> str:
    """Why it is drilled in part or not; of what is drilled, how often."""
    if not begun:
        reasons = list(dict.fromkeys(drill.reason for group in groups for drill in group.drills if drill.reason))
        return _brief(reasons[0] if len(reasons) == 1 else section.why) or "no drill"
    migrations = sum(len(drill.revisions) for drill in begun)
    times = count(migrations, "migration") if migrations else count(len(begun), "drill")
    if section.proof in ("proven", "failed"):
        return times
    left = sum(drill.verdict in NOT_BEGUN for group in groups for drill in group.drills)
    elsewhere = {name for group in groups for drill in group.drills for name in drill.lacks}
    if left and elsewhere:
        return f"{times}; {left} need{'s' if left == 1 else ''} {enumerate_words(sorted(elsewhere), 2)}"
    if left:
        return f"{times}; {left} not begun"
    return _brief(section.why) or times


def _brief(text: str) -> str:
    """The first clause, if it is short enough for a cell; the fold below has all of it."""
    first = text.partition(";")[0].strip()
    return one_line(first, 120)

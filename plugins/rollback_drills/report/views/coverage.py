"""What the run says about the runbook: which sections are proven, which items of the checklist were performed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rollback_drills.evidence.model import Verdict
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import count, enumerate_words, humanise, one_line, seconds
from rollback_drills.report.views.groups import NOT_BEGUN, Group, split_id
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.problems import PageLink

Proof = Literal["proven", "in part", "failed", "not proven"]


@dataclass(frozen=True, slots=True)
class SectionCoverage:
    """One section of the runbook."""

    id: str
    title: str
    proof: Proof
    why: str
    drills: tuple[PageLink, ...]
    begun: bool = True


@dataclass(frozen=True, slots=True)
class Performed:
    """A step that performed an item of the checklist."""

    where: PageLink
    at: str
    ok: bool


@dataclass(frozen=True, slots=True)
class ChecklistItem:
    """One item of the recovery checklist; a human ticks what no step performed."""

    id: str
    title: str
    performed: tuple[Performed, ...]
    more: int
    in_runbook: bool = True
    by_hand: str = ""

    @property
    def done(self) -> bool:
        """What is a person's stays open, whatever a drill did towards it."""
        return not self.by_hand and bool(self.performed) and all(step.ok for step in self.performed)

    @property
    def open(self) -> bool:
        return bool(self.by_hand) or not self.performed


def coverage_sentence(covered: Sequence[SectionCoverage]) -> str:
    """``Of 9 runbook sections, 3 hold, 2 fail, 1 in part, 3 not drilled.`` Empty if all of them hold.

    The numbers add up to all sections: a section counts once, where it stands worst.
    """
    counts = Counter(section.proof for section in covered)
    if counts["proven"] == len(covered):
        return ""
    undrilled = sum(section.proof == "not proven" and not section.begun for section in covered)
    parts = (
        (counts["proven"], "holds", "hold"),
        (counts["failed"], "fails", "fail"),
        (counts["in part"], "in part", "in part"),
        (counts["not proven"] - undrilled, "could not be proven", "could not be proven"),
        (undrilled, "not drilled", "not drilled"),
    )
    words = ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in parts if number)
    return f"Of {count(len(covered), 'runbook section')}, {words}."


def sections(run: RunEvidence, groups: Sequence[Group], limits: Limits) -> tuple[SectionCoverage, ...]:
    """Every section of the runbook in its order, whether a drill was performed for it or not."""
    return tuple(
        _section(name, title, [group for group in groups if group.runbook == name], run, limits)
        for name, title in run.runbook.sections.items()
    )


def _section(name: str, title: str, groups: Sequence[Group], run: RunEvidence, limits: Limits) -> SectionCoverage:
    drills = [drill for group in groups for drill in group.drills]
    proof = _proof({drill.verdict for drill in drills})
    left_out = _left_out(name, groups, run, limits) if groups else ""
    gaps = [one_line(gap, limits.line).rstrip(".") for drill in drills for gap in drill.gaps]
    return SectionCoverage(
        id=one_line(name, limits.line),
        title=one_line(title, limits.line),
        proof="in part" if (gaps or left_out) and proof == "proven" else proof,
        why="; ".join(filter(None, (left_out, _why(name, groups, run, limits), *dict.fromkeys(gaps)))),
        drills=tuple(PageLink(group.full_title, f"#{group.anchor}") for group in groups),
        begun=any(drill.verdict not in NOT_BEGUN for drill in drills),
    )


def _left_out(name: str, groups: Sequence[Group], run: RunEvidence, limits: Limits) -> str:
    """``1 of 3 drills performed; not selected: …``: what the selection leaves out of a section that was drilled."""
    titles: dict[str, str] = {}
    cases: Counter[str] = Counter()
    for each in run.not_selected:
        if each.runbook == name:
            base, _ = split_id(each.id)
            titles.setdefault(base, one_line(each.title, limits.line))
            cases[base] += 1
    if not titles:
        return ""
    performed = {group.base: len(group.drills) for group in groups}
    total = len(performed.keys() | titles)
    words = [
        f"{count(cases[base], 'case')} of {title}" if base in performed else title for base, title in titles.items()
    ]
    whole = sum(base not in titles for base in performed)
    of = f"{whole} of {count(total, 'drill')} performed" + (" in whole" if performed.keys() & titles else "")
    return f"{of}; not selected: {enumerate_words(words, limits.items)}"


def _proof(verdicts: set[Verdict]) -> Proof:
    if "failed" in verdicts:
        return "failed"
    if "passed" not in verdicts:
        return "not proven"
    return "proven" if verdicts == {"passed"} else "in part"


def _why(name: str, groups: Sequence[Group], run: RunEvidence, limits: Limits) -> str:
    """The reasons of everything in this section that did not pass, each once."""
    if not groups:
        titles = dict.fromkeys(one_line(each.title, limits.line) for each in run.not_selected if each.runbook == name)
        if titles:
            return f"not selected: {enumerate_words(list(titles), limits.items)}"
        cut_short = f"; the run ended early: {one_line(run.interrupted, limits.line)}" if run.interrupted else ""
        return f"no drill of it was performed{cut_short}"
    reasons: dict[str, list[str]] = {}
    for group in groups:
        for param, drill in zip(group.params, group.drills, strict=True):
            if drill.verdict != "passed":
                reason = f"{drill.verdict}: {one_line(drill.reason, limits.line) or 'no reason was recorded'}"
                reasons.setdefault(reason, []).append(one_line(param, 60) or group.title)
    entries = [f"{enumerate_words(names, 4)} {reason}" for reason, names in reasons.items()]
    more = f"; and {len(entries) - limits.items} other reasons" if len(entries) > limits.items else ""
    return "; ".join(entries[: limits.items]) + more


def checklist(
    run: RunEvidence, groups: Sequence[Group], anchors: Mapping[str, str], limits: Limits
) -> tuple[ChecklistItem, ...]:
    """Every item of the runbook's checklist, then those that steps name and the runbook does not know."""
    performed: dict[str, dict[tuple[int, int], Performed]] = {}
    for group in groups:
        for drill in group.drills:
            for step in drill.steps:
                if step.checklist:
                    entry = performed.setdefault(step.checklist, {})
                    anchor = anchors.get(drill.id)
                    href = f"#{anchor}-step-{step.number}" if anchor else f"#{group.anchor}"
                    where = PageLink(f"{group.full_title}, step {step.number}", href)
                    ok = step.outcome == "passed"
                    known = entry.get((group.number, step.number))
                    if known is None or (known.ok and not ok):  # of many cases, one that failed is shown
                        entry[group.number, step.number] = Performed(where, seconds(step.at), ok)
    titles = run.runbook.checklist
    extra = {name: humanise(name) for name in performed if name not in titles}
    return tuple(
        _item(name, title, list(performed.get(name, {}).values()), run, limits)
        for name, title in {**titles, **extra}.items()
    )


def _item(name: str, title: str, steps: list[Performed], run: RunEvidence, limits: Limits) -> ChecklistItem:
    steps = sorted(steps, key=lambda step: step.ok)
    shown = tuple(steps[: limits.items])
    return ChecklistItem(
        id=one_line(name, limits.line),
        title=one_line(title, limits.line),
        performed=shown,
        more=len(steps) - len(shown),
        in_runbook=name in run.runbook.checklist,
        by_hand=one_line(run.runbook.by_hand.get(name, ""), limits.line),
    )

"""The findings, the worst first.

Findings of one kind in one drill are one entry with several occurrences; findings of several drills in the same words
are one entry that names them all.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rollback_drills.evidence.findings.catalogue import CATALOGUE, is_built_in
from rollback_drills.evidence.model import DrillEvidence, Finding, Severity
from rollback_drills.report.text import cut, one_line, seconds
from rollback_drills.report.views.accepted import acceptance_text
from rollback_drills.report.views.groups import Group
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.values import Value, view

Rank = Severity | Literal["unclassified", "accepted"]
_ORDER: tuple[Rank, ...] = ("critical", "unclassified", "major", "minor", "accepted", "info")
_LONGEST = 2000  # characters of a remedy, which is never cut to fit
_CALM: tuple[Rank, ...] = ("accepted", "info")
_UNCLASSIFIED = {
    "failed": (
        "failed-check",
        "A check did not hold",
        "Compare expected and observed in the step below, correct the procedure or the system, and drill again.",
    ),
    "error": (
        "drill-error",
        "The drill itself broke off, so it proves nothing",
        "Fix the quoted error and drill again.",
    ),
    "incomplete": (
        "drill-incomplete",
        "The drill was cut short, so it proves nothing",
        "Its process was killed or stopped: remove the cause and drill again.",
    ),
}


@dataclass(frozen=True, slots=True)
class PageLink:
    """A link within the page; ``href`` is empty if the page does not hold its target."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One occurrence of a finding."""

    param: str
    detail: str
    at: str
    step: PageLink | None
    data: Value | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding, or a failure without one."""

    anchor: str
    code: str
    severity: Rank
    title: str
    why: str
    remedy: str
    repeat: str
    catalogue: str
    drill: PageLink
    params: tuple[str, ...]
    others: tuple[PageLink, ...]
    occurrences: tuple[Occurrence, ...]
    more: int
    accepted: str = ""

    @property
    def fails(self) -> bool:
        """Whether it fails a drill: it is neither an accepted risk nor a declared gap."""
        return self.severity not in _CALM

    @property
    def hrefs(self) -> tuple[str, ...]:
        """The drills that have it."""
        return tuple(each.href for each in (self.drill, *self.others))

    @property
    def where(self) -> str:
        """Its drill, and how many more found the same."""
        return self.drill.text + (f" and {len(self.others)} more" if self.others else "")

    @property
    def worst_detail(self) -> str:
        return self.occurrences[0].detail if self.occurrences else ""


@dataclass(frozen=True, slots=True)
class _Located:
    """A finding, with the drill and the case that have it."""

    finding: Finding
    severity: Rank
    param: str
    drill: DrillEvidence


def problems(groups: Sequence[Group], anchors: Mapping[str, str], limits: Limits) -> tuple[Problem, ...]:
    """All problems of a run, by severity, then in the order of the drills.

    Args:
        groups: the run's drills.
        anchors: drill id to the anchor of its steps, for those drills whose steps are in the page.
        limits: how much to show of each.
    """
    found: dict[tuple[int, Rank, str, str], list[_Located]] = {}
    for group in groups:
        for item in _of_group(group):
            key = (group.number, item.severity, item.finding.code, acceptance_text(item.finding.accepted))
            found.setdefault(key, []).append(item)
    by_number = {group.number: group for group in groups}
    ordered = sorted(found.items(), key=lambda entry: (_ORDER.index(entry[0][1]), entry[0][0]))
    alike: dict[tuple[object, ...], list[tuple[Group, list[_Located]]]] = {}
    for (number, *kind), items in ordered:
        texts = tuple(sorted({item.finding.detail for item in items}))
        alike.setdefault((*kind, items[0].finding.title, texts), []).append((by_number[number], items))
    return tuple(
        _problem(f"finding-{index}", *members[0], [group for group, _ in members[1:]], anchors, limits)
        for index, members in enumerate(alike.values(), 1)
    )


def _of_group(group: Group) -> Iterator[_Located]:
    for param, drill in zip(group.params, group.drills, strict=True):
        for finding in drill.findings:
            yield _Located(finding, "accepted" if finding.accepted else finding.severity, param, drill)
        if not any(finding.fails for finding in drill.findings) and drill.verdict in _UNCLASSIFIED:
            yield _Located(_unclassified(drill), "unclassified", param, drill)


def _unclassified(drill: DrillEvidence) -> Finding:
    """The finding for a drill that did not pass and has none."""
    code, title, remedy = _UNCLASSIFIED[drill.verdict]
    step = next((step for step in drill.steps if step.outcome != "passed"), None)
    check = next((check for step in drill.steps for check in step.checks if check.fails), None)
    if check and check.finding in CATALOGUE:
        title = CATALOGUE[check.finding].title
    detail = drill.reason or (step.error if step else "") or (check.title if check else "no reason was recorded")
    return Finding(
        code=code,
        severity="critical",
        title=title,
        detail=detail,
        why="",
        remedy=remedy,
        at=check.at if check else (step.at if step else drill.seconds),
        step=step.title if step else "",
    )


def _problem(
    anchor: str,
    group: Group,
    items: Sequence[_Located],
    others: Sequence[Group],
    anchors: Mapping[str, str],
    limits: Limits,
) -> Problem:
    """One entry; ``others`` are drills that found exactly the same."""
    first = items[0]
    params = tuple(dict.fromkeys(one_line(item.param, limits.line) for item in items if item.param))
    shown = items[: limits.items]
    return Problem(
        anchor=anchor,
        code=one_line(first.finding.code, 80),
        severity=first.severity,
        title=one_line(first.finding.title, limits.line),
        why=cut(first.finding.why, limits.value),
        remedy=cut(first.finding.remedy, _LONGEST),
        repeat=f"pytest {shlex.quote(one_line(first.drill.id, limits.line))}",
        catalogue=f"docs/reference/findings.md#{first.finding.code}" if is_built_in(first.finding.code) else "",
        drill=PageLink(group.title, f"#{group.anchor}"),
        params=params if group.parametrised or group.params[0] else (),
        others=tuple(PageLink(other.full_title, f"#{other.anchor}") for other in others),
        occurrences=tuple(_occurrence(item, anchors, limits) for item in shown),
        more=len(items) - len(shown),
        accepted=acceptance_text(first.finding.accepted),
    )


def _occurrence(item: _Located, anchors: Mapping[str, str], limits: Limits) -> Occurrence:
    step = _step_of(item, anchors, limits)
    data = None if item.finding.data in (None, {}, []) else view(item.finding.data, limits)
    return Occurrence(
        one_line(item.param, limits.line), cut(item.finding.detail, limits.value), seconds(item.finding.at), step, data
    )


def _step_of(item: _Located, anchors: Mapping[str, str], limits: Limits) -> PageLink | None:
    if not item.finding.step:
        return None
    anchor = anchors.get(item.drill.id)
    for step in item.drill.steps[: limits.steps]:
        if item.finding.step in (step.title, str(step.number)):
            text = f"step {step.number}: {one_line(step.title, limits.line)}"
            return PageLink(text, f"#{anchor}-step-{step.number}" if anchor else "")
    return PageLink(one_line(item.finding.step, limits.line), "")

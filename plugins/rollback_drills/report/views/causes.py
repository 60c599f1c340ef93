"""What failed, grouped by cause, and what to do first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import count, enumerate_words
from rollback_drills.report.views.coverage import ChecklistItem
from rollback_drills.report.views.groups import NOT_BEGUN
from rollback_drills.report.views.problems import Problem
from rollback_drills.report.views.sections import SectionRow

_PLACES = 3


@dataclass(frozen=True, slots=True)
class Cause:
    """Findings that one repair removes: those of one code, in one drill or in several.

    Attributes:
        what: the first of their details.
        where: the drills and cases that have it.
        do: the remedy.
        again: the command that drills it again.
        more: how many further findings have the same cause.
    """

    number: int
    title: str
    code: str
    severity: str
    what: str
    where: str
    do: str
    again: str
    anchor: str
    more: int


@dataclass(frozen=True, slots=True)
class ToDo:
    """One thing to do next; ``href`` leads to its details."""

    what: str
    how: str
    href: str
    link: str


def causes(problems: Sequence[Problem]) -> tuple[Cause, ...]:
    """The causes of the failing ``problems``, in their order."""
    alike: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        if problem.fails:
            alike.setdefault((problem.code, problem.title), []).append(problem)
    return tuple(_cause(number, members) for number, members in enumerate(alike.values(), 1))


def _cause(number: int, members: Sequence[Problem]) -> Cause:
    first = members[0]
    drills = list(dict.fromkeys(link.text for each in members for link in (each.drill, *each.others)))
    places = list(dict.fromkeys(param for each in members for param in each.params))
    where = enumerate_words(drills, _PLACES) + (f": {enumerate_words(places, 4)}" if places else "")
    occurrences = sum(len(each.occurrences) + each.more for each in members)
    return Cause(
        number=number,
        title=first.title,
        code=first.code,
        severity=first.severity,
        what=first.worst_detail,
        where=where,
        do=first.remedy,
        again=first.repeat,
        anchor=first.anchor,
        more=occurrences - 1,
    )


def to_do(
    found: Sequence[Cause], rows: Sequence[SectionRow], checklist: Sequence[ChecklistItem], run: RunEvidence
) -> tuple[ToDo, ...]:
    """What to do next: mend the causes first, then prove what was not, then what is a person's."""
    return (*_mend(found), *_prove(rows, run), *_by_hand(checklist))


def _mend(found: Sequence[Cause]) -> Iterator[ToDo]:
    for cause in found:
        yield ToDo(f"{cause.title}.", first_sentence(cause.do), f"#{cause.anchor}", f"Finding {cause.number}")


def first_sentence(text: str) -> str:
    """``text`` up to its first full stop that ends a sentence."""
    head, stop, _ = text.partition(". ")
    return f"{head}." if stop else text


def _prove(rows: Sequence[SectionRow], run: RunEvidence) -> Iterator[ToDo]:
    """What the run left open: sections without a drill, and drills that need another runtime or target."""
    broken = [row for row in rows if row.can == "Unknown" and row.sure != "Not drilled"]
    if broken:
        names = enumerate_words([row.name for row in broken], 3)
        yield ToDo("Drill again what broke off.", f"{names}: nothing is known.", "#unproven", "Why")
    undrilled = [row for row in rows if row.sure == "Not drilled"]
    if undrilled:
        names = enumerate_words([row.name for row in undrilled], 3)
        yield ToDo(f"Drill {count(len(undrilled), 'more section')}.", f"{names}.", "#unproven", "Why not")
    lacks = [name for drill in run.drills if drill.verdict in NOT_BEGUN for name in dict.fromkeys(drill.lacks)]
    for name in dict.fromkeys(lacks):
        number = count(lacks.count(name), "drill")
        how = f"{number} need{'s' if lacks.count(name) == 1 else ''} it."
        what = "Drill with --drill-runtime=compose as well." if name == "compose" else f"Give the target: {name}."
        yield ToDo(what, how, "#unproven", "Which")


def _by_hand(checklist: Sequence[ChecklistItem]) -> Iterator[ToDo]:
    open_items = [item for item in checklist if item.open]
    if open_items:
        names = enumerate_words([item.title for item in open_items], 3)
        number = count(len(open_items), "item")
        yield ToDo(f"Tick {number} of the checklist.", f"For people: {names}.", "#checklist", "Checklist")

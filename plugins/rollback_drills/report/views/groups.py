"""The cases of a parametrised drill as one: 21 integrations of one scenario are one row, not 21 pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rollback_drills.evidence.model import (
    DrillEvidence,
    Verdict,
)
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import count, humanise, one_line

# path::name[parameter], and the group that pytest-xdist's loadgroup appends
_ID = re.compile(r"(?P<base>[^\[]*)(?:\[(?P<param>.*)\])?(?:@[^\]]*)?", re.DOTALL)
_WORST_FIRST: tuple[Verdict, ...] = ("failed", "error", "incomplete", "passed", "not run", "skipped")
INTERRUPTED = "Interrupted: "
"""The first word in the title of a drill that cuts off the procedure of another."""
LITERAL = "To the letter: "
"""The first words in the title of a drill that shows what commands do as they are written, and rolls nothing back."""
NOT_BEGUN: tuple[Verdict, ...] = ("skipped", "not run")


@dataclass(frozen=True, slots=True)
class Group:
    """A drill, with all the cases in which it was performed."""

    base: str
    number: int
    title: str
    runbook: str
    noun: str
    drills: tuple[DrillEvidence, ...]
    params: tuple[str, ...]

    @property
    def anchor(self) -> str:
        return anchor_of(self.base)

    @property
    def parametrised(self) -> bool:
        return len(self.drills) > 1

    @property
    def literal(self) -> bool:
        """Whether it only shows what a literal command does."""
        return self.title.startswith(LITERAL)

    @property
    def verdict(self) -> Verdict:
        """The worst of its cases; skipped or not run only where none was begun."""
        present = {drill.verdict for drill in self.drills}
        return next(verdict for verdict in _WORST_FIRST if verdict in present)

    @property
    def cases(self) -> str:
        """``21 integrations``; empty for a drill without parameters."""
        return count(len(self.drills), self.noun) if self.parametrised else ""

    @property
    def full_title(self) -> str:
        if self.parametrised:
            return f"{self.title} ({self.cases})"
        return f"{self.title} ({self.params[0]})" if self.params[0] and self.params[0] not in self.title else self.title

    @property
    def failed(self) -> tuple[tuple[str, DrillEvidence], ...]:
        """The cases that began and did not pass."""
        both = zip(self.params, self.drills, strict=True)
        return tuple((param, drill) for param, drill in both if drill.verdict not in ("passed", *NOT_BEGUN))


def group_drills(run: RunEvidence) -> tuple[Group, ...]:
    """The drills of ``run`` by test function, in the order of the runbook's sections, then in their own.

    Interruptions of a procedure follow the procedure itself, wherever their tests are.
    """
    found: dict[tuple[str, str], list[tuple[str, DrillEvidence]]] = {}
    for drill in run.drills:
        base, param = split_id(drill.id)
        key = (base, drill.runbook if param else drill.id)
        found.setdefault(key, []).append((param, drill))
    order = {section: index for index, section in enumerate(run.runbook.sections)}

    def place(item: tuple[tuple[str, str], list[tuple[str, DrillEvidence]]]) -> tuple[int, bool]:
        first = item[1][0][1]
        return order.get(first.runbook, len(order)), first.title.startswith(INTERRUPTED)

    ordered = sorted(found.items(), key=place)
    return tuple(_group(base, number, members) for number, ((base, _), members) in enumerate(ordered, 1))


def anchor_of(identifier: str) -> str:
    """The anchor of a drill in the document: the same in every run, so that other documents can link to it."""
    return "drill-" + re.sub(r"[^a-z0-9]+", "-", split_id(identifier)[0].lower()).strip("-")


def split_id(identifier: str) -> tuple[str, str]:
    """Base and parameter of a test id; the parameter is empty if there is none."""
    match = _ID.fullmatch(identifier)
    return (match["base"], match["param"] or "") if match else (identifier, "")


def _group(base: str, number: int, members: Sequence[tuple[str, DrillEvidence]]) -> Group:
    params, drills = zip(*members, strict=True)
    return Group(base, number, _title(base, drills), drills[0].runbook, _noun(params, drills), drills, params)


def _title(base: str, drills: Sequence[DrillEvidence]) -> str:
    """What all cases' titles have in common; the test's name if they share nothing."""
    titles = [one_line(drill.title) for drill in drills]
    common = titles[0] if len(set(titles)) == 1 else _common_words(titles)
    return common or humanise(base.rpartition("::")[2].removeprefix("test_"))


def _common_words(titles: Sequence[str]) -> str:
    words: list[str] = []
    for column in zip(*(title.split() for title in titles), strict=False):
        if len(set(column)) > 1:
            break
        words.append(column[0])
    return " ".join(words).rstrip(" ([{:,;-\u2013\u2014")


def _noun(params: Sequence[str], drills: Sequence[DrillEvidence]) -> str:
    """The noun for a case: the fact whose value is every case's parameter (``integration``), else ``case``."""
    for name in dict.fromkeys(name for drill in drills for name in drill.facts):
        if all(drill.facts.get(name, param) == param for param, drill in zip(params, drills, strict=True)):
            return one_line(name.replace("_", " "), 40)
    return "case"

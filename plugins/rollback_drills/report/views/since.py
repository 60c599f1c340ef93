"""What changed since a former run: which sections got better or worse, which drills are new or gone.

Only what both runs did is compared: the same drills, with the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.history import History, PastDrill, PastRun, far_longer, past_of
from rollback_drills.report.text import count, enumerate_words, one_line, seconds
from rollback_drills.report.views.groups import split_id
from rollback_drills.report.views.sections import SectionRow

Change = Literal["better", "worse", "same", "new"]
_RANKS = {"failed": 0, "error": 1, "incomplete": 1, "passed": 2}


@dataclass(frozen=True, slots=True)
class Since:
    """The comparison with one former run.

    Attributes:
        when: the day of the former run, ``20 Nov 2026``.
        sections: the change of each section, by its id.
        why: of a section that changed, in words.
        new: drills that the former run did not have; gone: those that this one does not have.
    """

    run: str
    when: str
    sections: Mapping[str, Change]
    why: Mapping[str, str]
    new: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """``Since 20 Nov 2026: 2 sections worse, 7 the same.``"""
        found = list(self.sections.values())
        parts = [
            f"{count(number, 'section') if not index else number} {word}"
            for index, (number, word) in enumerate(
                (found.count(change), word)
                for change, word in (("worse", "worse"), ("better", "better"), ("same", "the same"), ("new", "new"))
                if change in found
            )
        ]
        drills = [
            f"{count(len(names), 'drill')} {word}" for names, word in ((self.new, "new"), (self.gone, "gone")) if names
        ]
        return f"Since {self.when}: {', '.join([*parts, *drills])}."


def former_run(run: RunEvidence, history: History) -> PastRun | None:
    """The last run of the same target on the same runtime that went to its end, and shares a drill with ``run``."""
    itself = {run.run, *(source.run for source in run.merged)}
    ids = {drill.id for drill in run.drills}
    comparable = [
        past
        for past in history.runs
        if (past.target, past.runtime) == (run.target.name, run.runtime.name)
        and past.run not in itself
        and past.complete
        and not ids.isdisjoint(past.drills)
    ]
    return comparable[-1] if comparable else None


def since(run: RunEvidence, rows: Sequence[SectionRow], past: PastRun | None) -> Since | None:
    """What changed since ``past``; None without one."""
    if past is None:
        return None
    now = past_of(run).drills
    members: dict[str, list[str]] = {}
    for drill in run.drills:
        members.setdefault(drill.runbook, []).append(drill.id)
    changes: dict[str, Change] = {}
    why: dict[str, str] = {}
    for row in rows:
        both = [name for name in members.get(row.id, ()) if name in now and name in past.drills]
        if not both:
            if any(name in now for name in members.get(row.id, ())):
                changes[row.id] = "new"
            continue
        changes[row.id], why[row.id] = _change([now[name] for name in both], [past.drills[name] for name in both])
    titles = {drill.id: drill.title for drill in run.drills}
    return Since(
        run=one_line(past.run, 80),
        when=_day(past.finished_at),
        sections=changes,
        why={name: text for name, text in why.items() if text},
        new=tuple(_names(now.keys() - past.drills.keys(), titles)),
        gone=tuple(_names(past.drills.keys() - now.keys(), titles)),
    )


def _change(now: Sequence[PastDrill], before: Sequence[PastDrill]) -> tuple[Change, str]:
    """Whether the same drills did better or worse: by their worst verdict, then by their longest recovery."""
    here, there = (min(_RANKS.get(each.verdict, 1) for each in drills) for drills in (now, before))
    if here != there:
        return ("worse", "") if here < there else ("better", "")
    times = [[each.recovery for each in drills if each.recovery is not None] for drills in (now, before)]
    longest, former = (max(each, default=0.0) for each in times)
    if all(times) and far_longer(longest, former):
        return "worse", f"recovery {seconds(longest)}, was {seconds(former)}"
    if all(times) and far_longer(former, longest):
        return "better", f"recovery {seconds(longest)}, was {seconds(former)}"
    return "same", ""


def _names(ids: set[str], titles: Mapping[str, str]) -> Iterator[str]:
    """Titles where they are known, and the tests' names otherwise; each once."""
    found = (titles.get(name) or split_id(name)[0].rpartition("::")[2] for name in sorted(ids))
    yield from dict.fromkeys(one_line(name, 120) for name in found)


def _day(iso: str) -> str:
    try:
        return f"{datetime.fromisoformat(iso):%d %b %Y}".lstrip("0")
    except ValueError:
        return one_line(iso, 40)


def since_lines(found: Since, rows: Sequence[SectionRow]) -> Iterator[str]:
    """The comparison in full: what got worse, better, is new or gone."""
    yield found.sentence
    names = {row.id: row.title for row in rows}
    for change in ("worse", "better"):
        for section, given in found.sections.items():
            if given == change:
                why = f" ({found.why[section]})" if section in found.why else ""
                yield f"{change}: {names[section]}{why}"
    for word, drills in (("new", found.new), ("gone", found.gone)):
        if drills:
            yield f"{word}: {enumerate_words(drills, 12)}"

"""All runs beside each other, from the history: verdicts, figures, and how they went over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rollback_drills.evidence.model import Verdict
from rollback_drills.report.filing.history import History, PastRun
from rollback_drills.report.text import NOT_MEASURED, count, moment, one_line, seconds

MOST: Final = 200
"""Runs that the index lists; history.jsonl has all."""
CURVE_WIDTH, CURVE_HEIGHT = 600, 90
_EDGE = 4
Mark = Literal["yes", "no", "part", "none"]


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run; ``href`` is empty if its directory is not there any more."""

    run: str
    href: str
    when: str
    where: str
    mark: Mark
    verdict: str
    drills: str
    recovery: str
    downtime: str
    lost: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure of the runs of one target on one runtime over time, oldest first, in a box to draw it in."""

    title: str
    points: str
    dot: tuple[float, float]
    highest: str
    words: str


@dataclass(frozen=True, slots=True)
class Runs:
    """What the index shows: the newest run first."""

    lines: tuple[RunLine, ...]
    more: int
    curves: tuple[Curve, ...]
    unreadable: int


def runs_of(history: History, there: Callable[[str], bool]) -> Runs:
    """The index of ``history``; ``there`` says whether a run's document can be opened."""
    newest = list(reversed(history.runs))
    return Runs(
        tuple(_line(past, there) for past in newest[:MOST]),
        max(0, len(newest) - MOST),
        tuple(_curves(history.runs[-MOST:])),
        history.unreadable,
    )


def _line(past: PastRun, there: Callable[[str], bool]) -> RunLine:
    verdicts = Counter(drill.verdict for drill in past.drills.values())
    passed, total = verdicts["passed"], sum(verdicts.values())
    mark, verdict = _verdict(past, verdicts)
    lost = [drill.lost for drill in past.drills.values() if drill.lost is not None]
    return RunLine(
        run=one_line(past.run, 80),
        href=f"{past.run}/incident.html" if there(past.run) else "",
        when=moment(past.finished_at),
        where=f"{one_line(past.target, 60)}, {one_line(past.runtime, 40)}",
        mark=mark,
        verdict=verdict,
        drills=f"{passed} of {count(total, 'drill')}",
        recovery=seconds(_longest(past, "recovery")),
        downtime=seconds(_longest(past, "downtime")),
        lost=f"{sum(lost):,}" if lost else NOT_MEASURED,
    )


def _verdict(past: PastRun, verdicts: Counter[Verdict]) -> tuple[Mark, str]:
    if verdicts["failed"]:
        return "no", "failed"
    if verdicts["error"] or verdicts["incomplete"] or not past.complete:
        return "none", "not proven"
    return ("yes", "passed") if verdicts["passed"] else ("none", "not proven")


def _longest(past: PastRun, figure: Literal["recovery", "downtime"]) -> float | None:
    found = [getattr(drill, figure) for drill in past.drills.values()]
    return max((each for each in found if each is not None), default=None)


def _curves(runs: Sequence[PastRun]) -> Iterator[Curve]:
    for target, runtime in dict.fromkeys((past.target, past.runtime) for past in runs):
        mine = [past for past in runs if (past.target, past.runtime) == (target, runtime)]
        figures: tuple[tuple[Literal["recovery", "downtime"], str], ...] = (
            ("recovery", "Longest recovery"),
            ("downtime", "Longest downtime"),
        )
        for figure, words in figures:
            values = [value for past in mine if past.complete and (value := _longest(past, figure)) is not None]
            if len(values) > 1:
                yield _curve(f"{words}: {one_line(target, 60)}, {one_line(runtime, 40)}", values)


def _curve(title: str, values: Sequence[float]) -> Curve:
    """The ordinate starts at zero, so that noise looks like noise."""
    highest = max(values) or 1.0
    across, up = (CURVE_WIDTH - 2 * _EDGE) / (len(values) - 1), CURVE_HEIGHT - 2 * _EDGE
    places = [
        (round(_EDGE + index * across, 1), round(CURVE_HEIGHT - _EDGE - up * value / highest, 1))
        for index, value in enumerate(values)
    ]
    last = ", ".join(seconds(value) for value in values[-12:])
    return Curve(title, " ".join(f"{x:g},{y:g}" for x, y in places), places[-1], seconds(max(values)), last)

"""How a drill did in its last runs: figures, a small curve, and a sentence if it became slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.history import History, Trend, trend
from rollback_drills.report.text import NOT_MEASURED, count, one_line, seconds
from rollback_drills.report.views.groups import Group

WIDTH, HEIGHT = 120, 28
_EDGE = 3


@dataclass(frozen=True, slots=True)
class TrendRow:
    """One run."""

    run: str
    recovery: str
    downtime: str
    lost: str
    passed: bool
    now: bool


@dataclass(frozen=True, slots=True)
class TrendView:
    """The last runs of a drill, the newest last."""

    rows: tuple[TrendRow, ...]
    curve: str
    dot: tuple[float, float]
    alternative: str
    summary: str
    regression: str


def trends(groups: Sequence[Group], run: RunEvidence, history: History) -> dict[int, TrendView]:
    """The trend of each drill with former runs, by the group's number."""
    found = {group.number: trend(run, group.drills, history) for group in groups}
    return {number: _view(each) for number, each in found.items() if each is not None}


def slower(groups: Sequence[Group], views: dict[int, TrendView]) -> tuple[str, ...]:
    """One sentence for each of the first three drills that took far longer than before."""
    named = [
        f"Slower than before: {group.full_title}, {views[group.number].regression}."
        for group in groups
        if group.number in views and views[group.number].regression
    ]
    more = [f"{count(len(named) - 3, 'more drill')} took far longer than before."] if len(named) > 3 else []
    return (*named[:3], *more)


def regression(found: Trend) -> str:
    """``recovery took 9.3 s, 3.1 times its median of 3 s over the last 5 good runs``; empty otherwise."""
    if found.factor is None:
        return ""
    return (
        f"recovery took {seconds(found.now.recovery)}, {found.factor:.1f} times its median of {seconds(found.median)} "
        f"over the last {found.runs} good runs"
    )


def _view(found: Trend) -> TrendView:
    points = found.points
    rows = tuple(
        TrendRow(
            run=one_line(point.run, 60),
            recovery=seconds(point.recovery),
            downtime=seconds(point.downtime),
            lost=NOT_MEASURED if point.lost is None else f"{point.lost:,}",
            passed=point.passed,
            now=index == len(points) - 1,
        )
        for index, point in enumerate(points)
    )
    measured = [(index, point.recovery) for index, point in enumerate(points) if point.recovery is not None]
    curve = _curve(measured, len(points)) if len(measured) > 1 else []
    words = ", ".join(seconds(value) for _, value in measured)
    return TrendView(
        rows,
        " ".join(f"{x:g},{y:g}" for x, y in curve),
        curve[-1] if curve else (0.0, 0.0),
        f"recovery times of the last runs, the newest last: {words}",
        f"recovery {seconds(found.now.recovery)}, median {seconds(found.median)} over {found.runs} good runs before"
        if found.median is not None
        else f"{count(len(points) - 1, 'run')} before this one",
        regression(found),
    )


def _curve(measured: Sequence[tuple[int, float]], runs: int) -> list[tuple[float, float]]:
    """Points in a box of WIDTH by HEIGHT; the ordinate starts at zero, so that noise looks like noise."""
    highest = max(value for _, value in measured) or 1.0
    across, up = (WIDTH - 2 * _EDGE) / max(1, runs - 1), HEIGHT - 2 * _EDGE
    return [
        (round(_EDGE + index * across, 1), round(HEIGHT - _EDGE - up * value / highest, 1)) for index, value in measured
    ]

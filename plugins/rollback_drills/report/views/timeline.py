"""The timeline of a drill in percent of its length, ready to be drawn to scale.

A lane is one row on the common time axis: a step, the recovery, the downtime of one kind of request. Below them are
the charts of what clients saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import floor, log10
from typing import Literal

from rollback_drills.evidence.model import ClientTraffic, DrillEvidence, Step
from rollback_drills.report.text import one_line, seconds
from rollback_drills.report.views.chart import Chart, charts
from rollback_drills.report.views.limits import Limits

Kind = Literal["target", "harness", "recovery", "missed", "objective", "down"]
_LEAST = 0.35  # percent: anything shorter would be invisible
_KINDS = 8  # kinds of requests with a lane of their own for their downtime


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: where it begins and how long it is, in percent of the drill."""

    start: float
    width: float
    kind: Kind


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: its label, its length in words, and a description for readers who do not see the bars."""

    label: str
    text: str
    alternative: str
    bars: tuple[Bar, ...]
    anchor: str = ""
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on the axis."""

    position: float
    text: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The lanes of a drill over one axis."""

    total: str
    lanes: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Tick, ...] = ()
    charts: tuple[Chart, ...] = ()
    down_more: int = 0

    @property
    def objective(self) -> bool:
        """Whether a lane marks where an objective ended."""
        return any(bar.kind == "objective" for lane in self.lanes for bar in lane.bars)


def timeline(drill: DrillEvidence, case_anchor: str, limits: Limits) -> Timeline | None:
    """The timeline of a drill's first steps, or None if nothing took any time."""
    total = _total(drill)
    if total <= 0 or not drill.steps:
        return None
    lanes = [_step_lane(step, total, case_anchor) for step in drill.steps[: limits.steps]]
    if drill.recovery:
        lanes.append(_recovery_lane(drill, total))
    traffic = drill.traffic
    if traffic is None:
        return Timeline(seconds(total), tuple(lanes), ticks(total), tuple(_marks(drill, total)))
    down = sorted(traffic.downtime_seconds.items(), key=lambda item: -item[1])
    down = [(kind, length) for kind, length in down if length > 0]
    lanes += [_downtime_lane(kind, length, traffic, total) for kind, length in down[:_KINDS]]
    return Timeline(
        seconds(total),
        tuple(lanes),
        ticks(total),
        tuple(_marks(drill, total)),
        charts(traffic, total, limits.buckets),
        max(0, len(down) - _KINDS),
    )


def _total(drill: DrillEvidence) -> float:
    recovered = drill.recovery.ended or drill.recovery.started if drill.recovery else 0.0
    watched = drill.traffic.ended if drill.traffic else 0.0
    return max([drill.seconds, recovered, watched, *(step.at + step.seconds for step in drill.steps)])


def _marks(drill: DrillEvidence, total: float) -> Iterator[Tick]:
    """The decision to roll back, and the moment at which the steady state was verified."""
    if drill.recovery is not None:
        began = drill.recovery.started
        yield Tick(round(min(100.0, 100 * began / total), 2), "decision to roll back")
        if drill.recovery.ended is not None:
            yield Tick(round(min(100.0, 100 * drill.recovery.ended / total), 2), "steady state verified")


def _downtime_lane(kind: str, length: float, traffic: ClientTraffic, total: float) -> Lane:
    stretches = [item for item in traffic.downtime if item.kind == kind]
    bars = []
    words = []
    for item in stretches:
        ended = traffic.ended if item.ended is None else item.ended
        bars.append(_bar(item.began, ended - item.began, total, "down"))
        words.append(f"from {seconds(item.began)} for {seconds(max(0.0, ended - item.began))} ({one_line(item.cause)})")
    more = f" and {len(words) - 6} more" if len(words) > 6 else ""
    objective = traffic.downtime_objective_seconds
    return Lane(
        f"Downtime: {one_line(kind, 90)}",
        seconds(length),
        f"no good answer to {one_line(kind, 90)} {', '.join(words[:6])}{more}",
        tuple(bars[:60]),
        ok=objective is None or length <= objective,
    )


def _step_lane(step: Step, total: float, case_anchor: str) -> Lane:
    target = min(step.target_seconds, step.seconds)
    bars = [_bar(step.at, target, total, "target")] if target > 0 else []
    if step.harness_seconds > 0 or not bars:
        bars.append(_bar(step.at + target, step.seconds - target, total, "harness"))
    alternative = f"from {seconds(step.at)}: {split(step)}"
    label = f"{step.number}. {one_line(step.title, 90)}"
    anchor = f"{case_anchor}-step-{step.number}"
    return Lane(label, seconds(step.seconds), alternative, tuple(bars), anchor, step.outcome == "passed")


def split(step: Step) -> str:
    """``target 1.2 s, harness 0.1 s``."""
    return f"target {seconds(min(step.target_seconds, step.seconds))}, harness {seconds(step.harness_seconds)}"


_WORTH_TELLING = 0.05  # seconds


def _recovery_lane(drill: DrillEvidence, total: float) -> Lane:
    recovery = drill.recovery
    assert recovery is not None
    reached = recovery.seconds is not None
    length = (total if recovery.ended is None else recovery.ended) - recovery.started
    bars = [
        _bar(
            recovery.started, max(0.0, length), total, "recovery" if reached and recovery.met is not False else "missed"
        )
    ]
    if recovery.objective_seconds is not None and recovery.started + recovery.objective_seconds < total:
        bars.append(_bar(recovery.started + recovery.objective_seconds, 0, total, "objective"))
    text = seconds(recovery.seconds) if reached else "not reached"
    began = f"decision to roll back at {seconds(recovery.started)}"
    alternative = f"{began}, recovered after {text}" if reached else f"{began}, the steady state was never reached"
    if recovery.aside_seconds >= _WORTH_TELLING:
        alternative += f"; {seconds(recovery.aside_seconds)} of the suite's own work in between are not counted"
    return Lane("Recovery", text, alternative, tuple(bars), ok=reached and recovery.met is not False)


def _bar(start: float, length: float, total: float, kind: Kind) -> Bar:
    width = min(100.0, max(_LEAST, 100 * max(0.0, length) / total))
    return Bar(round(min(max(0.0, 100 * start / total), 100 - width), 2), round(width, 2), kind)


def ticks(total: float) -> tuple[Tick, ...]:
    """Three to five round times over ``total`` seconds, zero included; round in minutes from three minutes on."""
    unit = 60.0 if total >= 180 else 1.0
    rough = total / 4 / unit
    power = 10.0 ** floor(log10(rough))
    step = unit * next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    marks = [index * step for index in range(int(total / step) + 1)]
    return tuple(
        Tick(round(100 * mark / total, 2), "0" if not mark else seconds(mark)) for mark in marks if mark / total <= 0.94
    )

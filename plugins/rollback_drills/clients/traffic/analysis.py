"""What clients saw, derived from the records of a load by pure functions.

All times are those at which requests were *due*: when the clients wanted them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from rollback_drills.clients.traffic.records import Request
from rollback_drills.evidence.model import ClientTraffic, Downtime, Interval, Latency, Phase

MOST_INTERVALS = 120
_LENGTHS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)  # seconds per interval of the timeline

Clock = Callable[[float], float]
"""Converts a moment on the monotonic clock into seconds since the drill began."""


@dataclass(frozen=True, slots=True)
class Span:
    """When a load began and ended, and its cost."""

    rate: float
    began: float
    ended: float
    latest: float = 0.0  # seconds; the largest delay of a request
    cpu: float = 0.0  # seconds


def analyse(
    requests: Iterable[Request],
    span: Span,
    *,
    trigger: float | None = None,
    steady: float | None = None,
    objective: float | None = None,
    pauses: Sequence[tuple[float, float]] = (),
    clock: Clock = lambda moment: moment,
) -> ClientTraffic:
    """The evidence of a load, except for the accounting of deliveries.

    Args:
        trigger: when the decision to roll back was made; None: no rollback, hence no phases.
        steady: when the steady state was verified; None: never.
        objective: maximum downtime, in seconds.
        pauses: intervals in which clients were paused, for the suite's own work; they are no downtime.
    """
    ordered = sorted(requests, key=lambda request: request.number)
    stretches = downtime(ordered)
    length = interval_length(span.ended - span.began)
    totals: dict[str, float] = dict.fromkeys(sorted({each.kind for each in ordered}), 0.0)
    for stretch in stretches:
        ended = span.ended if stretch.ended is None else stretch.ended
        paused = sum(max(0.0, min(until, ended) - max(since, stretch.began)) for since, until in pauses)
        totals[stretch.kind] += ended - stretch.began - paused
    return ClientTraffic(
        rate=span.rate,
        began=_rounded(clock(span.began)),
        ended=_rounded(clock(span.ended)),
        requests=_counted(ordered),
        downtime=tuple(_at(stretch, clock) for stretch in stretches),
        downtime_seconds={kind: round(max(0.0, seconds), 3) for kind, seconds in totals.items()},
        downtime_objective_seconds=objective,
        phases=phases(ordered, span, trigger, steady, clock),
        latency=latency(ordered),
        interval_seconds=length,
        intervals=intervals(ordered, span, length, clock),
        latest_send_seconds=round(span.latest, 4),
        cpu_seconds=round(span.cpu, 4),
    )


def downtime(ordered: Sequence[Request]) -> tuple[Downtime, ...]:
    """Intervals of failed requests of one kind, each from its first failure to the next good answer.

    A deliberate refusal is an agreed answer: it ends an interval as a good answer does.
    """
    found = []
    for kind in sorted({request.kind for request in ordered}):
        mine = [request for request in ordered if request.kind == kind]
        runs = [(failed, list(run)) for failed, run in groupby(mine, key=lambda each: each.outcome == "failed")]
        for index, (failed, run) in enumerate(runs):
            if failed:
                end = runs[index + 1][1][0].due if index + 1 < len(runs) else None
                ((cause, _),) = Counter(request.result for request in run).most_common(1)
                found.append(Downtime(kind=kind, began=run[0].due, ended=end, requests=len(run), cause=cause))
    return tuple(sorted(found, key=lambda stretch: stretch.began))


def held(requests: Iterable[Request], since: float, window: int, kinds: Collection[str]) -> float | None:
    """When the steady state had held for a window: ``window`` consecutive good requests of every kind.

    Only requests due after ``since`` count, and none of their kind may have failed later. None: it has not held yet.
    """
    due = sorted((each for each in requests if each.due >= since), key=lambda each: each.number)
    moments = [_complete([each for each in due if each.kind == kind][-window:], len(kinds), window) for kind in kinds]
    known = [moment for moment in moments if moment is not None]
    return max(known) if known and len(known) == len(moments) else None


def _complete(last: Sequence[Request], step: int, window: int) -> float | None:
    """When these had all been good; a missing number is still in flight. Each kind has every step-th number."""
    complete = len(last) == window and last[-1].number - last[0].number == step * (window - 1)
    if not complete or any(request.outcome == "failed" for request in last):
        return None
    return max(request.ended for request in last)


def latency(requests: Iterable[Request]) -> Latency | None:
    """Percentiles by nearest rank, over the answered requests."""
    times = sorted(request.seconds for request in requests if request.status is not None)
    if not times:
        return None

    def rank(share: float) -> float:
        return round(times[max(0, math.ceil(share * len(times)) - 1)], 4)

    return Latency(p50=rank(0.50), p95=rank(0.95), p99=rank(0.99), longest=round(times[-1], 4))


def phases(
    ordered: Sequence[Request], span: Span, trigger: float | None, steady: float | None, clock: Clock
) -> tuple[Phase, ...]:
    """Before the trigger, until the steady state was verified, and after; by when requests were due."""
    if trigger is None:
        return ()
    verified = span.ended if steady is None else min(steady, span.ended)
    limits = [("before", span.began, trigger), ("during", trigger, verified)]
    if steady is not None:
        limits.append(("after", verified, span.ended))
    found = []
    for name, began, ended in limits:
        first, last = name == "before", name == limits[-1][0]
        mine = [each for each in ordered if (first or each.due >= began) and (last or each.due < ended)]
        outcomes = Counter(request.outcome for request in mine)
        found.append(
            Phase.model_validate(
                {
                    "name": name,
                    "began": _rounded(clock(began)),
                    "ended": _rounded(clock(max(began, ended))),
                    "requests": len(mine),
                    "good": outcomes["good"],
                    "deliberate": outcomes["deliberate"],
                    "failed": outcomes["failed"],
                    "latency": latency(mine),
                }
            )
        )
    return tuple(found)


def interval_length(seconds: float) -> float:
    """Seconds per interval, so that there are not too many."""
    return next((length for length in _LENGTHS if seconds / length <= MOST_INTERVALS), seconds / MOST_INTERVALS)


def intervals(ordered: Sequence[Request], span: Span, length: float, clock: Clock) -> tuple[Interval, ...]:
    """The timeline, including gaps."""
    if not ordered:
        return ()
    slots: dict[int, list[Request]] = {}
    for request in ordered:
        slots.setdefault(max(0, int((request.due - span.began) / length)), []).append(request)
    found = []
    for number in range(max(slots) + 1):
        mine = slots.get(number, [])
        outcomes, times = Counter(request.outcome for request in mine), latency(mine)
        found.append(
            Interval(
                at=_rounded(clock(span.began + number * length)),
                good=outcomes["good"],
                deliberate=outcomes["deliberate"],
                failed=outcomes["failed"],
                p95=times.p95 if times is not None else None,
            )
        )
    return tuple(found)


def _counted(requests: Iterable[Request]) -> dict[str, dict[str, int]]:
    """By kind, then by status or transport error."""
    counts: dict[str, Counter[str]] = {}
    for request in requests:
        counts.setdefault(request.kind, Counter())[request.result] += 1
    return {kind: dict(sorted(counts[kind].items())) for kind in sorted(counts)}


def _at(stretch: Downtime, clock: Clock) -> Downtime:
    ended = _rounded(clock(stretch.ended)) if stretch.ended is not None else None
    return stretch.model_copy(update={"began": _rounded(clock(stretch.began)), "ended": ended})


def _rounded(moment: float) -> float:
    return round(moment, 4)

"""Throughput and error rate over time, as outlines for a template to draw: whole numbers in a box of fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollback_drills.evidence.model import ClientTraffic
from rollback_drills.report.text import seconds
from rollback_drills.report.views.clients import percent

WIDTH, HEIGHT = 1000, 100
"""The box in which the outlines lie; it is stretched to the width of the axis."""


@dataclass(frozen=True, slots=True)
class Outline:
    """A filled shape: an SVG path in the box of WIDTH by HEIGHT."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart over the drill's time axis."""

    label: str
    text: str
    alternative: str
    outlines: tuple[Outline, ...]


@dataclass(frozen=True, slots=True)
class _Bucket:
    """A stretch of time and its requests; ``start`` and ``end`` in seconds since the drill began."""

    start: float
    end: float
    good: int
    deliberate: int
    failed: int

    @property
    def requests(self) -> int:
        return self.good + self.deliberate + self.failed

    @property
    def rate(self) -> float:
        return self.requests / (self.end - self.start)


def charts(traffic: ClientTraffic, total: float, limit: int) -> tuple[Chart, ...]:
    """Throughput and error rate over ``total`` seconds, in at most ``limit`` stretches; empty if nothing was sent."""
    buckets = _buckets(traffic, limit)
    peak = max((bucket.rate for bucket in buckets), default=0.0)
    if not peak:
        return ()
    return (_throughput(buckets, peak, total), _errors(buckets, total))


def _buckets(traffic: ClientTraffic, limit: int) -> list[_Bucket]:
    length = traffic.interval_seconds
    if length <= 0 or not traffic.intervals:
        return []
    first = traffic.intervals[0].at
    last = max(interval.at for interval in traffic.intervals)
    count = round((last - first) / length) + 1
    together = -(-count // limit)  # rounded up
    sums: dict[int, list[int]] = {}
    for interval in traffic.intervals:
        place = max(0, round((interval.at - first) / length)) // together
        into = sums.setdefault(place, [0, 0, 0])
        for index, value in enumerate((interval.good, interval.deliberate, interval.failed)):
            into[index] += value
    width = length * together
    return [
        _Bucket(first + place * width, min(first + (place + 1) * width, last + length), *values)
        for place, values in sorted(sums.items())
    ]


def _throughput(buckets: Sequence[_Bucket], peak: float, total: float) -> Chart:
    # Layers, back to front: all requests, good or refused on purpose, good.
    layers = [
        ("failed", [(bucket, bucket.rate) for bucket in buckets]),
        ("deliberate", [(bucket, bucket.rate * _share(bucket.good + bucket.deliberate, bucket)) for bucket in buckets]),
        ("good", [(bucket, bucket.rate * _share(bucket.good, bucket)) for bucket in buckets]),
    ]
    failed = sum(bucket.failed for bucket in buckets)
    deliberate = sum(bucket.deliberate for bucket in buckets)
    everything = sum(bucket.requests for bucket in buckets)
    alternative = (
        f"Throughput over time, at most {peak:.3g} requests per second: {everything - failed - deliberate:,} good, "
        f"{deliberate:,} refused on purpose, {failed:,} failed"
    )
    outlines = tuple(Outline(kind, path) for kind, heights in layers if (path := _outline(heights, peak, total)))
    return Chart("Requests per second", f"up to {peak:.3g}/s", alternative, outlines)


def _errors(buckets: Sequence[_Bucket], total: float) -> Chart:
    rates = [(bucket, _share(bucket.failed, bucket)) for bucket in buckets]
    worst = max(rate for _, rate in rates)
    failing = [bucket for bucket in buckets if bucket.failed]
    alternative = "Error rate over time: no request failed"
    if failing:
        alternative = (
            f"Error rate over time: requests failed between {seconds(max(0.0, failing[0].start))} and "
            f"{seconds(failing[-1].end)}, at worst {percent(worst)} of them"
        )
    path = _outline(rates, 1.0, total)
    return Chart(
        "Error rate",
        f"up to {percent(worst)}" if failing else "0 %",
        alternative,
        (Outline("failed", path),) if path else (),
    )


def _share(part: int, bucket: _Bucket) -> float:
    return part / bucket.requests if bucket.requests else 0.0


def _outline(heights: Sequence[tuple[_Bucket, float]], peak: float, total: float) -> str:
    """Steps over the time axis; anything above zero is at least a line."""
    path: list[str] = []
    at = level = 0
    for bucket, height in heights:
        up = min(HEIGHT, max(3, round(HEIGHT * height / peak))) if height > 0 else 0
        left = _x(bucket.start, total)
        if level and left > at + 1:  # a gap in which nothing was sent
            path.append(f"H{at}V{HEIGHT}")
            level = 0
        if up != level:
            path.append((f"H{left}" if path else f"M{left} {HEIGHT}") + f"V{HEIGHT - up}")
            level = up
        at = _x(bucket.end, total)
    return "".join([*path, f"H{at}V{HEIGHT}Z"]) if path else ""


def _x(moment: float, total: float) -> int:
    return min(WIDTH, max(0, round(WIDTH * moment / total)))

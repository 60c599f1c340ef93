"""What clients saw during a drill, by phase of the rollback and by kind of request, and what became of writes."""

from __future__ import annotations

from dataclasses import dataclass

from rollback_drills.evidence.model import ClientTraffic, Downtime, Phase, Writes
from rollback_drills.report.text import one_line, seconds
from rollback_drills.report.views.limits import Limits

_PHASES = {
    "before": "Before the trigger",
    "during": "During the rollback",
    "after": "After the verification",
}


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One phase of the drill as clients saw it."""

    name: str
    lasted: str
    requests: str
    good: str
    deliberate: str
    failed: str
    error_rate: str
    latencies: tuple[str, str, str]
    ok: bool


@dataclass(frozen=True, slots=True)
class KindRow:
    """The requests of one kind by answer; ``counts`` has one entry per status of the view."""

    name: str
    total: str
    counts: tuple[str, ...]
    downtime: str


@dataclass(frozen=True, slots=True)
class DowntimeRow:
    """One stretch without a good answer."""

    kind: str
    began: str
    lasted: str
    requests: str
    cause: str


@dataclass(frozen=True, slots=True)
class ClientsView:
    """Client traffic of one drill."""

    sentence: str
    phases: tuple[PhaseRow, ...]
    statuses: tuple[str, ...]
    kinds: tuple[KindRow, ...]
    kinds_more: int
    downtimes: tuple[DowntimeRow, ...]
    downtimes_more: int
    note: str


@dataclass(frozen=True, slots=True)
class WriteList:
    """Ids of writes that went wrong."""

    title: str
    ids: tuple[str, ...]
    more: int


@dataclass(frozen=True, slots=True)
class WritesView:
    """What became of the writes that the gateway acknowledged."""

    facts: tuple[tuple[str, str], ...]
    rpo: str
    met: bool | None
    lists: tuple[WriteList, ...]


def clients_view(traffic: ClientTraffic, limits: Limits) -> ClientsView:
    """The tables of a drill's client traffic."""
    statuses = sorted({status for counts in traffic.requests.values() for status in counts}, key=_status_order)
    shown = tuple(statuses[: min(limits.items, 8)])
    total = sum(sum(counts.values()) for counts in traffic.requests.values())
    longest = seconds(traffic.longest_downtime)
    objective = traffic.downtime_objective_seconds
    judged = f", objective {seconds(objective)}" if objective is not None else ""
    kinds = list(traffic.requests.items())
    return ClientsView(
        sentence=f"{total:,} requests at {traffic.rate:g} per second from {seconds(traffic.began)} to "
        f"{seconds(traffic.ended)}; longest downtime of one kind {longest}{judged}",
        phases=tuple(_phase(phase) for phase in traffic.phases),
        statuses=tuple(one_line(status, 60) for status in shown),
        kinds=tuple(_kind(name, counts, shown, traffic, limits) for name, counts in kinds[: limits.items]),
        kinds_more=max(0, len(kinds) - limits.items) + (len(statuses) - len(shown)),
        downtimes=tuple(_downtime(item, traffic, limits) for item in traffic.downtime[: limits.items]),
        downtimes_more=max(0, len(traffic.downtime) - limits.items),
        note=_note(traffic),
    )


def _status_order(status: str) -> tuple[bool, str]:
    return not status.isdigit(), status


def _phase(phase: Phase) -> PhaseRow:
    latency = phase.latency
    times = (latency.p50, latency.p95, latency.p99) if latency else (None, None, None)
    p50, p95, p99 = (milliseconds(value) for value in times)
    return PhaseRow(
        name=_PHASES[phase.name],
        lasted=seconds(max(0.0, phase.ended - phase.began)),
        requests=f"{phase.requests:,}",
        good=f"{phase.good:,}",
        deliberate=f"{phase.deliberate:,}",
        failed=f"{phase.failed:,}",
        error_rate=percent(phase.error_rate) if phase.requests else "—",
        latencies=(p50, p95, p99),
        ok=not phase.failed,
    )


def _kind(
    name: str, counts: dict[str, int], statuses: tuple[str, ...], traffic: ClientTraffic, limits: Limits
) -> KindRow:
    return KindRow(
        one_line(name, limits.line),
        f"{sum(counts.values()):,}",
        tuple(f"{counts[status]:,}" if status in counts else "" for status in statuses),
        seconds(traffic.downtime_seconds.get(name, 0.0)),
    )


def _downtime(item: Downtime, traffic: ClientTraffic, limits: Limits) -> DowntimeRow:
    ended = traffic.ended if item.ended is None else item.ended
    lasted = seconds(max(0.0, ended - item.began)) + (", to the end" if item.ended is None else "")
    return DowntimeRow(
        one_line(item.kind, limits.line),
        seconds(item.began),
        lasted,
        f"{item.requests:,}",
        one_line(item.cause, limits.line),
    )


def _note(traffic: ClientTraffic) -> str:
    parts = []
    if traffic.latest_send_seconds > 0:
        parts.append(f"the load was sent at most {milliseconds(traffic.latest_send_seconds)} late")
    if traffic.cpu_seconds > 0:
        parts.append(f"it cost {seconds(traffic.cpu_seconds)} of processor time")
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}." if sentence else ""


def writes_view(writes: Writes, limits: Limits) -> WritesView:
    """The figures of a drill's writes, and the ids of those that went wrong."""
    facts = [
        ("acknowledged by the gateway", f"{writes.acknowledged:,}"),
        ("lost", f"{writes.all_lost:,}"),
    ]
    if writes.all_lost and not writes.judged:
        facts.append(("whether they were expected to be lost", "not judged: the drill did not get that far"))
    if writes.expected_lost:
        facts.append(("of which the procedure is expected to lose", f"{writes.expected_lost:,}"))
    facts += [
        ("stored more than once", f"{len(writes.duplicated) + writes.duplicated_more:,}"),
        ("stored although refused, or never sent", f"{len(writes.unexpected) + writes.unexpected_more:,}"),
        ("sent without an answer", f"{writes.uncertain:,}"),
    ]
    lists = (
        ("Lost", writes.lost, writes.lost_more),
        ("Stored more than once", writes.duplicated, writes.duplicated_more),
        ("Stored although refused, or never sent", writes.unexpected, writes.unexpected_more),
    )
    return WritesView(
        tuple(facts),
        rpo_text(writes),
        writes.rpo_met,
        tuple(
            WriteList(
                title,
                tuple(one_line(name, limits.line) for name in ids[: limits.items]),
                max(0, len(ids) - limits.items) + more,
            )
            for title, ids, more in lists
            if ids or more
        ),
    )


def rpo_text(writes: Writes) -> str:
    """Age of the oldest lost write at the trigger, and the objective: ``2.1 s of 5 s``."""
    if not writes.all_lost:
        return "nothing lost"
    limit = writes.rpo_objective_seconds
    return seconds(writes.rpo_seconds) + (f" of {seconds(limit)}" if limit is not None else "")


def milliseconds(value: float | None) -> str:
    """``12 ms`` below a second, where two decimals would be too coarse."""
    if value is None:
        return "—"
    return f"{value * 1000:.0f} ms" if 0.001 <= value < 1 else "< 1 ms" if 0 < value < 0.001 else seconds(value)


def percent(share: float) -> str:
    """``0 %``, ``0.4 %``, ``37 %``; only nothing is shown as 0 %."""
    value = 100 * share
    if 0 < value < 0.05:
        return "< 0.1 %"
    return f"{value:.1f}".removesuffix(".0") + " %" if value < 9.95 else f"{value:.0f} %"

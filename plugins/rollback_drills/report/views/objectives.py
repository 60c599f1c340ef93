"""Recovery time, downtime and lost writes as drills measured them, against the objectives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rollback_drills.evidence.model import DrillEvidence, Recovery
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import NOT_MEASURED, humanise, one_line, seconds
from rollback_drills.report.views.clients import rpo_text


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective, and how the drills that have it did."""

    name: str
    limit: str
    measured: str
    met: bool | None
    drills: int
    missed: int


def recovery_of(drills: Sequence[DrillEvidence]) -> tuple[str, str, bool | None]:
    """The longest recovery time, the objective, and whether it was met."""
    measured = [drill.recovery for drill in drills if drill.recovery]
    if not measured:
        return NOT_MEASURED, "", None
    limits = [item.objective_seconds for item in measured if item.objective_seconds is not None]
    return _longest_recovery(measured), seconds(min(limits)) if limits else "", _worst(item.met for item in measured)


def _longest_recovery(measured: Sequence[Recovery]) -> str:
    reached = [item.seconds for item in measured if item.seconds is not None]
    missing, several = len(measured) - len(reached), len(measured) > 1
    if missing:
        return f"not reached ({missing} of {len(measured)})" if several else "not reached"
    return ("up to " if several else "") + seconds(max(reached))


def downtime_of(drills: Sequence[DrillEvidence]) -> tuple[str, bool | None]:
    """The longest downtime of one kind of request with its objective, and whether it was met."""
    limits = [limit for drill in drills if (limit := _downtime_limit(drill)) is not None]
    text = _longest_downtime(drills)
    return f"{text} of {seconds(min(limits))}" if limits else text, _worst(map(_downtime_met, drills))


def _longest_downtime(drills: Sequence[DrillEvidence]) -> str:
    traffic = [drill.traffic for drill in drills if drill.traffic]
    if not traffic:
        return NOT_MEASURED
    worst = max(traffic, key=lambda item: item.longest_downtime)
    return ("up to " if len(traffic) > 1 else "") + (seconds(worst.longest_downtime) if worst.downtime else "none")


def _downtime_limit(drill: DrillEvidence) -> float | None:
    return drill.traffic.downtime_objective_seconds if drill.traffic else None


def _downtime_met(drill: DrillEvidence) -> bool | None:
    return drill.traffic.downtime_met if drill.traffic else None


def writes_of(drills: Sequence[DrillEvidence]) -> tuple[str, str, bool | None]:
    """How many acknowledged writes all cases lost; the age of the oldest (RPO), and whether that is allowed."""
    writes = [drill.writes for drill in drills if drill.writes]
    if not writes:
        return NOT_MEASURED, "", None
    lost = sum(item.all_lost for item in writes)
    expected = sum(item.expected_lost for item in writes)
    known = f", {expected:,} expected" if expected else ""
    if lost and not all(item.judged for item in writes):
        known += ", not judged"
    text = f"{lost:,} of {sum(item.acknowledged for item in writes):,}{known}"
    oldest = max(writes, key=lambda item: (item.rpo_seconds or 0.0, item.rpo_objective_seconds is not None))
    return text, rpo_text(oldest) if lost else "", _worst(item.rpo_met for item in writes)


def _rpo_limit(drill: DrillEvidence) -> float | None:
    return drill.writes.rpo_objective_seconds if drill.writes else None


def _rpo_met(drill: DrillEvidence) -> bool | None:
    return drill.writes.rpo_met if drill.writes else None


def _oldest_lost(drills: Sequence[DrillEvidence]) -> str:
    writes = [drill.writes for drill in drills if drill.writes and drill.writes.all_lost]
    return seconds(max(item.rpo_seconds or 0.0 for item in writes)) if writes else "nothing lost"


def _worst(verdicts: Iterable[bool | None]) -> bool | None:
    found = set(verdicts)
    return False if False in found else True if True in found else None


def objectives(run: RunEvidence) -> tuple[Objective, ...]:
    """Every objective of the target, those that only a drill names, then downtime and data loss: the worst of each."""
    return (*_recoveries(run), *_downtime(run), *_data_loss(run))


def _recoveries(run: RunEvidence) -> Iterator[Objective]:
    limits: dict[str, float | None] = dict(run.target.objectives)
    for drill in run.drills:
        if drill.recovery and drill.recovery.objective:
            limits.setdefault(drill.recovery.objective, drill.recovery.objective_seconds)
    for name, limit in limits.items():
        held = [drill for drill in run.drills if drill.recovery and drill.recovery.objective == name]
        measured, _, met = recovery_of(held)
        missed = sum(drill.recovery is not None and drill.recovery.met is False for drill in held)
        text = "no limit" if limit is None else seconds(limit)
        yield Objective(humanise(one_line(name)), text, measured, met, len(held), missed)


def _downtime(run: RunEvidence) -> Iterator[Objective]:
    held = [drill for drill in run.drills if _downtime_limit(drill) is not None]
    if held:
        limits, verdicts = _limits(map(_downtime_limit, held)), [_downtime_met(drill) for drill in held]
        name = "Downtime of one kind of request"
        yield Objective(name, limits, _longest_downtime(held), _worst(verdicts), len(held), verdicts.count(False))


def _data_loss(run: RunEvidence) -> Iterator[Objective]:
    held = [drill for drill in run.drills if _rpo_limit(drill) is not None]
    if held:
        limits, verdicts = _limits(map(_rpo_limit, held)), [_rpo_met(drill) for drill in held]
        name = "Age of the oldest lost write (RPO)"
        yield Objective(name, limits, _oldest_lost(held), _worst(verdicts), len(held), verdicts.count(False))


def _limits(limits: Iterable[float | None]) -> str:
    return ", ".join(sorted({seconds(limit) for limit in limits}))

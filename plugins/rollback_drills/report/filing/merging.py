"""Several runs as one: what the shards of a CI job, or a run and its repetition, prove together.

If several runs performed a drill, the latest counts, and the earlier attempts stay in its evidence. A drill
that was skipped gives way to one that was performed, whenever that was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import JsonValue

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.model import (
    Attempt,
    DrillEvidence,
)
from rollback_drills.evidence.run import (
    AcceptedRisk,
    NotSelected,
    RunEvidence,
    RuntimeFacts,
    SourceRun,
)
from rollback_drills.report.text import count, one_line
from rollback_drills.report.views.groups import NOT_BEGUN, split_id

OVERRIDE = "--different-targets"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Source:
    """A run that was read from its directory."""

    run: RunEvidence
    evidence_sha256: str


def merge(sources: Sequence[Source], name: str, *, different_targets: bool = False) -> RunEvidence:
    """The evidence of all ``sources`` as that of one run.

    Args:
        name: what the merged run is called.
        different_targets: whether they may be of different systems; the latest run's facts then count for all.

    Raises:
        DrillError: they are of different systems or runbooks, or one run is there twice.
    """
    runs = sorted((source.run for source in sources), key=lambda run: (run.finished_at, run.run))
    _refuse_doubles(runs)
    if not different_targets:
        _demand_one_target(runs)
    latest = runs[-1]
    return RunEvidence(
        run=name,
        started_at=min(run.started_at for run in runs),
        finished_at=latest.finished_at,
        seconds=round(sum(run.seconds for run in runs), 3),
        target_seconds=round(sum(run.target_seconds for run in runs), 3),
        setup_seconds=round(sum(run.setup_seconds for run in runs), 3),
        workers=sum(run.workers for run in runs),
        interrupted="; ".join(f"run {run.run}: {run.interrupted}" for run in runs if run.interrupted),
        selection="; ".join(_each_once(run.selection for run in runs if run.selection)),
        target=latest.target,
        runtime=_runtime(runs),
        runbook=latest.runbook,
        versions={key: ", ".join(values) for key, values in _by_key(runs, lambda run: run.versions).items()},
        host={
            key: values[0] if len(values) == 1 else values
            for key, values in _by_key(runs, lambda run: run.host).items()
        },
        accepted=_accepted(runs),
        not_selected=tuple(_not_selected(runs)),
        merged=tuple(_source(each) for each in sorted(sources, key=lambda each: (each.run.finished_at, each.run.run))),
        drills=tuple(_drills(runs)),
    )


def _source(source: Source) -> SourceRun:
    run = source.run
    return SourceRun(
        run=run.run,
        started_at=run.started_at,
        finished_at=run.finished_at,
        runtime=run.runtime.name,
        selection=run.selection,
        drills=len(run.drills),
        evidence_sha256=source.evidence_sha256,
    )


def _refuse_doubles(runs: Sequence[RunEvidence]) -> None:
    names = [run.run for run in runs]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise DrillError(f"the run {one_line(doubled[0])} is named twice", fix="name each run once")


def _demand_one_target(runs: Sequence[RunEvidence]) -> None:
    parts: tuple[tuple[str, Callable[[RunEvidence], str]], ...] = (
        ("target files (SHA-256)", lambda run: run.target.sha256),
        ("releases", lambda run: f"{run.target.current} back to {run.target.previous}"),
        ("runbooks (SHA-256)", lambda run: run.runbook.sha256),
    )
    for what, of in parts:
        found = {run.run: of(run) for run in runs}
        if len(set(found.values())) > 1:
            raise DrillError(
                f"these runs have drilled different {what}: together they prove nothing about any one system",
                cause="\n".join(one_line(f"{name}: {value}") for name, value in found.items()),
                fix=f"merge runs of one target, or give {OVERRIDE} if the difference does not matter",
            )


def _drills(runs: Sequence[RunEvidence]) -> Iterable[DrillEvidence]:
    """In the order in which the runs and their drills came first."""
    performed: dict[str, list[tuple[RunEvidence, DrillEvidence]]] = {}
    for run in runs:
        for drill in run.drills:
            performed.setdefault(drill.id, []).append((run, drill))
    for attempts in performed.values():
        ordered = sorted(attempts, key=lambda each: (each[1].verdict not in NOT_BEGUN, each[1].started_at))
        *earlier, (run, drill) = ordered
        worker = f"{run.run}/{drill.worker}" if len(runs) > 1 else drill.worker
        told = tuple(
            Attempt(
                run=each.run,
                runtime=each.runtime.name,
                started_at=former.started_at,
                verdict=former.verdict,
                reason=former.reason,
            )
            for each, former in earlier
            if former.verdict not in NOT_BEGUN
        )
        yield _moved(drill, run.run).model_copy(update={"worker": worker, "attempts": (*drill.attempts, *told)})


def place_of(path: str, run: str) -> str:
    """The place of one run's artifact in the directory of the merged run."""
    directory, _, name = path.rpartition("/")
    return f"{directory}/{run}/{name}" if directory else f"{run}/{name}"


def _moved(drill: DrillEvidence, run: str) -> DrillEvidence:
    """With its artifacts in their new places, also in the output of commands that refer to one."""
    places = {each.path: place_of(each.path, run) for each in drill.artifacts}
    artifacts = tuple(each.model_copy(update={"path": places[each.path]}) for each in drill.artifacts)
    steps = []
    for step in drill.steps:
        commands = []
        for command in step.commands:
            output = command.output
            for old, new in places.items():
                output = output.replace(f"see {old} …", f"see {new} …")
            commands.append(command.model_copy(update={"output": output}))
        steps.append(step.model_copy(update={"commands": tuple(commands)}))
    return drill.model_copy(update={"artifacts": artifacts, "steps": tuple(steps)})


def _runtime(runs: Sequence[RunEvidence]) -> RuntimeFacts:
    latest = runs[-1].runtime
    names = list(_each_once(run.runtime.name for run in runs))
    if len(names) == 1:
        return latest
    facts: dict[str, JsonValue] = {run.runtime.name: run.runtime.facts for run in runs}
    return RuntimeFacts(name=", ".join(names), reason=f"merged from {count(len(runs), 'run')}", facts=facts)


def _not_selected(runs: Sequence[RunEvidence]) -> Iterable[NotSelected]:
    """What no run has selected."""
    selected = {drill.id for run in runs for drill in run.drills}
    functions = {split_id(name)[0] for name in selected}
    for each in _each_once(each for run in runs for each in run.not_selected):
        base, case = split_id(each.id)
        if each.id not in selected and (case or base not in functions):
            yield each


def _accepted(runs: Sequence[RunEvidence]) -> tuple[AcceptedRisk, ...]:
    """Each once. A risk is not needed only if every run says so."""
    told: dict[tuple[str, ...], list[AcceptedRisk]] = {}
    for run in runs:
        for risk in run.accepted:
            key = (risk.finding, risk.drill, risk.subject, risk.acceptance.owner, risk.acceptance.until)
            told.setdefault(key, []).append(risk)
    return tuple(_one_risk(risks) for risks in told.values())


def _one_risk(risks: Sequence[AcceptedRisk]) -> AcceptedRisk:
    found, days_left = sum(risk.found for risk in risks), min(risk.days_left for risk in risks)
    states = {risk.state for risk in risks}
    state = "expired" if days_left < 0 else "used" if found else "not needed" if states == {"not needed"} else None
    return risks[-1].model_copy(update={"found": found, "days_left": days_left, "state": state or "not judged"})


def _by_key(runs: Sequence[RunEvidence], of: Callable[[RunEvidence], dict[str, _T]]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = {}
    for run in runs:
        for key, value in of(run).items():
            found.setdefault(key, []).append(value)
    return {key: list(_each_once(values)) for key, values in found.items()}


def _each_once(values: Iterable[_T]) -> Iterable[_T]:
    seen: list[_T] = []
    for value in values:
        if value not in seen:
            seen.append(value)
            yield value

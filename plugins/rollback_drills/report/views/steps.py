"""One case of a drill in full: steps, checks, commands and their output, data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from pydantic import JsonValue

from rollback_drills.evidence.model import Artifact, Check, Command, DrillEvidence, Observation, Step
from rollback_drills.report.text import count, cut, one_line, seconds, size
from rollback_drills.report.views.clients import ClientsView, WritesView, clients_view, writes_view
from rollback_drills.report.views.integrity import Integrity, integrity, rows_of
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.timeline import Timeline, split, timeline
from rollback_drills.report.views.values import Diff, Pairs, Plain, Value, brief, view

_BRIEF = 60  # characters of a value that fit into the line of its check


@dataclass(frozen=True, slots=True)
class Comparison:
    """One key of two objects that were expected to be equal."""

    key: str
    expected: str
    observed: str
    same: bool


@dataclass(frozen=True, slots=True)
class CheckView:
    """Expected and observed side by side; ``rows`` when both are objects."""

    title: str
    passed: bool
    expected: Value
    observed: Value
    finding: str
    rows: tuple[Comparison, ...] = ()
    alike: int = 0
    accepted: bool = False

    @property
    def plain(self) -> bool:
        """Whether one line says it all: it holds, and both sides say the same."""
        return self.passed and (self.expected == self.observed or (isinstance(self.expected, Diff) and not self.rows))

    @property
    def told(self) -> str:
        """The value of a plain check in a few words; empty where the title says it."""
        text = self.observed.text if isinstance(self.observed, Plain) else ""
        return text if len(text) <= _BRIEF and text not in ("true", "false", "nothing") else ""

    @property
    def differences(self) -> bool:
        """Whether differences were found where none was expected: they need the room of both columns."""
        return isinstance(self.expected, Diff) and not self.expected.lines and isinstance(self.observed, Diff)


@dataclass(frozen=True, slots=True)
class ObservationView:
    title: str
    value: Value
    unit: str
    at: str


@dataclass(frozen=True, slots=True)
class CommandView:
    line: str
    outcome: str
    ok: bool
    where: str
    at: str
    seconds: str
    output: str


@dataclass(frozen=True, slots=True)
class StepView:
    number: int
    anchor: str
    title: str
    outcome: str
    at: str
    seconds: str
    split: str
    checklist: str
    error: str
    summary: str
    checks: tuple[CheckView, ...]
    observations: tuple[ObservationView, ...]
    commands: tuple[CommandView, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of the run."""

    title: str
    path: str
    size: str
    sha256: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class CaseView:
    """One drill, or one case of a parametrised one."""

    anchor: str
    param: str
    verdict: str
    reason: str
    same_steps: tuple[str, ...]
    timeline: Timeline | None
    steps: tuple[StepView, ...]
    steps_left_out: int
    facts: tuple[tuple[str, Value], ...]
    clients: ClientsView | None
    writes: WritesView | None
    integrity: Integrity | None
    files: tuple[File, ...]


def case_view(drill: DrillEvidence, param: str, anchor: str, same: tuple[str, ...], limits: Limits) -> CaseView:
    """All of ``drill``, within ``limits``."""
    return CaseView(
        anchor=anchor,
        param=one_line(param, limits.line),
        verdict=drill.verdict,
        reason=cut(drill.reason, limits.value),
        same_steps=same,
        timeline=timeline(drill, anchor, limits),
        steps=tuple(_step(step, anchor, limits) for step in drill.steps[: limits.steps]),
        steps_left_out=max(0, len(drill.steps) - limits.steps),
        facts=tuple(_facts(drill, limits)),
        clients=clients_view(drill.traffic, limits) if drill.traffic else None,
        writes=writes_view(drill.writes, limits) if drill.writes else None,
        integrity=integrity(drill, limits),
        files=tuple(file_of(artifact, limits) for artifact in drill.artifacts[: limits.rows]),
    )


def _facts(drill: DrillEvidence, limits: Limits) -> Iterator[tuple[str, Value]]:
    if drill.gaps:
        yield "not proven", view(list(drill.gaps), limits)
    if drill.measured_for:
        yield "measured for", view(drill.measured_for, limits)
    for name, value in islice(drill.facts.items(), limits.rows):
        yield one_line(name.replace("_", " "), limits.line), view(value, limits)
    for each in drill.attempts[: limits.items]:
        yield f"attempt in run {one_line(each.run, 80)}", view(f"{each.verdict} ({each.runtime}) {each.reason}", limits)


def file_of(artifact: Artifact, limits: Limits) -> File:
    return File(
        one_line(artifact.title, limits.line),
        one_line(artifact.path, limits.line),
        size(artifact.size),
        one_line(artifact.sha256, 64),
    )


def _step(step: Step, anchor: str, limits: Limits) -> StepView:
    failed = sum(check.fails for check in step.checks)
    accepted = sum(check.accepted for check in step.checks)
    # Failed checks come first, so that none is left out for lack of room.
    checks = sorted(step.checks, key=lambda check: check.passed) if len(step.checks) > limits.rows else step.checks
    rows = limits.rows
    left_out = sum(max(0, len(part) - rows) for part in (step.checks, step.observations, step.commands))
    parts = [count(len(step.checks), "check")] if step.checks else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{accepted} accepted"] if accepted else []
    parts += [count(len(step.commands), "command")] if step.commands else []
    return StepView(
        number=step.number,
        anchor=f"{anchor}-step-{step.number}",
        title=one_line(step.title, limits.line),
        outcome=step.outcome,
        at=seconds(step.at),
        seconds=seconds(step.seconds),
        split=split(step),
        checklist=one_line(step.checklist or "", limits.line),
        error=cut(step.error, limits.value),
        summary=", ".join(parts),
        checks=tuple(_check(check, limits) for check in checks[:rows]),
        observations=tuple(_observation(item, limits) for item in step.observations[:rows]),
        commands=tuple(_command(item, limits) for item in step.commands[:rows]),
        left_out=left_out,
    )


def _check(check: Check, limits: Limits) -> CheckView:
    expected, observed = view(check.expected, limits), view(check.observed, limits)
    if isinstance(observed, Diff) and not check.expected:  # {} or null: no difference was expected
        expected = Diff((), 0)
    rows: tuple[Comparison, ...] = ()
    alike = 0
    if isinstance(expected, Pairs) and isinstance(observed, Pairs):
        rows, alike = _compare(check.expected, check.observed, limits)
    return CheckView(
        one_line(check.title, limits.line),
        check.passed,
        expected,
        observed,
        check.finding or "",
        rows,
        alike,
        check.accepted,
    )


def _compare(expected: JsonValue, observed: JsonValue, limits: Limits) -> tuple[tuple[Comparison, ...], int]:
    """The keys of two objects, those that differ first; and how many were not shown."""
    assert isinstance(expected, dict)
    assert isinstance(observed, dict)
    keys = sorted(
        [*expected, *(key for key in observed if key not in expected)],
        key=lambda key: key in expected and key in observed and expected[key] == observed[key],
    )

    def side(values: dict[str, JsonValue], key: str) -> str:
        value = values.get(key, "(absent)")
        return rows_of(value) if isinstance(value, dict) and "rows" in value else brief(value, limits.value)

    rows = tuple(
        Comparison(
            one_line(key, limits.line),
            side(expected, key),
            side(observed, key),
            key in expected and key in observed and expected[key] == observed[key],
        )
        for key in keys[: limits.items]
    )
    return rows, len(keys) - len(rows)


def _observation(item: Observation, limits: Limits) -> ObservationView:
    return ObservationView(
        one_line(item.title, limits.line), view(item.value, limits), one_line(item.unit, 20), seconds(item.at)
    )


def _command(item: Command, limits: Limits) -> CommandView:
    outcome = "killed at its time limit" if item.exit_code is None else f"exit code {item.exit_code}"
    line = " ".join(_quoted(cut(word, limits.line)) for word in item.argv[: limits.items])
    line += " …" if len(item.argv) > limits.items else ""
    return CommandView(
        cut(line, limits.value),
        outcome,
        item.exit_code == 0,
        one_line(item.where, limits.line),
        seconds(item.at),
        seconds(item.seconds),
        cut(item.output, limits.output),
    )


def _quoted(word: str) -> str:
    """A word of a command line, quoted for a reader as a shell would need it."""
    plain = word and not set(word) & set(" \t\n'\"\\$`|&;<>()*?[]{}#~!")
    return word if plain else "'" + word.replace("'", "'\\''") + "'"

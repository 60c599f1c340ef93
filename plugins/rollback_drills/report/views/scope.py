"""What was drilled, where, with what: the tables that identify a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydantic import JsonValue

from rollback_drills.evidence.run import RunEvidence, SourceRun
from rollback_drills.report.text import count, moment, one_line, seconds, size
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.question import of_migrations_only
from rollback_drills.report.views.values import Value, view


@dataclass(frozen=True, slots=True)
class ScopeTable:
    """Names and values of one kind."""

    title: str
    rows: tuple[tuple[str, Value], ...]


def scope(run: RunEvidence, limits: Limits) -> Iterator[ScopeTable]:
    """The tables of a run, those of a merged run included."""
    only = of_migrations_only(run)
    tables: dict[str, dict[str, JsonValue]] = {
        "Target": {"Migrations": run.target.name, "File": run.target.file} if only else _target(run),
        "Runtime": {"Runtime": run.runtime.name, "Chosen because": run.runtime.reason, **run.runtime.facts},
        "Runbook": {} if only else _runbook(run),
        "Run": _run(run),
        "Merged from": {source.run: _source(source) for source in run.merged},
        "Versions": dict(run.versions),
        "Host": dict(run.host),
    }
    for title, entries in tables.items():
        limits = replace(limits, value=max(limits.value, 200))  # digests are never cut
        shown = list(entries.items())[: limits.rows]
        yield ScopeTable(title, tuple(_entry(name, value, limits) for name, value in shown))


def _entry(name: str, value: JsonValue, limits: Limits) -> tuple[str, Value]:
    """Name and value as people say them: ``memory``, ``25.3 GB`` for ``memory_bytes``, 25276502016."""
    if name.endswith("_bytes") and isinstance(value, int):
        name, value = name.removesuffix("_bytes"), size(value)
    return one_line(name.replace("_", " "), limits.line), view(value, limits)


def _target(run: RunEvidence) -> dict[str, JsonValue]:
    return {
        "System": run.target.name,
        "Target file": run.target.file,
        "SHA-256 of the target file": run.target.sha256,
        "Release drilled": run.target.current,
        "Release to go back to": run.target.previous,
        "Integrations": run.target.integrations,
    }


def _runbook(run: RunEvidence) -> dict[str, JsonValue]:
    return {
        "Title": run.runbook.title,
        "File": run.runbook.file,
        "SHA-256 of the runbook": run.runbook.sha256,
        "Sections": len(run.runbook.sections),
        "Checklist items": len(run.runbook.checklist),
    }


def _run(run: RunEvidence) -> dict[str, JsonValue]:
    return {
        "Run": run.run,
        "Began": moment(run.started_at),
        "Ended": moment(run.finished_at),
        "Lasted": f"{seconds(run.seconds)} with {count(run.workers, 'worker')}",
        "Spent on the target": f"{seconds(run.target_seconds)}, {seconds(run.setup_seconds)} of it to start the stack",
        "Selection": run.selection or "everything",
        "Interrupted": run.interrupted or "no",
        "Evidence schema": run.schema_version,
    }


def _source(source: SourceRun) -> str:
    drills, ended = count(source.drills, "drill"), moment(source.finished_at)
    return f"{drills}, {source.runtime}, ended {ended}, SHA-256 of its evidence.json {source.evidence_sha256}"

"""A restored database is what was backed up: revision, schema, rows and sequences."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from rollback_drills.drill.checkers.database import check_schema
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres import SequenceState


def check_restored(judge: Judge, manifest: Manifest, fresh: LiveDatabase) -> None:
    """Compare a database with the manifest of the backup that was restored into it."""
    judge.check("revision", fresh.revision(), expected=manifest.revision, finding="restore-differs")
    check_schema(
        judge,
        manifest.schema.of_database(),
        fresh.schema().of_database(),
        title="schema, constraints, indexes, owners and grants",
        finding="restore-differs",
    )
    restored = fresh.data()
    judge.check(
        "rows of every table",
        to_jsonable_python(restored.to_json()),
        expected=to_jsonable_python(manifest.data.to_json()),
        finding="restore-differs",
        detail="; ".join(manifest.data.diff(restored).lines()),
    )
    sequences = fresh.sequences()
    behind = sorted(name for name, state in sequences.items() if state.behind)
    judge.check("sequences behind their tables", [*behind], expected=[], finding="sequence-rewound")
    expected, observed = _sequences(manifest, sequences)
    judge.check("sequences", observed, expected=expected, finding="sequence-rewound")


def _sequences(
    manifest: Manifest, restored: Mapping[str, SequenceState]
) -> tuple[dict[str, JsonValue], dict[str, JsonValue]]:
    """Expected and observed. A sequence that clients moved during the backup is as it was at some moment of it."""
    expected: dict[str, JsonValue] = {}
    observed: dict[str, JsonValue] = {name: [state.last_value, state.is_called] for name, state in restored.items()}
    for name, state in manifest.sequences.items():
        later, found = manifest.sequences_after[name], restored.get(name)
        expected[name] = [state.last_value, state.is_called]
        if later != state and found is not None:
            low, high = sorted((state.last_value, later.last_value))
            expected[name] = f"from {low} to {high}"
            if low <= found.last_value <= high and found.is_called in (state.is_called, later.is_called):
                observed[name] = expected[name]
    return expected, observed

"""A restored database is what was backed up: revision, schema, rows and sequences."""

from __future__ import annotations

from typing import Final

from pydantic_core import to_jsonable_python

from rollback_drills.drill.checkers.database import check_schema
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.backup import Manifest, failure_of
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.restored import RestoredDatabase
from rollback_drills.runtimes.protocols import CommandResult

CORRECT: Final = (
    "Correct what the error names, in the dump, in the restore command or in the database: a role or extension that is "
    "missing, a setting that only a newer pg_dump knows, a function that names a table without its schema. Restore a "
    "backup regularly."
)

LEFT_OUT: Final = (
    "Correct the restore command, or the backup that it reads: afterwards every row of the backup is there, unaltered. "
    "Compare the numbers of rows after each restore."
)


def check_restore_ends_well(judge: Judge, result: CommandResult) -> bool:
    """The restore command succeeds; what a failed one has left need not be compared with anything."""
    return judge.check(
        "the restore succeeds",
        result.exit_code,
        expected=0,
        finding="backup-unusable",
        detail=f"the backup cannot be restored: {failure_of('the restore command', result)}",
        remedy=CORRECT,
    )


def check_restored(judge: Judge, manifest: Manifest, fresh: LiveDatabase) -> None:
    """Compare a database with the manifest of the backup that was restored into it."""
    restored = RestoredDatabase.read(manifest, fresh)
    judge.check("revision", restored.revision, expected=manifest.revision, finding="restore-differs")
    check_schema(
        judge,
        restored.expected_schema.of_database(),
        restored.schema.of_database(),
        title="schema, constraints, indexes, owners and grants",
        finding="restore-differs",
    )
    judge.check(
        "rows of every table",
        to_jsonable_python(restored.data.to_json()),
        expected=to_jsonable_python(manifest.data.to_json()),
        finding="restore-differs",
        detail="; ".join(manifest.data.diff(restored.data).lines()),
    )
    before = sorted(name for name, state in manifest.sequences.items() if state.behind)
    if before:
        judge.observe("sequences that were behind their tables before the backup", [*before])
    judge.check("sequences behind their tables", [*restored.behind], expected=[], finding="sequence-rewound")
    judge.check(
        "sequences",
        restored.observed_sequences(),
        expected=restored.expected_sequences(),
        finding="sequence-rewound",
    )

"""The way back from an irreversible revision: a backup from below it, restored into another database and compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.proof import Proof, ProofFinding
from rollback_drills.postgres import (
    Connection,
    DataFingerprint,
    SchemaFingerprint,
    connect,
    data_fingerprint,
    schema_fingerprint,
    sequences,
)
from rollback_drills.postgres.dump import defect_of, last_error, restorable

_FILE = "below_irreversible.sql"
_MAX_LINES = 8  # lines of a difference in a finding's detail


@dataclass(frozen=True)
class State:
    """Everything that a restore has to bring back."""

    schema: SchemaFingerprint
    data: DataFingerprint
    sequences: Mapping[str, tuple[int, bool]]

    @property
    def counted(self) -> str:
        """How much it is, as a phrase."""
        rows = sum(table.rows for table in self.data.tables.values())
        filled = sum(1 for table in self.data.tables.values() if table.rows)
        return f"{_many(rows, 'row')} in {_many(filled, 'table')} and {_many(len(self.sequences), 'sequence')}"


@dataclass(frozen=True)
class StateBackup:
    """A backup of the state below a revision; ``defect`` says why it is unusable."""

    file: Path
    state: State
    defect: str = ""


def back_up(environment: MigrationEnvironment, database: str, conn: Connection) -> StateBackup:
    """Take a backup with the target's own command, or pg_dump, and record the state that it must hold.

    Raises:
        StackError: the command cannot be started.
    """
    file = environment.directory / _FILE
    file.unlink(missing_ok=True)
    state = state_of(conn)
    result = environment.dump(database, file)
    failed = "" if result.ok else f"{result.argv[0]} failed with exit code {result.exit_code}: {result.output[-300:]}"
    return StateBackup(file, state, failed or defect_of(file))


def prove_restore(environment: MigrationEnvironment, backup: StateBackup, proof: Proof) -> None:
    """Restore into an empty database, compare, and record the outcome in ``proof``."""
    found = list(_problems(environment, backup))
    for each in found:
        proof.find(each.code, f"{proof.revision} is irreversible, and its restore fails: {each.detail}")
    if not found:
        proof.restored = f"restored from a backup: {backup.state.counted} are equal"
    backup.file.unlink(missing_ok=True)


def state_of(conn: Connection) -> State:
    """The version table counts as data: the restored database has to be at the revision below."""
    return State(
        schema_fingerprint(conn),
        data_fingerprint(conn, ignore_tables=()),
        {name: (each.last_value, each.is_called) for name, each in sequences(conn).items()},
    )


def _problems(environment: MigrationEnvironment, backup: StateBackup) -> Iterator[ProofFinding]:
    if backup.defect:
        yield ProofFinding("backup-unusable", backup.defect)
        return
    database = environment.create(bare=True)
    try:
        result = environment.restore(database, backup.file)
        if not result.ok:
            said = last_error(result.output)
            yield ProofFinding("backup-unusable", f"the restore ends with exit code {result.exit_code}: {said}")
            return
        with connect(environment.url(database)) as conn:
            yield from _differences(backup.state, state_of(conn))
    finally:
        environment.drop(database)


def _differences(before: State, after: State) -> Iterator[ProofFinding]:
    lines = [*restorable(before.schema).diff(restorable(after.schema)).lines(), *before.data.diff(after.data).lines()]
    if lines:
        yield ProofFinding("restore-differs", "; ".join(line.strip() for line in lines[:_MAX_LINES]))
    rewound = [
        f"{name} is at {after.sequences.get(name)}, was at {state}"
        for name, state in before.sequences.items()
        if after.sequences.get(name) != state
    ]
    if rewound:
        yield ProofFinding("sequence-rewound", "; ".join(rewound[:_MAX_LINES]))


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"

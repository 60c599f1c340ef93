"""Backups that can be trusted.

A backup is taken with a manifest and verified before anything is touched. It is restored beside the live database, and
swapped in only if it matches the manifest. The mistakes that this prevents all exit with code 0: a truncated dump, an
empty file, another system's dump, a restore over existing tables, a sequence left behind.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import JsonValue

from rollback_drills.core.errors import BackupRefusedError, StackError
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres import DataFingerprint, SchemaFingerprint, SequenceState
from rollback_drills.postgres.dump import DUMP, RESTORE, defect_of, last_error
from rollback_drills.runtimes.protocols import CommandResult, Commands, ToolCommand
from rollback_drills.target.system_tables import Backup
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of the database when the backup was taken, and the file that must hold it.

    Attributes:
        origin: the name of the target.
        size: of the file, in bytes.
        sequences: their states before the dump. A snapshot does not cover sequences: if clients write meanwhile, the
            backup may hold any state from this one to ``sequences_after``.
        began: monotonic seconds; what was acknowledged before is in the backup.
        newest: the latest time in any row; None without one.
    """

    origin: str
    revision: str
    sha256: str
    size: int
    schema: SchemaFingerprint
    data: DataFingerprint
    sequences: Mapping[str, SequenceState]
    sequences_after: Mapping[str, SequenceState]
    began: float
    newest: datetime | None = None

    def to_json(self) -> dict[str, JsonValue]:
        tables: dict[str, JsonValue] = {name: dict(table) for name, table in self.data.to_json().items()}
        return {
            "origin": self.origin,
            "revision": self.revision,
            "sha256": self.sha256,
            "size": self.size,
            "schema_digest": self.schema.digest,
            "tables": tables,
            "newest_row": self.newest.isoformat(timespec="milliseconds") if self.newest is not None else None,
            "sequences": {name: state.last_value for name, state in self.sequences.items()},
        }


@dataclass(frozen=True, slots=True)
class BackupAccount:
    """The account that the commands of a backup connect with.

    Attributes:
        superuser: whether it is a superuser's, and not the gateway's, which owns the database.
        needed: why it is a superuser's although the target names none: what happens with the gateway's; else empty.
    """

    superuser: bool
    needed: str = ""

    @property
    def title(self) -> str:
        return "a superuser's account" if self.superuser else "the gateway's account, which owns the database"

    def url(self, database: LiveDatabase) -> str:
        """libpq URL of a database with this account."""
        return database.admin_url if self.superuser else database.url


ChooseAccount = Callable[[Path], BackupAccount]
"""Chooses the account where the target names none; may use a directory for files."""


class Backups:
    """Takes and restores backups of one target, with its own commands or with pg_dump and psql.

    Args:
        choose: asked once, before the first command, where the target names no account; None: the gateway's.
    """

    def __init__(self, target: Target, commands: Commands, choose: ChooseAccount | None = None) -> None:
        self._target, self._commands, self._choose = target, commands, choose
        self._account: BackupAccount | None = None

    @property
    def settings(self) -> Backup:
        return self._target.backup

    def account(self, directory: Path) -> BackupAccount:
        """The account of the commands: the one that the target names, or the one that was chosen.

        Args:
            directory: for the files of a trial.

        Raises:
            StackError: a command of the trial cannot be started.
        """
        if self._account is None:
            named = self.settings.account
            if named is not None:
                self._account = BackupAccount(superuser=named == "superuser")
            else:
                self._account = self._choose(directory) if self._choose is not None else BackupAccount(superuser=False)
        return self._account

    def take(self, database: LiveDatabase, file: Path) -> tuple[CommandResult, Manifest]:
        """Dump the database into ``file``, and describe its content in a manifest.

        pg_dump reads the snapshot that the manifest describes, so clients may write meanwhile. The target's own command
        takes no snapshot, so clients must not write while it runs (see `shares_snapshot`).
        """
        self.account(file.parent)
        began = time.monotonic()
        with database.snapshot() as (held, snapshot):
            # Read after the snapshot began, so that no sequence is behind a row of the snapshot.
            sequences = database.sequences()
            argv = self.settings.dump or (*DUMP, f"--snapshot={snapshot}")
            result = self._run(argv, database, file)
            content = file.read_bytes() if file.is_file() else b""
            manifest = Manifest(
                self._target.name,
                held.revision(),
                hashlib.sha256(content).hexdigest(),
                len(content),
                held.schema(),
                held.data(),
                sequences,
                database.sequences(),
                began,
                held.newest_row(),
            )
        return result, manifest

    @property
    def shares_snapshot(self) -> bool:
        """Whether clients may write while a backup is taken."""
        return self.settings.dump is None

    def verify(self, file: Path, manifest: Manifest) -> None:
        """Refuse a file that is not the backup that the manifest describes. Changes nothing.

        Raises:
            BackupRefusedError: with the reason.
        """
        defect = defect_of(file)
        if defect:
            raise BackupRefusedError(f"{file.name} is refused: {defect}", fix="restore another backup")
        content = file.read_bytes()
        if manifest.origin != self._target.name:
            raise BackupRefusedError(
                f"{file.name} is refused: it is a backup of {manifest.origin!r}, not of {self._target.name!r}",
                fix="restore a backup of this system",
            )
        if hashlib.sha256(content).hexdigest() != manifest.sha256:
            raise BackupRefusedError(
                f"{file.name} is refused: its SHA-256 is not that of the manifest",
                cause=f"{len(content)} bytes, {manifest.size} expected",
                fix="fetch the file again, or restore another backup",
            )

    def restore_into(
        self, fresh: LiveDatabase, file: Path, *, kill_when: Callable[[], bool] | None = None
    ) -> CommandResult:
        """Restore ``file`` into a new, empty database, to be compared with the manifest before it goes live.

        Args:
            kill_when: as for `rollback_drills.runtimes.protocols.Commands.run`.
        """
        return self._run(self.settings.restore or RESTORE, fresh, file, kill_when)

    def _run(
        self,
        argv: tuple[str, ...],
        database: LiveDatabase,
        file: Path,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        try:
            command = ToolCommand(argv, database.name, self.account(file.parent).url(database), file)
            return self._commands.run_tool(command, timeout=self.settings.timeout, kill_when=kill_when)
        except StackError as error:
            raise StackError(error.what, cause=error.cause, fix="correct [backup] in the target file") from None


def failure_of(what: str, result: CommandResult) -> str:
    """How a command of a backup failed, as a phrase: its exit code, and the last error that it reports, whole."""
    how = f"exits {result.exit_code}" if result.exit_code is not None else "did not end in time"
    said = last_error(result.output)
    return f"{what} {how}" + (f": {said}" if said else ", and says nothing")

"""A backup on trial: taken of a database that nothing writes to, restored into nothing, and compared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollback_drills.lab.backup import BackupAccount, Backups, failure_of
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.restored import RestoredDatabase
from rollback_drills.postgres.dump import defect_of, written_by
from rollback_drills.runtimes.protocols import Commands
from rollback_drills.target.target import Target

SHOWN: Final = 6  # lines of a difference


@dataclass(frozen=True, slots=True)
class BackupTrial:
    """What became of a backup.

    Attributes:
        problem: why nobody could rely on it; empty where the restored database is the one that was backed up.
        fix: a remedy, if there is a problem.
        revision: the database's.
        sha256: of the file.
        client: the major version of the pg_dump that wrote it, and its whole version; None if the file has none.
    """

    problem: str = ""
    fix: str = ""
    revision: str = ""
    sha256: str = ""
    client: tuple[int, str] | None = None


def try_out(backups: Backups, database: LiveDatabase, directory: Path) -> BackupTrial:
    """Take a backup of a database, look into the file, and restore it into an empty database.

    Args:
        database: nothing may write to it meanwhile.
        directory: for the file, which is removed.

    Raises:
        StackError: a command cannot be started.
    """
    with ExitStack() as clean_up:
        file = directory / "trial.sql"
        clean_up.callback(file.unlink, missing_ok=True)
        result, manifest = backups.take(database, file)
        if not result.ok:
            fix = "use the pg_dump of the server's version, or correct account or dump under [backup]"
            return BackupTrial(failure_of("the dump command", result), fix)
        defect = defect_of(file)
        if defect:
            said = f", and says: {result.output.strip()}" if result.output.strip() else ""
            fix = "let dump under [backup] fail if pg_dump fails (pipefail), and write plain SQL to {file}"
            return BackupTrial(f"the dump command exits 0{said}; its file is unusable: {defect}", fix)
        client = written_by(file)
        fresh = database.create_empty()
        clean_up.callback(fresh.drop)
        result = backups.restore_into(fresh, file)
        if not result.ok:
            fix = "correct what the error names, or account, dump or restore under [backup]"
            return BackupTrial(failure_of("the restore command", result), fix, client=client)
        lines = RestoredDatabase.read(manifest, fresh).differences()
        if lines:
            more = [f"and {len(lines) - SHOWN} more lines"] if len(lines) > SHOWN else []
            problem = "\n".join(["the restored database is not the one that was backed up", *lines[:SHOWN], *more])
            return BackupTrial(problem, "correct dump or restore under [backup]", client=client)
        return BackupTrial(revision=manifest.revision, sha256=manifest.sha256, client=client)


class AccountOnTrial:
    """Chooses the account of backups, once for a lab: the gateway's, unless that fails and a superuser does not.

    Args:
        database: a database of both schemas' objects and the seed's rows; asked when the account is.
    """

    def __init__(self, target: Target, commands: Commands, database: Callable[[], LiveDatabase]) -> None:
        self._target, self._commands, self._database = target, commands, database
        self._chosen: BackupAccount | None = None

    def __call__(self, directory: Path) -> BackupAccount:
        """The account; the first call tries it out."""
        if self._chosen is None:
            gateway, superuser = BackupAccount(superuser=False), BackupAccount(superuser=True)
            failed = self._problem(gateway, directory)
            if failed and self._problem(superuser, directory) != failed:
                self._chosen = BackupAccount(superuser=True, needed=failed)
            else:
                self._chosen = gateway
        return self._chosen

    def _problem(self, account: BackupAccount, directory: Path) -> str:
        backups = Backups(self._target, self._commands, lambda _: account)
        return try_out(backups, self._database(), directory).problem

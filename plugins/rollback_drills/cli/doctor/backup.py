"""Backups: one of each schema is taken, looked into, restored into nothing and compared, with the target's commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.core.errors import DrillError
from rollback_drills.lab.backup import BackupAccount
from rollback_drills.lab.backup_trial import BackupTrial, try_out
from rollback_drills.lab.lab import Lab

_SAME = (
    "the dump command wrote the same file for both, although their schemas or revisions differ: it is an earlier one"
)


def examine_backups(lab: Lab, private: Path) -> Iterator[Diagnosis]:
    """A backup of the database at the previous release's head, and one at the current release's, with its rows.

    Args:
        private: a directory for the files.
    """
    trials: list[BackupTrial] = []
    try:
        for release in (lab.target.previous, lab.target.current):
            stack = lab.stack(release)
            try:
                (number,) = stack.database.query("SELECT current_setting('server_version_num')::int / 10000")[0]
                trial = try_out(stack.backups, stack.database, private)
                account = stack.backups.account(private)
            finally:
                lab.discard(stack)
            if trial.problem:
                where = f"of the database of release {release}, with {account.title}"
                yield Diagnosis("backup", "problem", f"{where}: {trial.problem}", trial.fix)
                yield from _newer_client(trial, int(number))
                return
            trials.append(trial)
    except DrillError as error:
        yield Diagnosis.of("backup", error)
        return
    yield from _conclude(trials, int(number), account)


def _conclude(trials: list[BackupTrial], server: int, account: BackupAccount) -> Iterator[Diagnosis]:
    """All trials have passed."""
    one, other = trials
    if one.sha256 == other.sha256 and one.revision != other.revision:
        yield Diagnosis("backup", "problem", _SAME, "correct dump under [backup]")
        return
    client = other.client
    by = f" by pg_dump {client[1]}" if client is not None else ""
    detail = f"a dump of PostgreSQL {server}{by}, restored into an empty database with {account.title}"
    yield Diagnosis("backup", "ok", detail)
    yield from _newer_client(other, server)
    if account.needed:
        detail = f"they need a superuser; with the gateway's account, which owns the database: {account.needed}"
        fix = 'set account = "superuser" under [backup] if production\'s backups run as one'
        yield Diagnosis("backup account", "note", detail, fix)


def _newer_client(trial: BackupTrial, server: int) -> Iterator[Diagnosis]:
    """pg_dump of a later version may write what the server does not know (manual: pg_dump, "Notes")."""
    if trial.client is not None and trial.client[0] > server:
        detail = (
            f"pg_dump {trial.client[1]} is newer than the server, PostgreSQL {server}, which may not know all of it"
        )
        yield Diagnosis("backup client", "note", detail, "use the pg_dump of the server's version")

"""A backup on trial is taken, looked into, restored into nothing and compared; the account is chosen by that."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollback_drills import postgres
from rollback_drills.core.meter import Meter
from rollback_drills.lab.backup import BackupAccount, Backups
from rollback_drills.lab.backup_trial import AccountOnTrial, try_out
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.restored import RestoredDatabase
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.embedded.runtime import EmbeddedCommands
from rollback_drills.runtimes.host.fork_server import ForkServers
from rollback_drills.runtimes.host.tools import HostTools
from rollback_drills.runtimes.protocols import CommandLog
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Backup
from rollback_drills.target.target import Target

SCRIPT = """
CREATE TABLE counted (id serial PRIMARY KEY, at timestamptz DEFAULT '2026-03-01 12:00:00+00');
INSERT INTO counted (id) SELECT n FROM generate_series(1, 20) AS n;
CREATE TABLE alembic_version (version_num text PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0007');
"""
UNKNOWN_SETTING = ("sh", "-ec", 'pg_dump --dbname="$2" >"$1"; sed -i "1i SET no_such_setting = 0;" "$1"', "dump")
SUPERUSER, GATEWAY = BackupAccount(superuser=True), BackupAccount(superuser=False)


@pytest.fixture
def commands(reference_target: Target, postgres_server: PostgresServer, workspace: Workspace) -> EmbeddedCommands:
    trees = Trees(reference_target, workspace.path)
    tools = HostTools(reference_target, workspace.path, Meter(), postgres_server.bin_dir)
    servers = ForkServers(workspace.path)
    return EmbeddedCommands(reference_target, trees, tools, servers, CommandLog(), lambda: postgres_server.admin_url)


@pytest.fixture
def database(server_url: str) -> Iterator[LiveDatabase]:
    """A database whose tables belong to its owner, with a sequence that is behind."""
    name, role = f"ut_{secrets.token_hex(4)}", f"unit_trial_{secrets.token_hex(4)}"
    with postgres.connect(server_url) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'".encode())
        postgres.create_database(admin, name, owner=role, marker="unit-run")
    database = LiveDatabase(server_url, name, role=role, password="secret", run="unit-run")
    database.execute_as_owner(SCRIPT)
    yield database
    database.drop()
    with postgres.connect(server_url) as admin:
        admin.execute(f"DROP ROLE {role}".encode())


def with_backup(target: Target, **own: Any) -> Target:
    return target.model_copy(update={"backup": Backup(**own)})


def chosen(target: Target, commands: EmbeddedCommands, database: LiveDatabase, directory: Path) -> BackupAccount:
    account = AccountOnTrial(target, commands, lambda: database)
    assert account(directory) is account(directory), "it is tried out once"
    assert list(directory.iterdir()) == [], "no dump is left"
    return account(directory)


def test_the_owners_account_is_enough_for_its_own_tables(reference_target: Target, commands, database, tmp_path: Path):
    target = with_backup(reference_target)
    trial = try_out(Backups(target, commands, lambda _: GATEWAY), database, tmp_path)
    assert (trial.problem, trial.revision) == ("", "0007")
    assert trial.client is not None
    assert trial.client[0] >= 15
    assert chosen(target, commands, database, tmp_path) == GATEWAY


def test_a_superuser_is_chosen_where_it_is_needed_and_the_reason_is_kept(
    reference_target: Target, commands, database, tmp_path: Path
):
    database.execute("ALTER TABLE counted OWNER TO CURRENT_USER")
    account = chosen(with_backup(reference_target), commands, database, tmp_path)
    assert account.superuser
    assert "permission denied for table counted" in account.needed


def test_what_no_account_can_do_needs_no_superuser(reference_target: Target, commands, database, tmp_path: Path):
    target = with_backup(reference_target, dump=(*UNKNOWN_SETTING, "{file}", "{database_url}"))
    trial = try_out(Backups(target, commands, lambda _: SUPERUSER), database, tmp_path)
    assert trial.problem.startswith("the restore command exits 3: psql:")
    assert trial.problem.endswith('ERROR:  unrecognized configuration parameter "no_such_setting"')
    assert chosen(target, commands, database, tmp_path) == GATEWAY


@pytest.mark.parametrize(("named", "superuser"), [("gateway", False), ("superuser", True)])
def test_a_named_account_is_used_without_a_trial(
    reference_target: Target, commands, tmp_path: Path, named: str, superuser: bool
):
    def choose(directory: Path) -> BackupAccount:
        raise AssertionError("the target names one")

    backups = Backups(with_backup(reference_target, account=named), commands, choose)
    assert backups.account(tmp_path) == BackupAccount(superuser=superuser)


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"dump": ("sh", "-c", "false | cat > $1", "dump", "{file}")}, "its file is unusable: it is empty"),
        ({"dump": ("sh", "-c", "echo text > $1", "dump", "{file}")}, "its file is unusable: it is cut short"),
        ({"restore": ("true", "{file}")}, "the restored database is not the one that was backed up"),
    ],
)
def test_a_command_that_exits_0_is_looked_at(
    reference_target: Target, commands, database, tmp_path: Path, own: dict[str, Any], problem: str
):
    backups = Backups(with_backup(reference_target, **own), commands, lambda _: SUPERUSER)
    trial = try_out(backups, database, tmp_path)
    assert problem in trial.problem
    assert trial.fix


def test_a_sequence_that_was_behind_is_not_blamed_on_the_restore(
    reference_target: Target, commands, database, tmp_path: Path
):
    backups = Backups(with_backup(reference_target), commands, lambda _: GATEWAY)
    file = tmp_path / "backup.sql"
    _, manifest = backups.take(database, file)
    (name,) = manifest.sequences
    assert manifest.sequences[name].behind
    fresh = database.create_empty()
    assert backups.restore_into(fresh, file).ok
    restored = RestoredDatabase.read(manifest, fresh)
    assert (restored.behind, restored.differences()) == ([], [])
    fresh.execute(f"SELECT setval('{name}', 2)")
    assert RestoredDatabase.read(manifest, fresh).differences() == [
        f"~ changed sequence {name}: [1, False] before, [2, True] after"
    ]
    caught_up = replace(manifest.sequences[name], last_value=20, is_called=True)
    healthy = replace(manifest, sequences={name: caught_up}, sequences_after={name: caught_up})
    assert RestoredDatabase.read(healthy, fresh).behind == [name]
    fresh.drop()

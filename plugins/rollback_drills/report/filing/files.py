"""Writing a file whole or not at all, and saying what to do where it cannot be written."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.polling import poll_until

TEMPORARY = ".part"
LOCK = ".lock"
PATIENCE = 60.0  # seconds to wait for another run to write its report, which usually takes one
_REMEDIES = {
    errno.ENOSPC: "free some space on that file system, or choose another report directory",
    errno.EDQUOT: "free some space in your quota, or choose another report directory",
    errno.EROFS: "choose a report directory on a file system that is not read-only",
    errno.EACCES: "make the directory writable by the user that runs the drills, or choose another one",
    errno.EPERM: "make the directory writable by the user that runs the drills, or choose another one",
}


def write_whole(path: Path, text: str) -> Path:
    """Write ``text`` beside ``path`` and move it there, so that no reader ever sees half of it.

    Raises:
        DrillError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error
    return path


def unwritable(path: Path, error: OSError) -> DrillError:
    """The error for a file that could not be written."""
    fix = _REMEDIES.get(error.errno or 0, "choose another report directory")
    return DrillError(f"{path} cannot be written", cause=error.strerror or str(error), fix=fix)


class ReportLockedError(DrillError):
    """Another run holds the lock of the directory and does not release it."""


@contextmanager
def one_at_a_time(directory: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Let one process at a time write what the runs of ``directory`` share: their order and their history.

    The kernel releases the lock however its holder ends. A file system without locks is used without one.

    Args:
        patience: seconds to wait for a holder, which may have been stopped (Ctrl-Z) or hang on a dead file system.

    Raises:
        ReportLockedError: the holder has not released it by then.
        DrillError: the directory cannot be written.
    """
    path = directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            poll_until(lambda: _lock(descriptor), what=f"waiting for {path}", timeout=patience)
        except StackError:
            raise ReportLockedError(
                f"another run has been holding {path} for {patience:g} s",
                fix=f"find it with `fuser {path}`; continue it (`kill -CONT`) if it was stopped, or end it",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # there are no locks here
    return True

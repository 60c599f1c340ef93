"""The logs in a workspace: a log that grows too long keeps its end and loses its beginning."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from rollback_drills.core.private_files import private

MOST = 8 << 20  # bytes; a longer log is shortened
KEPT = 256 << 10  # bytes that a shortened log keeps
_TAIL = 16_384  # bytes
_INTERVAL = 0.05  # seconds between two checks; a log of 100 MB/s grows by 5 MB in between


def read_tail(path: Path, limit: int = _TAIL) -> str:
    """The end of a log, at most ``limit`` bytes, from the beginning of a line; '' if there is no log."""
    data = _end(path, limit + 1)
    if len(data) <= limit:
        data = _end(_older(path), limit + 1 - len(data)) + data
    if len(data) > limit:
        data = data[-limit:]
        data = data.partition(b"\n")[2] or data  # unless it is all one line
    return data.decode(errors="replace")


def clear(path: Path) -> None:
    """Empty a log. The file stays: an old process could fill an unlinked one, which the `LogKeeper` would not see."""
    with contextlib.suppress(FileNotFoundError):
        os.truncate(path, 0)
    _older(path).unlink(missing_ok=True)


def shorten(path: Path) -> None:
    """Drop the beginning of a log that is too long. Its writers append, so they go on at the file's new end."""
    try:
        if path.stat().st_size <= MOST:
            return
        # The disk may be full: all the more reason to shorten the log.
        with contextlib.suppress(OSError), open(_older(path), "wb", opener=private) as older:
            older.write(_end(path, KEPT))
        os.truncate(path, 0)
    except OSError:
        return  # the log has been removed


class LogKeeper:
    """Keeps every log of a directory short while it is being written."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._closed = directory, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="log keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(_INTERVAL):
            with contextlib.suppress(OSError):  # the directory is being removed
                for log in self._directory.glob("*.log"):
                    shorten(log)


def _older(path: Path) -> Path:
    return path.with_name(f"{path.name}.older")


def _end(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - limit))
            return file.read(limit)
    except OSError:
        return b""

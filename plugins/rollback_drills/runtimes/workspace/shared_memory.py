"""The System V shared memory that a killed PostgreSQL leaves behind."""

from __future__ import annotations

import contextlib
import ctypes
from pathlib import Path

_SEGMENTS = Path("/proc/sysvipc/shm")  # proc(5); Linux only
_LARGEST = 4096  # bytes; the segment holds some 56, since our settings keep everything else out of it


def remove_shared_memory(data: Path) -> None:
    """Remove the segment by which PostgreSQL guards the data directory ``data``; a killed server leaves it behind.

    Line 7 of the pid file holds the segment's key and id (PostgreSQL, src/include/utils/pidfile.h). A server killed
    during its start has not written that line yet; then the key is the directory's inode
    (src/backend/port/sysv_shmem.c).
    """
    segments: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        segments.append(int((data / "postmaster.pid").read_text().splitlines()[6].split()[1]))
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = data.stat()
        abandoned = (status.st_ino & 0xFFFFFFFF, 0, status.st_uid)
        for line in _SEGMENTS.read_text().splitlines()[1:]:
            key, segment, _, size, _, _, attached, owner = map(int, line.split()[:8])
            if (key & 0xFFFFFFFF, attached, owner) == abandoned and size < _LARGEST:
                segments.append(segment)
    libc = ctypes.CDLL(None, use_errno=True)
    for segment in segments:
        libc.shmctl(segment, 0, None)  # IPC_RMID; an error means that the segment is gone already

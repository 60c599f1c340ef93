"""What a gateway leaves running when it has ended: workers, supervised and daemonised children."""

from __future__ import annotations

import contextlib
import shlex
import socket
import time
from collections.abc import Sequence

import psutil

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until

GATEWAY_VARIABLE = "ROLLBACK_DRILLS_GATEWAY"
"""Marks everything that one gateway starts, also in a session of its own."""

GRACE = 2.0  # seconds in which what a gateway has told to end may still end
_LONGEST = 300  # characters of a command line


def marked(mark: str) -> list[psutil.Process]:
    """Every living process that carries a gateway's mark in its environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(GATEWAY_VARIABLE) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def survivors(mark: str) -> list[psutil.Process]:
    """What is still there `GRACE` seconds after the gateway has ended; usually nothing is, at once."""
    found = marked(mark)
    if found:
        with contextlib.suppress(StackError):
            poll_until(lambda: not any(map(_lives, found)), what="the end of the gateway's children", timeout=GRACE)
        found = marked(mark)
    return found


def listening(processes: Sequence[psutil.Process], port: int) -> bool:
    """Whether one of them listens on a port."""
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            if any(
                each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in process.net_connections("tcp")
            ):
                return True
    return False


def addresses(processes: Sequence[psutil.Process]) -> list[str]:
    """Where they listen: ``address:port``, or the path of a socket."""
    found: list[str] = []
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            for each in process.net_connections("all"):
                if each.family == socket.AF_UNIX and each.laddr:
                    found.append(str(each.laddr))
                elif each.status == psutil.CONN_LISTEN:
                    host = f"[{each.laddr.ip}]" if ":" in each.laddr.ip else each.laddr.ip
                    found.append(f"{host}:{each.laddr.port}")
    return list(dict.fromkeys(found))


def described(process: psutil.Process) -> str:
    """Its number, its age and its command line."""
    with contextlib.suppress(psutil.Error, OSError):
        age = max(0.0, time.time() - process.create_time())
        return f"pid {process.pid}, {age:.0f} s old: {shlex.join(process.cmdline())[:_LONGEST]}"
    return f"pid {process.pid}"


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

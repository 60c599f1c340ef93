"""Crashes the server, on any runtime."""

from __future__ import annotations

import contextlib

import psycopg

from rollback_drills.core.errors import DrillError
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres.connection import connect

# Manual, "COPY": a superuser's PROGRAM runs in a shell on the server, under the server's account; the shell's parent is
# the backend. Manual, "Shutting Down the Server", on SIGKILL: the postmaster ends all other backends, and recovers from
# the write-ahead log.
_KILL = b"COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"


def crash(admin_url: str, *, timeout: float = 60.0) -> None:
    """Kill a backend with SIGKILL: every session ends, and the server recovers. Returns when it answers again.

    Args:
        admin_url: libpq URL of a superuser.
        timeout: seconds for the recovery.

    Raises:
        StackError: the server does not recover in time.
        DrillError: the server cannot be reached before the crash.
    """
    with contextlib.suppress(psycopg.OperationalError), connect(admin_url) as connection:
        connection.execute(_KILL)
    poll_until(lambda: _answers(admin_url), what="PostgreSQL's recovery from a crash", timeout=timeout)


def _answers(admin_url: str) -> bool:
    try:
        with connect(admin_url, timeout=2.0) as connection:
            return connection.execute(b"SELECT 1").fetchone() is not None
    except (DrillError, psycopg.Error):
        return False

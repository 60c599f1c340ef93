"""Who is connected, who waits for whom, and what a backend has locked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres.connection import Connection

# From weakest to strongest, as listed in the manual, "Explicit Locking", section "Table-Level Locks".  The
# order is a convention for reporting: what a lock really conflicts with is that section's table.
LOCK_MODES: Final = (
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
QUERY_CHARACTERS: Final = 200  # of a session's query that are kept


@dataclass(frozen=True, slots=True)
class BackendSession:
    """A client's backend as pg_stat_activity shows it; ``transaction_seconds`` is None outside a transaction.

    ``blocked_by`` holds the pids that hold or, ahead in the queue, await a conflicting lock
    (pg_blocking_pids).
    """

    pid: int
    database: str
    user: str
    application_name: str
    state: str
    query: str
    wait_event: str
    transaction_seconds: float | None
    blocked_by: tuple[int, ...]


def sessions(conn: Connection, database: str | None = None) -> tuple[BackendSession, ...]:
    """Other clients' sessions in ``database`` (default: the current one), the oldest first.

    Query and state of other roles' sessions are empty for a role without pg_read_all_stats (manual: "The
    Cumulative Statistics System").  Raises psycopg.Error.
    """
    rows = conn.execute(
        b"""SELECT pid, datname, coalesce(usename, ''), coalesce(application_name, ''), coalesce(state, ''),
              left(coalesce(query, ''), %s), coalesce(wait_event_type || ':' || wait_event, ''),
              extract(epoch FROM clock_timestamp() - xact_start)::float8, pg_blocking_pids(pid)
            FROM pg_catalog.pg_stat_activity
            WHERE datname = coalesce(%s, current_database()) AND pid <> pg_backend_pid()
              AND backend_type = 'client backend'
            ORDER BY backend_start, pid""",
        (QUERY_CHARACTERS, database),
    )
    return tuple(BackendSession(*(*others, tuple(blockers))) for *others, blockers in rows)


def blocked(conn: Connection, database: str | None = None) -> tuple[BackendSession, ...]:
    """The sessions that wait for a lock."""
    return tuple(session for session in sessions(conn, database) if session.blocked_by)


def terminate(conn: Connection, pid: int, *, timeout: float = 5.0) -> bool:
    """End the backend ``pid``; whether it is gone, for which ``timeout`` seconds at most are waited.

    Raises psycopg.errors.InsufficientPrivilege.
    """
    conn.execute(b"SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
    gone = b"SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s)"
    try:
        return poll_until(
            lambda: conn.execute(gone, (pid,)).fetchone() == (True,), what="ending a session", timeout=timeout
        )
    except StackError:
        return False


def terminate_all(conn: Connection, database: str, *, timeout: float = 5.0) -> tuple[int, ...]:
    """End every other client's session in ``database`` and wait, ``timeout`` seconds at most, until they are gone.

    Returns the pids which were ended.  The wait is ours: the server's own (pg_terminate_backend with a timeout) looks
    every 100 ms, one session after the other.

    Raises StackError when one is still there at the end.
    """
    others = b"FROM pg_catalog.pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
    clients = others + b" AND backend_type = 'client backend'"
    rows = conn.execute(b"SELECT pid, pg_catalog.pg_terminate_backend(pid) " + clients, (database,)).fetchall()
    if rows:
        poll_until(
            lambda: conn.execute(b"SELECT count(*) = 0 " + clients, (database,)).fetchone() == (True,),
            what=f"ending the sessions of {database}",
            timeout=timeout,
        )
    return tuple(pid for pid, ended in rows if ended)


def invalid_indexes(conn: Connection) -> tuple[str, ...]:
    """Qualified names of indexes that a failed CREATE or REINDEX INDEX CONCURRENTLY left behind.

    Manual: CREATE INDEX, "Building Indexes Concurrently".  An index of a partitioned table that lacks a
    partition's is invalid by design and is not listed.
    """
    rows = conn.execute(
        b"""SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT i.indisvalid AND n.nspname !~ '^pg_' ORDER BY 1"""
    )
    return tuple(name for (name,) in rows)


def relation_locks(conn: Connection, pid: int) -> Mapping[str, str]:
    """Qualified relation to the strongest lock that backend ``pid`` holds on it, in the current database.

    Names come from the catalogue as ``conn`` sees it: a relation that another transaction created and has not
    committed appears as ``relation <oid>``.  System catalogues are left out.
    """
    rows = conn.execute(
        b"""SELECT coalesce(quote_ident(n.nspname) || '.' || quote_ident(c.relname), 'relation '
            || l.relation), l.mode
            FROM pg_catalog.pg_locks l
            LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
            LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE l.locktype = 'relation' AND l.granted AND l.pid = %s AND l.relation >= 16384
              AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
              AND coalesce(n.nspname, '') !~ '^pg_(catalog|toast)'""",
        (pid,),
    )
    strongest: dict[str, str] = {}
    for relation, mode in rows:
        held = strongest.get(relation)
        if held is None or LOCK_MODES.index(mode) > LOCK_MODES.index(held):
            strongest[relation] = mode
    return MappingProxyType(dict(sorted(strongest.items())))

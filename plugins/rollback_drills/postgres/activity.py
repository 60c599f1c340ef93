"""Sessions of a server: their state, their locks, and how to end them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres.connection import Connection

# From weakest to strongest, in the order of the manual, "Explicit Locking", section "Table-Level Locks". The order
# is for reports; which locks conflict is in a table of that section.
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
QUERY_CHARACTERS: Final = 200  # of a session's query; the rest is cut off


@dataclass(frozen=True, slots=True)
class BackendSession:
    """A client's session, as in pg_stat_activity; ``transaction_seconds`` is None outside a transaction.

    ``blocked_by`` are the pids that hold a conflicting lock, or wait for one ahead in the queue (pg_blocking_pids).
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
    """Other clients' sessions in ``database`` (default: the current one), oldest first.

    For a role without pg_read_all_stats, query and state of other roles' sessions are empty (manual: "The Cumulative
    Statistics System").

    Raises:
        psycopg.Error: the query fails.
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
    """End the session ``pid``; whether it ended within ``timeout`` seconds.

    Raises:
        psycopg.errors.InsufficientPrivilege: the session belongs to a role that ``conn`` may not signal.
    """
    conn.execute(b"SELECT pg_catalog.pg_terminate_backend(%s)", (pid,))
    ended = b"SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s)"
    try:
        return poll_until(
            lambda: conn.execute(ended, (pid,)).fetchone() == (True,), what="ending a session", timeout=timeout
        )
    except StackError:
        return False


def terminate_all(conn: Connection, database: str, *, timeout: float = 5.0) -> tuple[int, ...]:
    """End every other client's session in ``database``, and wait until all have ended; their pids.

    It polls because the server's own wait (pg_terminate_backend with a timeout) looks only every 100 ms, at one session
    after the other.

    Raises:
        StackError: a session is still open after ``timeout`` seconds.
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

    Manual: CREATE INDEX, "Building Indexes Concurrently". Left out are indexes of partitioned tables, which are invalid
    by design as long as a partition lacks the index.
    """
    rows = conn.execute(
        b"""SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE NOT i.indisvalid AND n.nspname !~ '^pg_' ORDER BY 1"""
    )
    return tuple(name for (name,) in rows)


def relation_locks(conn: Connection, pid: int) -> Mapping[str, str]:
    """By qualified name, the strongest lock that the session ``pid`` holds on each relation of the current database.

    A relation that an uncommitted transaction created appears as ``relation <oid>``. System catalogues are left out.
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

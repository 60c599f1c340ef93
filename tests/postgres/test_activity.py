"""Sessions, waits and locks, seen from a third connection."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from rollback_drills.postgres import (
    Connection,
    blocked,
    connect,
    invalid_indexes,
    relation_locks,
    sessions,
    terminate,
    terminate_all,
)


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(500):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("the condition did not come true within five seconds")


def test_strongest_lock_per_relation(database_url: str, conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int); CREATE TABLE u (a int)")
    with connect(database_url) as other, other.transaction():
        other.execute(b"SELECT FROM t; SELECT FROM u; ALTER TABLE t ADD b int; CREATE TABLE fresh (a int)")
        locks = relation_locks(conn, other.info.backend_pid)
        assert (locks["public.t"], locks["public.u"]) == ("AccessExclusiveLock", "AccessShareLock")
        assert [name for name in locks if name.startswith("relation ")]
        own = relation_locks(other, other.info.backend_pid)
        assert own["public.fresh"] == "AccessExclusiveLock"
        assert not [name for name in own if name.startswith("pg_")]
    assert relation_locks(conn, 0) == {}


def test_who_blocks_whom(database_url: str, conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int)")
    with connect(database_url) as holder, connect(database_url) as waiter:
        holder.execute(b"BEGIN; LOCK TABLE t")
        failures: list[Exception] = []

        def wait() -> None:
            try:
                waiter.execute(b"SELECT 'waiting' FROM t")
            except psycopg.Error as error:
                failures.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            until(lambda: bool(blocked(conn)))
            (session,) = blocked(conn)
            assert session.pid == waiter.info.backend_pid
            assert session.blocked_by == (holder.info.backend_pid,)
            assert session.wait_event == "Lock:relation"
            assert session.query.startswith("SELECT 'waiting'")
            assert session.application_name == "rollback-drills"
            held = {one.pid: one for one in sessions(conn)}[holder.info.backend_pid]
            assert held.state == "idle in transaction"
            assert held.transaction_seconds is not None
            assert held.transaction_seconds >= 0
            assert terminate(conn, waiter.info.backend_pid)
        finally:
            thread.join(5)
            holder.execute(b"ROLLBACK")
        assert isinstance(failures[0], psycopg.errors.AdminShutdown)


def test_terminate_all_waits_until_they_are_gone(database_url: str, conn: Connection) -> None:
    others = [connect(database_url) for _ in range(3)]
    pids = {other.info.backend_pid for other in others}
    assert {session.pid for session in sessions(conn)} == pids
    assert set(terminate_all(conn, conn.info.dbname)) == pids
    assert sessions(conn) == ()
    assert not terminate_all(conn, "no such database")
    for other in others:
        other.close()


def test_invalid_indexes(conn: Connection) -> None:
    conn.execute(
        b"CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1);"
        b"CREATE TABLE p (a int) PARTITION BY LIST (a);"
        b"CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE INDEX whole ON ONLY p (a)"
    )
    assert invalid_indexes(conn) == ()
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(b'CREATE UNIQUE INDEX CONCURRENTLY "Broken" ON t (a)')
    assert invalid_indexes(conn) == ('public."Broken"',)

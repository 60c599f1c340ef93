"""What a migration sets for a role or a database: seen, set back, and without effect on the suite's own sessions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollback_drills.postgres import (
    Connection,
    connect,
    create_database,
    drop_database,
    restore_role_settings,
    role_settings,
    schema_fingerprint,
    with_database,
)

ROLE = "settings_of_a_role"
HINDERING = {
    "statement_timeout": "'1ms'",
    "lock_timeout": "'1ms'",
    "idle_in_transaction_session_timeout": "'1ms'",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "search_path": "nowhere, pg_catalog",
}


@pytest.fixture
def role(conn: Connection) -> Iterator[str]:
    conn.execute(f"DROP ROLE IF EXISTS {ROLE}; CREATE ROLE {ROLE}".encode())
    yield ROLE
    conn.execute(f"DROP ROLE IF EXISTS {ROLE}".encode())


def test_settings_of_roles_are_set_back(conn: Connection, role: str) -> None:
    conn.execute(f"ALTER ROLE {role} SET search_path = 'a b', \"$user\", public".encode())
    conn.execute(
        f"ALTER ROLE {role} SET statement_timeout = '50ms'; ALTER ROLE {role} SET \"my.own\" = 'x=y z'".encode()
    )
    before = role_settings(conn)
    conn.execute(
        f"ALTER ROLE {role} RESET ALL; ALTER ROLE {role} SET lock_timeout = 1; ALTER ROLE ALL SET jit = off".encode()
    )
    try:
        assert role_settings(conn) != before
    finally:
        restore_role_settings(conn, before)
    assert role_settings(conn) == before
    assert set(before[role]) == {'search_path="a b", "$user", public', "statement_timeout=50ms", "my.own=x=y z"}


def test_a_role_that_is_gone_is_left_out(conn: Connection, role: str) -> None:
    conn.execute(f"ALTER ROLE {role} SET jit = off".encode())
    before = role_settings(conn)
    conn.execute(f"DROP ROLE {role}".encode())
    restore_role_settings(conn, before)
    assert role not in role_settings(conn)


def test_a_setting_of_a_role_is_part_of_the_schema_and_not_of_the_database(conn: Connection, role: str) -> None:
    before = schema_fingerprint(conn)
    conn.execute(f"ALTER ROLE {role} SET lock_timeout = 1".encode())
    after = schema_fingerprint(conn)
    assert before.diff(after).lines() == [f"+ left over role setting lock_timeout of {role}", "    1"]
    assert not before.of_database().diff(after.of_database())


def test_the_suite_s_own_sessions_are_not_hindered(server_url: str) -> None:
    with connect(server_url) as server:
        create_database(server, "hindered")
        try:
            for name, value in HINDERING.items():
                server.execute(f"ALTER DATABASE hindered SET {name} = {value}".encode())
            if server.info.server_version >= 140000:
                server.execute(b"ALTER DATABASE hindered SET idle_session_timeout = '2s'")
            with connect(with_database(server_url, "hindered")) as conn:
                conn.execute(b"SELECT pg_sleep(0.01)")
                conn.execute(b"CREATE TABLE t (a int); SELECT FROM t")
                with conn.transaction():
                    assert conn.execute(b"SHOW transaction_isolation").fetchone() == ("read committed",)
                names = ("statement_timeout", "lock_timeout", "default_transaction_read_only", "search_path")
                found = [conn.execute(f"SHOW {name}".encode()).fetchone() for name in names]
                assert found == [("0",), ("0",), ("off",), ('"$user", public',)]
                if server.info.server_version >= 140000:
                    assert conn.execute(b"SHOW idle_session_timeout").fetchone() == ("0",)
            with connect(with_database(server_url, "hindered"), search_path=None) as conn:
                assert conn.execute(b"SHOW search_path").fetchone() == ("nowhere, pg_catalog",)
        finally:
            drop_database(server, "hindered")

"""Databases come, are cloned faithfully, carry their marker, and go."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres import (
    Connection,
    check_marker,
    connect,
    create_database,
    database_exists,
    drop_database,
    mark,
    read_marker,
    require_marker,
    schema_fingerprint,
    swap_databases,
    with_database,
)


@pytest.fixture
def server(server_url: str) -> Iterator[Connection]:
    with connect(server_url) as connection:
        yield connection
        for name in ("one", "two", "live", "aside", 'odd "name'):
            drop_database(connection, name)


def test_clone_is_faithful_and_ends_sessions(
    server: Connection, server_url: str, request: pytest.FixtureRequest
) -> None:
    create_database(server, "one", marker="run-1")
    in_use = connect(with_database(server_url, "one"))
    request.addfinalizer(in_use.close)
    in_use.execute(
        b"""CREATE TABLE t (a int); ALTER DATABASE one SET search_path = public, "Odd schema", pg_catalog;
        ALTER DATABASE one SET app.flag = 'it''s'; ALTER ROLE drill_admin IN DATABASE one SET work_mem = '9MB';
        COMMENT ON DATABASE one IS 'said'; REVOKE CONNECT ON DATABASE one FROM PUBLIC;
        GRANT TEMPORARY ON DATABASE one TO pg_monitor WITH GRANT OPTION"""
    )
    expected = schema_fingerprint(in_use)
    create_database(server, "two", template="one", marker="run-2")
    with connect(with_database(server_url, "two"), search_path=None) as clone:
        assert expected.diff(schema_fingerprint(clone)).lines() == []
        assert clone.execute(b"SHOW search_path").fetchone() == ('public, "Odd schema", pg_catalog',)
        assert "database setting work_mem for drill_admin" in expected.objects
        assert check_marker(clone, "run-2")


def test_marker(server: Connection, server_url: str) -> None:
    create_database(server, "one", marker="it's 1")
    url = with_database(server_url, "one")
    require_marker(url, "it's 1")
    with pytest.raises(DrillError, match="not a database of this run"):
        require_marker(url, "2")
    create_database(server, "two", template="one")
    assert read_marker(server, database="two") is None
    with pytest.raises(DrillError):
        require_marker(with_database(server_url, "two"), "it's 1")
    with pytest.raises(DrillError):
        require_marker(with_database(server_url, "two") + "?options=-c%20rollback_drills.run%3D1", "1")
    with connect(url) as conn:
        mark(conn, "3")
        assert check_marker(conn, "3")
        assert not [key for key in schema_fingerprint(conn).objects if "rollback_drills" in key]


def test_a_swap_keeps_markers_and_ends_sessions(server: Connection, server_url: str) -> None:
    create_database(server, "live", marker="damaged")
    create_database(server, 'odd "name', marker="restored")
    with connect(with_database(server_url, "live")), connect(with_database(server_url, 'odd "name')):
        swap_databases(server, "live", 'odd "name', aside="aside")
    assert not database_exists(server, 'odd "name')
    require_marker(with_database(server_url, "live"), "restored")
    require_marker(with_database(server_url, "aside"), "damaged")


def test_a_swap_that_fails_half_way_changes_nothing(server: Connection, server_url: str) -> None:
    """Between two separate renames there would be no live database, and none to replace on a second attempt."""
    create_database(server, "live", marker="damaged")
    with pytest.raises(psycopg.errors.InvalidCatalogName):
        swap_databases(server, "live", "nothing", aside="aside")
    require_marker(with_database(server_url, "live"), "damaged")
    assert not database_exists(server, "aside")


def test_drop_ends_sessions_and_forgives_a_missing_one(server: Connection, server_url: str) -> None:
    create_database(server, "one", owner="pg_monitor")
    with connect(with_database(server_url, "one")):
        drop_database(server, "one")
    assert not database_exists(server, "one")
    drop_database(server, "one")


def test_inside_a_transaction_it_says_so(server_url: str) -> None:
    with connect(server_url, autocommit=False) as conn, pytest.raises(DrillError, match="cannot create"):
        create_database(conn, "one")

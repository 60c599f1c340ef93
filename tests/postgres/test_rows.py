"""Whether rows were lost is compared by the server, whatever was added, and at any size."""

from __future__ import annotations

import tracemalloc

import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres import LARGE_OBJECTS, Connection, data_fingerprint, row_hashes


def test_rows_of_before_are_still_there(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x'), (1, 'x'), (2, NULL)")
    before = row_hashes(conn)
    assert dict(before.counts) == {"public.t": 3}
    conn.execute(b"INSERT INTO t VALUES (3, 'new'), (1, 'x')")
    assert before.missing_from(conn).rows == {}
    assert row_hashes(conn).counts["public.t"] == 5
    conn.execute(b"UPDATE t SET b = '' WHERE b IS NULL; DELETE FROM t WHERE a = 1")
    assert before.missing_from(conn).rows == {"public.t": 3}
    conn.execute(b"DROP TABLE t")
    assert before.missing_from(conn).rows == {"public.t": 3}


def test_a_column_that_is_gone_makes_only_its_own_table_incomparable(conn: Connection) -> None:
    conn.execute(
        b"CREATE TABLE t (a int, b text); CREATE TABLE u (a int); INSERT INTO u VALUES (1); INSERT INTO t VALUES (1)"
    )
    before = row_hashes(conn)
    conn.execute(b"ALTER TABLE t DROP b; DELETE FROM u")
    missing = before.missing_from(conn)
    assert missing.incomparable == {"public.t": ("b",)}
    assert missing.rows == {"public.u": 1}


def test_read_over_some_columns_only(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, 'x')")
    before = row_hashes(conn, {"public.t": ("a",)})
    conn.execute(b"UPDATE t SET b = 'y'")
    assert before.missing_from(conn).rows == {}
    conn.execute(b"UPDATE t SET a = 2")
    assert before.missing_from(conn).rows == {"public.t": 1}


def test_a_column_that_does_not_exist_is_an_error(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int)")
    with pytest.raises(DrillError, match="cannot be read"):
        row_hashes(conn, {"public.t": ("b",)})


def test_hundreds_of_tables(conn: Connection) -> None:
    conn.execute(b"".join(b"CREATE TABLE t%d AS SELECT %d AS a;" % (number, number) for number in range(250)))
    before = row_hashes(conn)
    conn.execute(b"DELETE FROM t7; UPDATE t249 SET a = 0; DROP TABLE t120")
    assert before.missing_from(conn).rows == {"public.t7": 1, "public.t249": 1, "public.t120": 1}


def test_comparing_leaves_nothing_behind(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    row_hashes(conn).missing_from(conn)
    assert conn.execute(b"SELECT FROM pg_class WHERE relpersistence = 't'").rowcount == 0


def test_memory_does_not_grow_with_the_rows(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t AS SELECT n AS a, md5(n::text) AS b FROM generate_series(1, 100000) n")
    tracemalloc.start()
    try:
        before = row_hashes(conn)
        conn.execute(b"UPDATE t SET b = '' WHERE a % 30000 = 0; INSERT INTO t VALUES (0, 'new')")
        assert before.missing_from(conn).rows == {"public.t": 3}
        assert tracemalloc.get_traced_memory()[1] < 8_000_000  # the hashes alone are 3.4 MB
    finally:
        tracemalloc.stop()


LARGE = {
    "content": b"SELECT lo_put(4711, 0, 'b')",
    "grants": b"GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC",
    "owner": b"ALTER LARGE OBJECT 4711 OWNER TO pg_monitor",
    "comment": b"COMMENT ON LARGE OBJECT 4711 IS 'a picture'",
    "gone": b"SELECT lo_unlink(4711)",
}


@pytest.mark.parametrize("change", LARGE)
def test_large_objects_are_rows(conn: Connection, change: str) -> None:
    conn.execute(b"SELECT lo_from_bytea(4711, 'a picture'), lo_from_bytea(4712, '')")
    data, rows = data_fingerprint(conn), row_hashes(conn)
    assert data.tables[LARGE_OBJECTS].rows == rows.counts[LARGE_OBJECTS] == 2
    assert not data.diff(data_fingerprint(conn))
    conn.execute(LARGE[change])
    assert data.diff(data_fingerprint(conn)).lines()[0].startswith("~ changed large objects: 2 rows before")
    assert rows.missing_from(conn).rows == {LARGE_OBJECTS: 1}


def test_the_last_large_object_is_gone(conn: Connection) -> None:
    conn.execute(b"SELECT lo_from_bytea(4711, 'a picture')")
    data, rows = data_fingerprint(conn), row_hashes(conn)
    conn.execute(b"SELECT lo_unlink(4711)")
    assert data.diff(data_fingerprint(conn)).missing == (LARGE_OBJECTS,)
    assert rows.missing_from(conn).rows == {LARGE_OBJECTS: 1}


def test_how_a_large_object_is_stored_does_not_matter(conn: Connection) -> None:
    conn.execute(b"SELECT lo_create(1); SELECT lo_put(1, 5000, 'end')")  # the pages before were never written
    data = data_fingerprint(conn)
    conn.execute(b"SELECT lo_from_bytea(2, lo_get(1)); SELECT lo_unlink(1); SELECT lo_from_bytea(1, lo_get(2))")
    conn.execute(b"SELECT lo_unlink(2); REVOKE ALL ON LARGE OBJECT 1 FROM PUBLIC")
    assert not data.diff(data_fingerprint(conn))

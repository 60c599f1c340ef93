"""What was written since a moment: inserted and updated rows, in any table, and nothing else."""

from __future__ import annotations

import pytest

from rollback_drills.postgres import Connection, connect, moment, written_since


@pytest.fixture
def tables(conn: Connection) -> Connection:
    conn.execute(
        b"""CREATE TABLE events (id text PRIMARY KEY, body jsonb, seen int DEFAULT 0);
        INSERT INTO events SELECT 'seed-' || n, '{}' FROM generate_series(1, 50) n;
        CREATE TABLE "odd ""name" (n int);
        CREATE TABLE parts (day date, n int) PARTITION BY RANGE (day);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
        CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')"""
    )
    return conn


def test_nothing_was_written(tables: Connection) -> None:
    found = written_since(tables, moment(tables))
    assert found.rows == {}
    assert found.counts == {"public.events": 50, 'public."odd ""name"': 0, "public.parts": 0}


def test_inserted_and_updated_rows_are_found_in_their_present_version(tables: Connection) -> None:
    since = moment(tables)
    tables.execute(b"INSERT INTO events VALUES ('new', '{\"a\": [1]}')")
    tables.execute(b"UPDATE events SET seen = seen + 1 WHERE id = 'seed-7'")
    tables.execute(b"DELETE FROM events WHERE id = 'seed-8'")
    found = written_since(tables, since)
    assert sorted(found.rows["public.events"], key=lambda row: str(row["id"])) == [
        {"id": "new", "body": {"a": [1]}, "seen": 0},
        {"id": "seed-7", "body": {}, "seen": 1},
    ]
    assert found.counts["public.events"] == 50
    assert written_since(tables, moment(tables)).rows == {}


def test_partitions_are_one_table(tables: Connection) -> None:
    since = moment(tables)
    tables.execute(b"INSERT INTO parts VALUES ('2026-01-05', 1), ('2026-02-05', 2)")
    assert {table: len(rows) for table, rows in written_since(tables, since).rows.items()} == {"public.parts": 2}


def test_what_is_not_committed_was_not_written(tables: Connection, database_url: str) -> None:
    since = moment(tables)
    with connect(database_url) as other, other.transaction():
        other.execute(b"INSERT INTO events VALUES ('open', '{}')")
        assert written_since(tables, since).rows == {}
    assert len(written_since(tables, since).rows["public.events"]) == 1


@pytest.mark.parametrize(
    ("ignored", "rows"),
    [("public.events", {}), ("public.events.seen", {"public.events": ({"id": "x", "body": None},)})],
)
def test_volatile_tables_and_columns_are_left_out(tables: Connection, ignored: str, rows: object) -> None:
    since = moment(tables)
    tables.execute(b"INSERT INTO events VALUES ('x', NULL)")
    assert written_since(tables, since, ignore=(ignored,)).rows == rows

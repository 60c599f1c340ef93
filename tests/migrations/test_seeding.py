"""Generated rows: every type, every kind of constraint, references and circles; the same in every run."""

from __future__ import annotations

import pytest

from rollback_drills.migrations.reversibility.generate.catalogue import Catalogue
from rollback_drills.migrations.reversibility.generate.seeder import Seeder
from rollback_drills.migrations.reversibility.snapshots import Snapshot, compare, read_snapshots
from rollback_drills.postgres import Connection

_TYPES = """
boolean; smallint; integer; bigint; real; double precision; numeric; numeric(6,2); numeric(2,2); text;
varchar(3); char(4); bytea; uuid; date; timestamp; timestamptz(3); time; timetz; interval; json; jsonb; inet;
cidr; macaddr; money; bit(3); varbit; tsvector; point; box; int4range; tstzrange; int4multirange; integer[];
text[]; mood; mood[]; positive; pair; oid; name; "char"
"""
TYPES = [each.strip() for each in _TYPES.split(";")]
CONSTRAINED = {
    "pattern": "a text NOT NULL CHECK (a ~ '^[A-Z]{3}-[0-9]+$')",
    "length": "a text NOT NULL CHECK (char_length(a) BETWEEN 5 AND 7)",
    "range": "a integer NOT NULL CHECK (a > 1000 AND a < 1010)",
    "list": "a text NOT NULL CHECK (a IN ('draft', 'done'))",
    "two columns": "a integer NOT NULL, b integer NOT NULL, CHECK (a < b)",
    "either or": "a text, b text, CHECK ((a IS NULL) <> (b IS NULL))",
    "json object": "a jsonb NOT NULL CHECK (jsonb_typeof(a) = 'object')",
    "unique pair": "a integer, b integer, UNIQUE (a, b)",
    "unique without nulls": "a integer NOT NULL UNIQUE, b text UNIQUE",
    "exclusion": "a int4range NOT NULL, EXCLUDE USING gist (a WITH &&)",
    "generated": "a integer, b integer GENERATED ALWAYS AS (1) STORED",
    "identity": "a integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b text NOT NULL",
    "nothing": "",
}


def seeded(conn: Connection, *names: str) -> dict[str, Snapshot]:
    oids = [row[0] for row in conn.execute("SELECT oid::bigint FROM pg_class WHERE relname = ANY (%s)", (list(names),))]
    tables = Catalogue(conn).tables(oids)
    refused = Seeder(conn).seed(tables).refused
    assert refused == {}
    return {name.removeprefix("public."): rows for name, rows in read_snapshots(conn, tables.values()).items()}


def test_every_type_is_given_values(conn: Connection):
    conn.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
    conn.execute("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)")
    conn.execute("CREATE TYPE pair AS (a integer, b text)")
    for number, kind in enumerate(TYPES):
        conn.execute(f"CREATE TABLE t{number} (a {kind})".encode())
    found = seeded(conn, *(f"t{number}" for number in range(len(TYPES))))
    few = {kind for number, kind in enumerate(TYPES) if len({row[0] for row in found[f"t{number}"].rows}) < 2}
    assert few == set()


@pytest.mark.parametrize("columns", CONSTRAINED.values(), ids=CONSTRAINED)
def test_every_constraint_is_solved(columns: str, conn: Connection):
    conn.execute(f"CREATE TABLE t ({columns})".encode())
    assert len(seeded(conn, "t")["t"].rows) >= 1


def test_edges_and_labels_are_among_the_rows(conn: Connection):
    conn.execute("CREATE TYPE e AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g')")
    conn.execute("CREATE TABLE t (n integer, v varchar(8), e e)")
    rows = seeded(conn, "t")["t"].rows
    assert {"2147483647", "-2147483648", None} <= {row[0] for row in rows}
    assert {8, 0} <= {len(row[1] or "") for row in rows}
    assert {*"abcdefg"} <= {row[2] for row in rows}


def test_references_are_followed_and_circles_closed(conn: Connection):
    conn.execute("CREATE TABLE p (id integer PRIMARY KEY, favourite integer)")
    conn.execute(
        "CREATE TABLE c (id integer PRIMARY KEY, p integer NOT NULL REFERENCES p, parent integer REFERENCES c)"
    )
    conn.execute("ALTER TABLE p ADD FOREIGN KEY (favourite) REFERENCES c")
    found = seeded(conn, "p", "c")
    assert len(found["c"].rows) >= 3
    assert any(row[1] is not None for row in found["p"].rows)
    assert any(row[2] is not None for row in found["c"].rows)


def test_a_partitioned_table_is_filled_through_its_parent(conn: Connection):
    conn.execute("CREATE TABLE t (d date) PARTITION BY RANGE (d)")
    conn.execute("CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')")
    assert len(seeded(conn, "t", "t1")["t1"].rows) >= 1


def test_the_same_schema_gives_the_same_rows(conn: Connection):
    definition = b"CREATE TABLE t (a integer, b text, c timestamptz, d float8)"
    conn.execute(definition)
    first = seeded(conn, "t")["t"]
    conn.execute("DROP TABLE t")
    conn.execute(definition)
    assert seeded(conn, "t")["t"] == first


def test_a_table_that_takes_no_row_is_reported(conn: Connection):
    conn.execute("CREATE TABLE t (a integer CHECK (a > 5 AND a < 5 AND a IS NOT NULL))")
    (oid,) = conn.execute("SELECT 't'::regclass::oid::bigint").fetchone() or (0,)
    refused = Seeder(conn).seed(Catalogue(conn).tables([oid])).refused
    assert "violates check constraint" in refused["public.t"]


def snapshot(key: tuple[str, ...], *rows: tuple[str | None, ...], columns: tuple[str, ...] = ("id", "a")) -> Snapshot:
    return Snapshot("t", columns, key, rows)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (snapshot(("id",), ("1", "x")), snapshot(("id",), ("1", "x"), ("2", "y")), []),
        (snapshot(("id",), ("1", "x"), ("2", "y")), snapshot(("id",), ("2", "y")), [("", 1)]),
        (snapshot(("id",), ("1", "x"), ("2", "y")), snapshot(("id",), ("1", None), ("2", "y")), [("a", 1)]),
        (snapshot((), ("1", "x"), ("1", "x")), snapshot((), ("1", "x")), [("", 1)]),
        (snapshot((), ("1", "x")), snapshot((), ("1", "z")), [("a", 1)]),
        (snapshot(("id",), ("1", "x")), snapshot(("id",), ("1",), columns=("id",)), [("a", 1)]),
        (snapshot(("id",), ("1", None)), snapshot(("id",), ("1",), columns=("id",)), []),
        (snapshot(("id",), ("1", "x")), None, [("", 1)]),
        (snapshot(("id",)), None, []),
    ],
)
def test_a_loss_is_stated_exactly(before: Snapshot, after: Snapshot | None, expected: list[tuple[str, int]]):
    assert [(loss.column, loss.rows) for loss in compare(before, after, written="before")] == expected

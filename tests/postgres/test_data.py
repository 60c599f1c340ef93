"""The data fingerprint changes with every change of a row, and with nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres import (
    Connection,
    columns,
    common_columns,
    connect,
    create_database,
    data_fingerprint,
    drop_database,
    with_database,
)

TEXT = (
    st.none()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    | st.sampled_from(["", "NULL", "null", "(", ")", ",", '"', '""', "\\", "a,b", " "])
)
ROW = st.tuples(TEXT, TEXT, st.none() | st.integers(-(2**31), 2**31 - 1))
ROWS = st.lists(ROW, min_size=1, max_size=6)


@pytest.fixture(scope="module")
def scratch(server_url: str) -> Iterator[Connection]:
    with connect(server_url) as server:
        create_database(server, "scratch")
        with connect(with_database(server_url, "scratch")) as conn:
            conn.execute(b"CREATE TABLE t (a text, b text, n int)")
            yield conn
        drop_database(server, "scratch")


def digest(conn: Connection, rows: list[tuple[str | None, str | None, int | None]]) -> tuple[int, str]:
    with conn.transaction(force_rollback=True), conn.cursor() as cursor:
        cursor.executemany(b"INSERT INTO t VALUES (%s, %s, %s)", rows)
        table = data_fingerprint(conn).tables["public.t"]
    return table.rows, table.digest


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, data=st.data())
def test_order_does_not_matter_and_every_change_does(
    scratch: Connection, rows: list[tuple[str | None, str | None, int | None]], data: st.DataObject
) -> None:
    before = digest(scratch, rows)
    assert before == digest(scratch, data.draw(st.permutations(rows)))
    victim = data.draw(st.integers(0, len(rows) - 1))
    assert digest(scratch, rows[:victim] + rows[victim + 1 :]) != before
    assert digest(scratch, [*rows, rows[victim]]) != before
    column = data.draw(st.integers(0, 2))
    strategy = TEXT if column < 2 else st.none() | st.integers(-9, 9)
    value = data.draw(strategy.filter(lambda value: value != rows[victim][column]))
    changed = list(rows[victim])
    changed[column] = value
    rows[victim] = tuple(changed)
    assert digest(scratch, rows) != before


def test_one_row_doubled_for_another_is_seen(scratch: Connection) -> None:
    one, two = ("a", None, 1), ("b", None, 2)
    assert digest(scratch, [one, one, two]) != digest(scratch, [one, two, two])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((None, "", 0), ("", None, 0)),
        (("a", "b,c", 0), ("a,b", "c", 0)),
        ((None, None, None), ("", "", None)),
    ],
)
def test_null_empty_and_column_boundaries(
    scratch: Connection,
    one: tuple[str | None, str | None, int | None],
    other: tuple[str | None, str | None, int | None],
) -> None:
    assert digest(scratch, [one]) != digest(scratch, [other])


def test_order_of_columns_and_settings_do_not_matter(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (a int, at timestamptz, f float8, b bytea, i interval, m money)")
    conn.execute(b"INSERT INTO t VALUES (1, '2024-01-01 00:00+00', 0.1, '\\x00ff', '1 day 2 h', 3.5)")
    before = data_fingerprint(conn)
    conn.execute(
        b"SET TimeZone = 'Asia/Tokyo'; SET bytea_output = 'escape'; SET extra_float_digits = -10;"
        b"SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'"
    )
    conn.execute(b"ALTER TABLE t ADD a2 int; UPDATE t SET a2 = a; ALTER TABLE t DROP a; ALTER TABLE t RENAME a2 TO a")
    assert not before.diff(data_fingerprint(conn))


def test_diff_names_tables_and_rows(conn: Connection) -> None:
    conn.execute(
        b"CREATE TABLE gone (a int); CREATE TABLE same (a int); CREATE TABLE t (a int);"
        b"INSERT INTO t VALUES (1), (2); INSERT INTO gone VALUES (1)"
    )
    before = data_fingerprint(conn)
    conn.execute(b"DROP TABLE gone; CREATE TABLE fresh (a int); DELETE FROM t WHERE a = 1")
    difference = before.diff(data_fingerprint(conn))
    assert difference.missing == ("public.gone",)
    assert difference.extra == ("public.fresh",)
    assert difference.lines() == [
        "+ left over public.fresh with 0 rows",
        "- missing public.gone with 1 rows",
        "~ changed public.t: 2 rows before, 1 after",
    ]
    assert json.loads(json.dumps(difference.to_json()))["tables"][2] == {
        "table": "public.t",
        "rows_before": 2,
        "rows_after": 1,
        "changed": True,
    }


def test_restricted_to_what_two_schemas_share(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (id int, name text); INSERT INTO t VALUES (1, 'x'); CREATE TABLE old (a int)")
    old = columns(conn)
    before = data_fingerprint(conn, tables=old)
    conn.execute(b"ALTER TABLE t ADD discount int DEFAULT 5, DROP name; CREATE TABLE new (a int); DROP TABLE old")
    shared = common_columns(old, columns(conn))
    assert shared == {"public.t": ("id",)}
    assert data_fingerprint(conn, tables=shared).tables["public.t"].rows == 1
    assert before.diff(data_fingerprint(conn, tables=shared))
    with pytest.raises(DrillError, match="cannot be read"):
        data_fingerprint(conn, tables=old)


def test_which_tables_count(conn: Connection) -> None:
    conn.execute(
        b"""CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
        INSERT INTO p VALUES (1); CREATE TABLE base (a int); CREATE TABLE child () INHERITS (base);
        INSERT INTO child VALUES (1); CREATE VIEW v AS TABLE p; CREATE MATERIALIZED VIEW m AS TABLE p;
        CREATE TABLE alembic_version (a int); CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
        CREATE TABLE "We ird""%s{}'" ("%s{}'" int); CREATE TEMP TABLE gone (a int)"""
    )
    rows = {name: table.rows for name, table in data_fingerprint(conn).tables.items()}
    assert rows == {
        "public.p1": 1,
        "public.base": 0,
        "public.child": 1,
        "public.nothing": 1,
        'public."We ird""%s{}\'"': 0,
    }


def test_many_tables_in_one_snapshot(conn: Connection) -> None:
    conn.execute(b"".join(b"CREATE TABLE t%d (a int);" % number for number in range(250)))
    assert len(data_fingerprint(conn).tables) == 250


def test_rows_hidden_by_a_policy_are_an_error(database_url: str, conn: Connection) -> None:
    conn.execute(
        b"DROP ROLE IF EXISTS clerk; CREATE ROLE clerk LOGIN PASSWORD 'clerk'; CREATE TABLE t (a int);"
        b"GRANT SELECT ON t TO clerk;"
        b"ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON t USING (false)"
    )
    try:
        with (
            connect(re.sub(r"//[^@]*@", "//clerk:clerk@", database_url)) as clerk,
            pytest.raises(DrillError, match="row-level security"),
        ):
            data_fingerprint(clerk)
    finally:
        conn.execute(b"DROP OWNED BY clerk; DROP ROLE clerk")

"""A rewound sequence is detected before the next insert fails."""

from __future__ import annotations

import psycopg
import pytest

from rollback_drills.postgres import Connection, sequences


def test_rewound_sequence_is_behind(conn: Connection) -> None:
    conn.execute(b"CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t SELECT FROM generate_series(1, 5)")
    state = sequences(conn)["public.t_id_seq"]
    assert (state.last_value, state.is_called, state.increment) == (5, True, 1)
    assert (state.owned_by, state.columns) == ("public.t.id", ("public.t.id",))
    assert (state.minimum, state.maximum, state.behind) == (1, 5, False)
    conn.execute(b"SELECT setval('t_id_seq', 5, false)")
    assert sequences(conn)["public.t_id_seq"].behind
    with pytest.raises(psycopg.errors.UniqueViolation):
        conn.execute(b"INSERT INTO t DEFAULT VALUES")
    assert not sequences(conn)["public.t_id_seq"].behind


@pytest.mark.parametrize(("value", "behind"), [(-5, False), (-4, True)])
def test_descending_identity(conn: Connection, value: int, behind: bool) -> None:
    conn.execute(
        b"CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY (INCREMENT -1) PRIMARY KEY);"
        b"INSERT INTO t SELECT FROM generate_series(1, 5)"
    )
    conn.execute(b"SELECT setval('t_id_seq', %s)", (value,))
    state = sequences(conn)["public.t_id_seq"]
    assert (state.increment, state.minimum, state.behind) == (-1, -5, behind)


def test_sequence_used_by_defaults_without_being_owned(conn: Connection) -> None:
    conn.execute(b"""CREATE SEQUENCE "S q"; CREATE DOMAIN key AS int;
                 CREATE TABLE a (id int DEFAULT nextval('"S q"'));
                 CREATE TABLE b (id key DEFAULT nextval('"S q"'));
                 INSERT INTO a DEFAULT VALUES; INSERT INTO b VALUES (7)""")
    state = sequences(conn)['public."S q"']
    assert (state.owned_by, state.columns, state.maximum) == (None, ("public.a.id", "public.b.id"), 7)
    assert state.behind


def test_without_rows_columns_or_sequences(conn: Connection) -> None:
    assert sequences(conn) == {}
    conn.execute(b"CREATE SEQUENCE s; CREATE TABLE t (id serial, n numeric DEFAULT nextval('s'))")
    assert {name: state.behind for name, state in sequences(conn).items()} == {
        "public.s": False,
        "public.t_id_seq": False,
    }
    assert sequences(conn)["public.s"].maximum is None


def test_partitions_count_with_their_parent(conn: Connection) -> None:
    conn.execute(
        b"CREATE TABLE p (id serial) PARTITION BY RANGE (id);"
        b"CREATE TABLE p1 PARTITION OF p DEFAULT; INSERT INTO p VALUES (50)"
    )
    assert sequences(conn)["public.p_id_seq"].behind

"""The schema fingerprint sees every kind of object, and nothing that is no difference."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.ddl_cases import CASES, SETUP, Case

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres import (
    Connection,
    SchemaFingerprint,
    connect,
    create_database,
    drop_database,
    schema_fingerprint,
    with_database,
)


def execute(conn: Connection, script: str) -> None:
    conn.execute(script.encode())


@pytest.fixture(scope="module")
def shop_url(server_url: str) -> Iterator[str]:
    """One database with an object of each kind; every case puts back what it changes."""
    with connect(server_url) as server:
        create_database(server, "shop")
        execute(server, "DROP ROLE IF EXISTS reader; CREATE ROLE reader")
        url = with_database(server_url, "shop")
        with connect(url) as shop:
            execute(shop, SETUP)
        yield url
        drop_database(server, "shop")
        execute(server, "DROP ROLE reader")


@pytest.fixture(scope="module")
def shop(shop_url: str) -> Iterator[Connection]:
    with connect(shop_url) as connection:
        yield connection


@pytest.fixture(scope="module")
def pristine(shop: Connection) -> SchemaFingerprint:
    return schema_fingerprint(shop)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_statement_changes_it_and_inverse_restores_it(
    shop: Connection, pristine: SchemaFingerprint, case: Case
) -> None:
    try:
        execute(shop, case.do)
    except psycopg.errors.SyntaxError:
        if shop.info.server_version >= 150000:
            raise
        pytest.skip("this PostgreSQL has no such statement")
    try:
        changed = schema_fingerprint(shop)
    finally:
        execute(shop, case.undo)
    difference = pristine.diff(changed)
    assert difference
    assert changed.digest != pristine.digest
    keys = {entry.key for part in (difference.left_over, difference.missing, difference.changed) for entry in part}
    assert case.key in keys, difference.lines()
    restored = schema_fingerprint(shop)
    assert pristine.diff(restored).lines() == []
    assert restored.digest == pristine.digest


def test_no_definition_holds_an_oid(shop: Connection, pristine: SchemaFingerprint) -> None:
    rows = shop.execute(b"SELECT oid FROM pg_class WHERE oid >= 16384 UNION SELECT oid FROM pg_proc WHERE oid >= 16384")
    words = set(" ".join([*pristine.objects, *pristine.objects.values()]).replace("(", " ").split())
    assert not words & {str(oid) for (oid,) in rows}


def test_secrets_of_user_mappings_stay_out(shop: Connection) -> None:
    execute(shop, "CREATE USER MAPPING FOR reader SERVER elsewhere OPTIONS (password 'hunter2')")
    definitions = schema_fingerprint(shop).objects
    execute(shop, "DROP USER MAPPING FOR reader SERVER elsewhere")
    assert "hunter2" not in str(dict(definitions))
    assert definitions["user mapping reader on elsewhere"].startswith("OPTIONS (password ~")


def test_invalid_index(conn: Connection) -> None:
    execute(conn, "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
    before = schema_fingerprint(conn)
    with pytest.raises(psycopg.errors.UniqueViolation):
        execute(conn, "CREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)")
    (entry,) = before.diff(schema_fingerprint(conn)).left_over
    assert entry.key == "index public.broken"
    assert " INVALID" in entry.definition
    execute(conn, "DROP INDEX broken")
    assert not before.diff(schema_fingerprint(conn))


def test_foreign_key_silenced_by_disabling_triggers(conn: Connection) -> None:
    execute(conn, "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a)")
    before = schema_fingerprint(conn)
    execute(conn, "ALTER TABLE b DISABLE TRIGGER ALL")
    (change,) = before.diff(schema_fingerprint(conn)).changed
    assert change.after.endswith("WITH ITS TRIGGERS IN STATE D")


def test_null_acl_equals_spelled_out_default(conn: Connection) -> None:
    execute(conn, "CREATE TABLE t (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    before = schema_fingerprint(conn)
    execute(
        conn,
        "GRANT SELECT ON t TO PUBLIC; REVOKE SELECT ON t FROM PUBLIC; REVOKE ALL ON FUNCTION f FROM PUBLIC",
    )
    execute(conn, "GRANT EXECUTE ON FUNCTION f TO PUBLIC")
    acls = conn.execute(
        b"SELECT relacl FROM pg_class WHERE relname = 't' UNION SELECT proacl FROM pg_proc WHERE proname = 'f'"
    ).fetchall()
    assert (None,) not in acls
    assert not before.diff(schema_fingerprint(conn))


def test_version_table_and_its_dependents_are_ignored(conn: Connection) -> None:
    before = schema_fingerprint(conn)
    execute(conn, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    execute(conn, "COMMENT ON TABLE alembic_version IS 'x'; COMMENT ON COLUMN alembic_version.version_num IS 'y'")
    assert not before.diff(schema_fingerprint(conn))
    assert before.diff(schema_fingerprint(conn, ignore_tables=()))
    assert not before.diff(schema_fingerprint(conn, ignore_tables=["public.alembic_version"]))
    assert before.diff(schema_fingerprint(conn, ignore_tables=["other.alembic_version"]))


def test_column_order_is_apart(conn: Connection) -> None:
    execute(conn, "CREATE TABLE t (a int, b int, c int)")
    before = schema_fingerprint(conn)
    execute(conn, "ALTER TABLE t DROP a; ALTER TABLE t ADD a int")
    after = schema_fingerprint(conn)
    assert not before.diff(after)
    assert before.digest == after.digest
    assert before.reordered(after) == {"public.t": (("a", "b", "c"), ("b", "c", "a"))}


def test_name_of_a_not_null_constraint_is_an_entry_of_its_own(conn: Connection) -> None:
    if conn.info.server_version < 180000:
        pytest.skip("NOT NULL constraints of tables have names since PostgreSQL 18")
    execute(conn, "CREATE TABLE t (a int NOT NULL)")
    before = schema_fingerprint(conn)
    assert not [key for key in before.objects if key.startswith("not-null")]
    execute(conn, "ALTER TABLE t DROP CONSTRAINT t_a_not_null, ADD CONSTRAINT mine NOT NULL a")
    difference = before.diff(schema_fingerprint(conn))
    assert [entry.key for entry in difference.left_over] == ["not-null constraint public.t.mine"]
    assert not difference.changed


def test_not_enforced_constraint(conn: Connection) -> None:
    if conn.info.server_version < 180000:
        pytest.skip("NOT ENFORCED appeared in PostgreSQL 18")
    execute(conn, "CREATE TABLE t (a int CONSTRAINT c CHECK (a > 0) NOT ENFORCED)")
    assert schema_fingerprint(conn).objects["constraint public.t.c"].endswith("NOT ENFORCED")


def test_settings_of_the_session_do_not_matter_and_are_given_back(conn: Connection) -> None:
    execute(
        conn,
        "CREATE TABLE t (a timestamptz DEFAULT '2024-01-01 00:00+00', f float8 DEFAULT 0.1, i interval"
        " DEFAULT '1 day 2 hours', CHECK (a > '2020-02-03 04:05+00'))",
    )
    before = schema_fingerprint(conn)
    execute(
        conn,
        "SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard';"
        "SET search_path = public; SET extra_float_digits = -10; SET quote_all_identifiers = on",
    )
    assert not before.diff(schema_fingerprint(conn))
    assert conn.execute(b"SHOW TimeZone").fetchone() == ("Asia/Tokyo",)
    with conn.transaction():
        assert not before.diff(schema_fingerprint(conn))
        assert conn.execute(b"SHOW search_path").fetchone() == ("public",)


def test_inside_a_transaction_it_sees_uncommitted_ddl(database_url: str) -> None:
    with connect(database_url, autocommit=False) as conn:
        before = schema_fingerprint(conn)
        execute(conn, "CREATE TABLE t (a int)")
        assert before.diff(schema_fingerprint(conn))
        conn.rollback()
        assert not before.diff(schema_fingerprint(conn))


def test_a_role_without_privileges_can_read_it(database_url: str, conn: Connection) -> None:
    execute(conn, "DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN PASSWORD 'plain'")
    try:
        execute(
            conn,
            "CREATE SCHEMA hidden; CREATE TABLE hidden.t (a int CHECK (a > 0));CREATE VIEW hidden.v AS TABLE hidden.t",
        )
        with connect(re.sub(r"//[^@]*@", "//plain:plain@", database_url)) as plain:
            assert plain.info.user == "plain"
            assert not schema_fingerprint(conn).diff(schema_fingerprint(plain))
    finally:
        execute(conn, "DROP ROLE plain")


def test_failed_read_leaves_the_connection_usable(database_url: str, conn: Connection) -> None:
    execute(conn, "CREATE TABLE t (a int); CREATE VIEW v AS TABLE t")
    schema_fingerprint(conn)
    with connect(database_url) as other, other.transaction():
        execute(other, "LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        execute(conn, "SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            schema_fingerprint(conn)
        with conn.transaction():
            with pytest.raises(psycopg.errors.LockNotAvailable):
                schema_fingerprint(conn)
            assert conn.execute(b"SELECT 1").fetchone() == (1,)
    assert "view public.v" in schema_fingerprint(conn).objects


def test_lines_and_json_are_readable(conn: Connection) -> None:
    execute(conn, "CREATE TABLE t (a int, b int)")
    before = schema_fingerprint(conn)
    execute(conn, "ALTER TABLE t DROP a, ADD c text, ALTER b SET DEFAULT 7")
    difference = before.diff(schema_fingerprint(conn))
    assert difference.lines() == [
        "+ left over column public.t.c",
        "    c text",
        "- missing column public.t.a",
        "    a integer",
        "~ changed column public.t.b",
        "    was b integer",
        "    is  b integer DEFAULT 7",
    ]
    assert json.loads(json.dumps(difference.to_json()))["changed"] == [
        {"key": "column public.t.b", "before": "b integer", "after": "b integer DEFAULT 7"}
    ]


def test_dump_restored_elsewhere_has_the_same_fingerprint(
    shop_url: str, shop: Connection, pristine: SchemaFingerprint, database_url: str, bin_dir: Path
) -> None:
    execute(
        shop,
        "GRANT SELECT, UPDATE ON shop.orders TO reader; ALTER TABLE shop.orders OWNER TO reader;"
        "GRANT INSERT (status) ON shop.orders TO drill_admin; COMMENT ON COLUMN shop.orders.id IS 'it''s';"
        "ALTER DEFAULT PRIVILEGES FOR ROLE reader GRANT SELECT ON TABLES TO drill_admin;"
        "ALTER TABLE shop.customers RENAME COLUMN name TO full_name",
    )
    expected = schema_fingerprint(shop)
    dump = _tool(bin_dir / "pg_dump", shop_url)
    _tool(bin_dir / "psql", "-X", "-v", "ON_ERROR_STOP=1", "-q", database_url, stdin=dump)
    with connect(database_url) as restored:
        assert expected.diff(schema_fingerprint(restored)).lines() == []
        execute(restored, "DROP OWNED BY reader CASCADE")
    execute(
        shop,
        "ALTER TABLE shop.orders OWNER TO drill_admin; REVOKE ALL ON shop.orders FROM reader;"
        "REVOKE INSERT (status) ON shop.orders FROM drill_admin; COMMENT ON COLUMN shop.orders.id IS NULL;"
        "ALTER DEFAULT PRIVILEGES FOR ROLE reader REVOKE SELECT ON TABLES FROM drill_admin;"
        "ALTER TABLE shop.customers RENAME COLUMN full_name TO name",
    )
    assert pristine.diff(schema_fingerprint(shop)).lines() == []


def test_old_server_is_refused() -> None:
    class Info:
        server_version = 120009

    class Old:
        info = Info()

    with pytest.raises(DrillError, match="PostgreSQL 12"):
        schema_fingerprint(Old())


def _tool(*command: str | Path, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False, env={})
    assert done.returncode == 0, done.stderr
    return done.stdout

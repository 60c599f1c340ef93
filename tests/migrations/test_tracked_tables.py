"""The definitions of tables follow the schema, and a script's text names tables."""

from __future__ import annotations

import pytest

from rollback_drills.migrations.reversibility.table_names import is_named, tables_filled_by, words_of
from rollback_drills.migrations.reversibility.tracked_tables import TrackedTables
from rollback_drills.migrations.walker.client import Statement, StepOutcome
from rollback_drills.postgres import Connection, connect
from rollback_drills.postgres.schema.tracker import SchemaTracker


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("ALTER DOMAIN d ADD CONSTRAINT k CHECK (VALUE > 0)", {"public.of_domain"}),
        ("ALTER TYPE e ADD VALUE 'y'", {"public.of_enum"}),
        ("CREATE TYPE unused AS ENUM ('x')", set()),
        ("ALTER TABLE plain ADD b integer", set()),
    ],
)
def test_a_table_is_read_again_when_a_type_of_its_columns_changes(
    statement: str, changed: set[str], database_url: str, conn: Connection
):
    conn.execute("CREATE DOMAIN d AS integer")
    conn.execute("CREATE TYPE e AS ENUM ('x')")
    conn.execute("CREATE TABLE of_domain (a d)")
    conn.execute("CREATE TABLE of_enum (a e)")
    conn.execute("CREATE TABLE plain (a integer)")
    with connect(database_url) as schema_conn:
        schema = SchemaTracker(schema_conn)
        tables = TrackedTables(conn, schema)
        tables.read_all()
        assert set(tables.by_name) == {"public.of_domain", "public.of_enum", "public.plain"}
        before = dict(tables.by_name)
        conn.execute(statement.encode())
        refresh = schema.refresh(())
        tables.update(refresh)
        assert tables.with_changed_types(refresh) == changed
    for name in changed:
        assert tables.by_name[name].columns[0].type != before[name].columns[0].type
    assert ("b" in tables.by_name["public.plain"].names) == ("plain" in statement)


@pytest.mark.parametrize(
    ("table", "text", "expected"),
    [
        ("public.orders", "ALTER TABLE orders ADD a integer", True),
        ("public.orders", 'op.add_column("orders", ...)', True),
        ("public.orders", "ALTER TABLE reorders ADD a integer", False),
        ("shop.orders", "ALTER TABLE orders ADD a integer", False),
        ("shop.orders", "ALTER TABLE shop.orders ADD a integer", True),
        ('public."Orders"', 'ALTER TABLE "Orders" ADD a integer', True),
    ],
)
def test_a_text_names_a_table(table: str, text: str, expected: bool):
    assert is_named(table, words_of(text)) == expected


def test_a_step_fills_the_tables_that_its_statements_insert_into():
    statements = [
        'INSERT INTO shop."Orders" VALUES (1)',
        "COPY lines FROM STDIN",
        "MERGE INTO ONLY totals USING ...",
        "UPDATE untouched SET a = 1",
    ]
    outcome = StepOutcome(statements=tuple(Statement(sql=sql, seconds=0.0) for sql in statements))
    assert tables_filled_by(outcome) == {"orders", "lines", "totals"}

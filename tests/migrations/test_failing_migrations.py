"""The failing migrations fail in the intended mode, for any name of the table."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, exc
from sqlalchemy.engine import Engine

from rollback_drills.core.errors import StackError
from rollback_drills.migrations import FAILURE_MODES, failing_migration
from rollback_drills.migrations.failing import LEFTOVER_COLUMN, LEFTOVER_INDEX, REVISION
from rollback_drills.postgres import quote_ident
from rollback_drills.postgres.addresses import sqlalchemy_url

ODD_NAMES = [
    "plain",
    'quo"te',
    "per%cent %(ids)s",
    "{braces} {0} {{x}}",
    "back\\slash\\n",
    "a :b ::c \\:d",
    "ünïcödé ✓",
    "new\nline",
    "it's",
    "-- comment /* */",
    ";",
    "$$",
]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = create_engine(sqlalchemy_url(database_url))
    yield engine
    engine.dispose()


def run(engine: Engine, script: str, function: str) -> None:
    """As alembic does: the operations bound to one transaction, which an error rolls back."""
    module: dict[str, object] = {}
    exec(compile(script, "migration", "exec"), module)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"transaction_per_migration": True})
        with Operations.context(context), context.begin_transaction(_per_migration=True):
            module[function]()  # type: ignore[operator]


def execute(engine: Engine, *statements: str) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


EXPECTED = {
    "in-a-transaction": "division by zero",
    "outside-a-transaction": "could not create unique index",
    "not-null-on-data": "contains null values",
    "unique-on-data": "could not create unique index",
}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_each_mode_fails_as_intended_on_any_table(engine: Engine, name: str):
    table = f"public.{quote_ident(name)}"
    execute(engine, f"CREATE TABLE {table} AS SELECT generate_series(1, 2) AS a")
    for mode, message in EXPECTED.items():
        migration = failing_migration(mode, table=table, down_revision="0012")
        with pytest.raises(exc.DBAPIError, match=message):
            run(engine, migration.script, "upgrade")
        left = "SELECT count(*) FROM pg_attribute WHERE attname = %s AND NOT attisdropped"
        with engine.connect() as connection:
            (columns,) = connection.exec_driver_sql(left, (LEFTOVER_COLUMN,)).one()
            index = connection.exec_driver_sql("SELECT to_regclass(%s) IS NOT NULL", (LEFTOVER_INDEX,)).scalar_one()
        assert bool(columns) == bool(migration.cleanup) == index
        if migration.cleanup:
            execute(engine, *filter(None, (part.strip() for part in migration.cleanup.split(";\n"))))
    # Without a lock or a kill, the other modes succeed, and can be downgraded.
    migration = failing_migration("on-a-lock", table=table, down_revision="0012")
    run(engine, migration.script, "upgrade")
    run(engine, migration.script, "downgrade")


REVISION_IDS = st.text(max_size=8).filter(lambda text: "," not in text)  # a comma joins several


@pytest.mark.parametrize("mode", FAILURE_MODES)
@given(name=st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()), down=REVISION_IDS)
def test_every_script_compiles_whatever_the_names(mode: str, name: str, down: str):
    migration = failing_migration(mode, table=quote_ident(name), down_revision=down)
    module = types.ModuleType("migration")
    exec(compile(migration.script, migration.filename, "exec"), module.__dict__)
    assert module.revision == REVISION
    assert module.down_revision == (None if down == "base" else down)
    assert migration.why in (ast.get_docstring(ast.parse(migration.script)) or "")


def test_below_base_there_is_nothing():
    assert "down_revision = None" in failing_migration("on-a-lock", table="t", down_revision="base").script


def test_an_unknown_mode_is_refused():
    with pytest.raises(StackError, match="killed-half-way"):
        failing_migration("slowly", table="t", down_revision="1")

"""The walker runs in the target's interpreter with the target's env.py, and neither disturbs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.migration_histories import ENV, Project, walking

from rollback_drills.core.errors import StackError
from rollback_drills.lab.bare_alembic import BareAlembicEnvironment
from rollback_drills.migrations.reversibility.history import problems_of
from rollback_drills.migrations.walker.client import Walker, walker_command
from rollback_drills.postgres import connect, invalid_indexes
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

NOISY = "print('{}')\nimport sys, logging\nlogging.basicConfig(stream=sys.stdout, level=0)\n" + ENV
ASYNC = """
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url"))
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""
ONE_TRANSACTION = ENV.replace("engine.connect()", "engine.begin()")
QUERY_FIRST = ENV.replace(
    "    with context.begin_transaction():\n",
    "    with context.begin_transaction():\n        context.execute('SET LOCAL lock_timeout = 1234')\n",
)
URL_OF_ANOTHER = 'get_main_option("sqlalchemy.url").rsplit("/", 1)[0] + "/postgres"'
ENVIRONMENTS = {"prints": NOISY, "async": ASYNC, "one transaction": ONE_TRANSACTION, "a query first": QUERY_FIRST}


def add_two(project: Project) -> None:
    project.add("one", ["CREATE TABLE t (a integer)", "print('{\"error\": null}')"], ["DROP TABLE t"])
    project.add("two", ["INSERT INTO t VALUES (1)", "SELECT 1 / a FROM t"], ["DELETE FROM t"])


@pytest.fixture
def environment(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace) -> BareAlembicEnvironment:
    return BareAlembicEnvironment(
        tmp_path / "alembic.ini",
        interpreter=[sys.executable],
        admin_url=postgres_server.admin_url,
        run="tests",
        workspace=workspace.path,
        bin_dir=postgres_server.bin_dir,
    )


@pytest.mark.parametrize("env", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_any_env_py_is_walked_unmodified(env: str, tmp_path: Path, environment: BareAlembicEnvironment):
    add_two(Project(tmp_path, env))
    database = environment.create()
    with environment.walker(database) as walker:
        assert [each.id for each in walker.history.revisions] == ["one", "two"]
        assert walker.upgrade("one").ok
        assert walker.upgrade("two").ok
        assert walker.downgrade("two").ok
        outcome = walker.upgrade("two")
        assert outcome.ok
        assert [each.sql for each in outcome.statements] == ["INSERT INTO t VALUES (1)", "SELECT 1 / a FROM t"]
        assert all(each.locks for each in outcome.statements)
        assert outcome.external == (env is ONE_TRANSACTION)
        if env is QUERY_FIRST:
            assert outcome.statements[0].lock_timeout == "1234ms"
    environment.drop(database)


def test_an_error_is_located_and_the_walk_continues(tmp_path: Path, environment: BareAlembicEnvironment):
    project = Project(tmp_path)
    project.add("one", ["CREATE TABLE t (a integer PRIMARY KEY)"], ["DROP TABLE t"])
    project.add("two", ["INSERT INTO t VALUES (1), (1)"], ["raise ValueError('no way')"])
    database = environment.create()
    with environment.walker(database) as walker:
        walker.upgrade("one")
        error = walker.upgrade("two").error
        assert error is not None
        assert (error.sqlstate, error.table, error.constraint) == ("23505", "t", "t_pkey")
        script = (project.versions / "two.py").read_text().splitlines()
        assert "INSERT INTO t" in script[error.line - 1]
        assert walker.downgrade("one").ok
    environment.drop(database)


def test_a_step_can_be_attempted_and_made_to_fail_at_a_statement(tmp_path: Path, environment: BareAlembicEnvironment):
    add_two(Project(tmp_path))
    database = environment.create()
    with environment.walker(database) as walker:
        assert walker.upgrade("one", attempt=True).ok
        failed = walker.upgrade("one", fail_at=0).error
        assert failed is not None
        assert failed.injected
        assert walker.upgrade("one").ok  # neither left anything
    environment.drop(database)


RAISING = ENV.replace(
    "with engine",
    "from sqlalchemy import event\n\ndef refuse(context):\n    raise RuntimeError('of the project')\n\n"
    "event.listen(engine, 'handle_error', refuse)\nwith engine",
)
ONE_SESSION = ENV.replace("NullPool", "StaticPool")


@pytest.mark.parametrize("env", [ENV, ASYNC, RAISING], ids=["plain", "async", "its own error"])
def test_an_index_fails_half_way(env: str, tmp_path: Path, environment: BareAlembicEnvironment):
    project = Project(tmp_path, env)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add("two", ["with: CREATE INDEX CONCURRENTLY i ON t (a)"], ["DROP INDEX i"])
    project.add("three", ["SELECT 1"])
    database = environment.create()
    with environment.walker(database) as walker, connect(environment.url(database)) as conn:
        walker.upgrade("one")
        failed = walker.upgrade("two", fail_at=0, within=True).error
        assert failed is not None
        assert not failed.injected
        if env is not RAISING:
            assert failed.sqlstate == "55P03"  # lock_not_available, as PostgreSQL says it
        assert invalid_indexes(conn) == ("public.i",)
        conn.execute(b"DROP INDEX i")
        assert walker.upgrade("two").ok
        (statement,) = walker.upgrade("three").statements
        assert statement.lock_timeout == "0"  # as it was
        others = conn.execute(
            b"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        ).fetchone()
        assert others == (0,)
    environment.drop(database)


def test_with_a_single_session_an_index_fails_before_it_begins(tmp_path: Path, environment: BareAlembicEnvironment):
    project = Project(tmp_path, ONE_SESSION)
    project.add("one", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    project.add("two", ["with: CREATE INDEX CONCURRENTLY i ON t (a)"], ["DROP INDEX i"])
    database = environment.create()
    with environment.walker(database) as walker, connect(environment.url(database)) as conn:
        walker.upgrade("one")
        failed = walker.upgrade("two", fail_at=0, within=True).error
        assert failed is not None
        assert failed.injected
        assert invalid_indexes(conn) == ()
        assert walker.upgrade("two").ok
    environment.drop(database)


def test_a_database_of_another_run_is_refused(tmp_path: Path, environment: BareAlembicEnvironment):
    elsewhere = ENV.replace(
        'get_main_option("sqlalchemy.url")', 'get_main_option("sqlalchemy.url").rsplit("/", 1)[0] + "/postgres"'
    )
    add_two(Project(tmp_path, elsewhere))
    database = environment.create()
    with environment.walker(database) as walker, pytest.raises(StackError, match="has not created"):
        walker.upgrade("one")
    environment.drop(database)


@pytest.mark.parametrize(
    ("env", "message"),
    [("raise KeyError('X')", "KeyError"), ("pass", "without calling"), ("import os; os._exit(3)", "exit code 3")],
)
def test_a_broken_env_py_is_reported(env: str, message: str, tmp_path: Path, environment: BareAlembicEnvironment):
    add_two(Project(tmp_path, env))
    database = environment.create()
    with environment.walker(database) as walker, pytest.raises(StackError, match=message):
        walker.upgrade("one")
    environment.drop(database)


def _script(revision: str, down: str | tuple[str, ...] | None, more: str = "") -> str:
    return f"revision = {revision!r}\ndown_revision = {down!r}\n{more}\ndef upgrade(): pass\ndef downgrade(): pass\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("z.py", "revision = 'z'\ndown_revision = 'one'\ndef upgrade(:\n", "z.py cannot be read at line 3"),
        ("z.py", _script("z", "lost"), "builds on the revision lost, which no script has"),
        ("z.py", _script("two", "one"), "two.py and z.py have the same revision two"),
        ("z.py", _script("z", "two", "import no_such_module"), "No module named 'no_such_module'"),
        ("one.py", _script("one", "two"), "build on each other in a circle"),
        ("z.py", _script("z", "two", "depends_on = 'nothing'"), "depends on the revision nothing"),
    ],
)
def test_a_broken_history_is_explained(
    name: str, text: str, expected: str, tmp_path: Path, environment: BareAlembicEnvironment
):
    project = Project(tmp_path)
    add_two(project)
    project.write(name, text)
    database = environment.create()
    with environment.walker(database) as walker:
        problems = problems_of(walker.history)
    environment.drop(database)
    assert any(expected in problem for problem in problems), problems


def test_two_heads_are_seen(tmp_path: Path, environment: BareAlembicEnvironment):
    project = Project(tmp_path)
    add_two(project)
    project.write("three.py", _script("three", "one"))
    database = environment.create()
    with environment.walker(database) as walker:
        assert sorted(walker.history.heads) == ["three", "two"]
        assert walker.history.branchpoints == ("one",)
    environment.drop(database)


def test_branches_and_merges_are_walked(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path)
    project.add("root", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    for side in ("left", "right"):
        project.head = "root"
        project.add(side, [f"CREATE INDEX i_{side} ON t (a)"], [f"DROP INDEX i_{side}"])
    project.write(
        "merge.py",
        "revision = 'merge'\ndown_revision = ('left', 'right')\ndef upgrade(): pass\ndef downgrade(): pass\n",
    )
    with walking(project, postgres_server, workspace) as walk:
        assert {proof.revision: proof.codes for proof in walk.prove_all()} == {
            "root": {"loss-undeclared"},
            "left": set(),
            "right": set(),
            "merge": set(),
        }


@pytest.mark.parametrize("base", ["root", None], ids=["two heads", "two bases"])
def test_heads_that_are_never_merged_are_walked(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace, base: str | None
):
    project = Project(tmp_path)
    project.add("root", ["CREATE TABLE t (a integer)"], ["DROP TABLE t"])
    for side in ("left", "right"):
        project.head = base or ("root" if side == "left" else None)
        project.add(side, [f"CREATE TABLE t_{side} (a integer)"], [f"DROP TABLE t_{side}"])
        project.add(f"{side}2", [f"CREATE INDEX i_{side} ON t_{side} (a)"], [f"DROP INDEX i_{side}"])
    with walking(project, postgres_server, workspace) as walk:
        assert {proof.revision: proof.codes for proof in walk.prove_all()} == {
            "root": {"loss-undeclared"},
            "left": {"loss-undeclared"},
            "right": {"loss-undeclared"},
            "left2": set(),
            "right2": set(),
        }


def test_the_interpreter_and_the_options_are_taken_from_the_command():
    assert walker_command(Migrations(command=("{python}", "-m", "alembic", "-c", "x.ini"))) == (
        ("{python}",),
        ("-c", "x.ini"),
    )
    assert walker_command(Migrations(command=("python", "migrate.py"))) is None
    given = Migrations(command=("/v/bin/alembic", "-x", "a=b"), interpreter=("/v/bin/python",))
    assert walker_command(given) == (("/v/bin/python",), ("-x", "a=b"))


def test_an_answer_that_does_not_come_is_an_error(tmp_path: Path, environment: BareAlembicEnvironment):
    project = Project(tmp_path)
    project.add("one", ["SELECT pg_sleep(60)"])
    database = environment.create()
    walker: Walker = environment.walker(database)
    walker._timeout = 0.3
    with walker, pytest.raises(StackError, match=r"did not answer within 0\.3 s"):
        walker.upgrade("one")
    environment.drop(database)


def test_a_type_is_created_again_after_it_was_dropped(tmp_path: Path, environment: BareAlembicEnvironment):
    """SQLAlchemy remembers ENUMs as long as alembic's context exists, which is the whole walk."""
    project = Project(tmp_path)
    project.add(
        "one",
        [
            "op.create_table('t', sa.Column('a', sa.Enum('x', 'y', name='e')), sa.Column('b', sa.Enum('x', name='f')))",
            "op.create_table('u', sa.Column('a', sa.Enum('x', 'y', name='e')))",
        ],
        ["DROP TABLE t, u", "DROP TYPE e, f"],
    )
    database = environment.create()
    with environment.walker(database) as walker:
        assert walker.upgrade("one").error is None
        assert walker.downgrade("one").error is None
        assert walker.upgrade("one").error is None
    environment.drop(database)

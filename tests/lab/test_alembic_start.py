"""The walk of an alembic.ini starts as the project's own alembic does, or says once what is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.migration_histories import ENV, Project

from rollback_drills.core.errors import TargetError
from rollback_drills.lab.alembic_start import driver_candidates, installed_drivers, open_configuration, start
from rollback_drills.lab.bare_alembic import BareAlembicEnvironment, filled, placeholders
from rollback_drills.migrations.ini import script_directories
from rollback_drills.migrations.reversibility.walk import Walk
from rollback_drills.migrations.scripts import read_scripts
from rollback_drills.migrations.start_remedies import is_about_the_driver, remedy_for
from rollback_drills.runtimes.embedded.builds import DEBIAN, build_with, extensions_in
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace

PSYCOPG = "postgresql+psycopg"
MAIN = 'context.config.get_main_option("sqlalchemy.url")'


@contextmanager
def started(
    project: Project,
    server: PostgresServer,
    workspace: Workspace,
    *,
    variables: dict[str, str] | None = None,
    arguments: Sequence[str] = (),
    engine: str = "",
    candidates: Sequence[str] = (PSYCOPG,),
) -> Iterator[Walk]:
    environment = BareAlembicEnvironment(
        project.ini,
        interpreter=[sys.executable],
        admin_url=server.admin_url,
        run="tests",
        workspace=workspace.path,
        bin_dir=server.bin_dir,
        variables=variables,
        arguments=arguments,
        engine=engine,
    )
    walk = Walk(environment)
    try:
        start(environment, walk, candidates, baseline=False)
        yield walk
    finally:
        walk.close()


def write(directory: Path, env: str, *, more: str = "") -> Project:
    project = Project(directory, env)
    project.add("one", ["CREATE TABLE t (id integer PRIMARY KEY)"], ["DROP TABLE t"], more=more)
    return project


IN_PARTS = "import os\n" + ENV.replace(
    MAIN,
    "'postgresql+psycopg://{DB_USER}:{DB_PASSWORD}@{DB_HOST}:{DB_PORT}/{DB_NAME}'.format(**os.environ)",
)
BY_ARGUMENT = ENV.replace(MAIN, "context.get_x_argument(as_dictionary=True)['db']")
GIVEN = """
from alembic import context
connection = context.config.attributes.get("connection")
if connection is None:
    raise Exception("No connection set in alembic Config")
context.configure(connection=connection)
with context.begin_transaction():
    context.run_migrations()
"""
FROM_THREAD = """
import anyio.from_thread
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

anyio.from_thread.run(main)
"""
PREPARES = "import sys, os\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'src'))\n" + ENV
MULTIDB = """
from alembic import context
from sqlalchemy import create_engine
for name in ("users", "orders"):
    with create_engine(context.config.get_section(name)["sqlalchemy.url"]).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations(engine_name=name)
"""


def test_the_url_is_given_in_parts(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    names = {"DB_HOST": "host", "DB_PORT": "port", "DB_USER": "user", "DB_PASSWORD": "password", "DB_NAME": "database"}
    variables = {variable: f"{{{part}}}" for variable, part in names.items()}
    with started(write(tmp_path, IN_PARTS), postgres_server, workspace, variables=variables) as walk:
        assert walk.prove("one").verdict == "lossy"


def test_braces_that_are_no_placeholder_stay():
    values = placeholders("postgresql://u:p@h:5/d", "postgresql+asyncpg")
    assert filled('{"url": "{url}", "x": {y}}', values) == '{"url": "postgresql+asyncpg://u:p@h:5/d", "x": {y}}'
    assert filled("{host} {port} {user} {password} {database} {sqlalchemy_url}", values) == (
        "h 5 u p d postgresql+asyncpg://u:p@h:5/d"
    )


def test_arguments_are_alembics_own(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    with started(write(tmp_path, BY_ARGUMENT), postgres_server, workspace, arguments=["db={url}"]) as walk:
        assert walk.prove("one").verdict == "lossy"


def test_env_py_may_expect_an_event_loop_of_anyio(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    with started(write(tmp_path, FROM_THREAD), postgres_server, workspace) as walk:
        assert walk.prove("one").verdict == "lossy"


def test_a_connection_is_given_where_env_py_takes_its_callers(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    with started(write(tmp_path, GIVEN), postgres_server, workspace) as walk:
        assert walk.prove("one").verdict == "lossy"


def test_scripts_are_read_after_env_py(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = write(tmp_path, PREPARES, more="import shop_types")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "shop_types.py").touch()
    with started(project, postgres_server, workspace) as walk:
        assert [each.id for each in walk.history.revisions] == ["one"]


@pytest.mark.parametrize("options", ["version_table='shop_version'", "version_table='v', version_table_schema='meta'"])
def test_the_version_table_is_what_env_py_says(
    options: str, tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    schema = "    connection.exec_driver_sql('CREATE SCHEMA IF NOT EXISTS meta'); connection.commit()\n"
    env = ENV.replace("connection=connection", f"connection=connection, {options}")
    env = env.replace("    context.configure", f"{schema}    context.configure")
    project = Project(tmp_path, env)
    declared = "# rollback-drills: lossy: x"
    project.add("one", ["CREATE TABLE t (id integer PRIMARY KEY)"], ["DROP TABLE t"], comment=declared)
    project.add("two", ["CREATE INDEX i ON t (id)"], ["DROP INDEX i"])
    with started(project, postgres_server, workspace) as walk:
        assert [proof.codes for proof in walk.prove_all()] == [set(), set()]
        assert set(walk.database.tables) == {"public.t"}


def test_of_several_databases_one_is_chosen(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path, MULTIDB)
    with project.ini.open("a") as ini:
        ini.write(
            "databases = users, orders\n[users]\nsqlalchemy.url = driver://\n[orders]\nsqlalchemy.url = driver://\n"
        )
    project.write(
        "one.py",
        "from alembic import op\nrevision, down_revision = 'one', None\n"
        "def upgrade(engine_name): op.execute(f'CREATE TABLE {engine_name} (id integer)')\n"
        "def downgrade(engine_name): op.execute(f'DROP TABLE {engine_name}')\n",
    )
    which = pytest.raises(TargetError, match=r"'users', 'orders'(?s:.*)--drill-alembic-engine")
    with which, started(project, postgres_server, workspace):
        pass
    with started(project, postgres_server, workspace, engine="orders") as walk:
        (loss,) = walk.prove("one").losses
        assert loss.table == "public.orders"


def test_another_driver_is_tried_where_env_py_wants_one(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    candidates = ("postgresql+no_such_driver", PSYCOPG)
    with started(write(tmp_path, ENV), postgres_server, workspace, candidates=candidates) as walk:
        assert walk.driver == PSYCOPG


def test_the_drivers_of_an_interpreter_are_found(tmp_path: Path):
    assert "psycopg" in installed_drivers([sys.executable], tmp_path)
    with pytest.raises(TargetError, match="--drill-alembic-python"):
        installed_drivers([str(tmp_path / "none" / "python")], tmp_path)


def test_the_likeliest_driver_comes_first(tmp_path: Path):
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = m\nsqlalchemy.url = driver://user:pass@localhost/dbname\n")
    both = ("psycopg2", "psycopg", "asyncpg")
    assert driver_candidates(ini, "alembic", "", both)[0] == "postgresql+psycopg2"
    assert driver_candidates(ini, "alembic", "async_engine_from_config(…)", both)[0] == "postgresql+asyncpg"
    assert driver_candidates(ini, "alembic", "replace('x', 'postgresql+psycopg')", both)[0] == PSYCOPG
    ini.write_text("[alembic]\nscript_location = m\nsqlalchemy.url = postgresql+pg8000://h/d\n")
    assert driver_candidates(ini, "alembic", "async_engine_from_config(…)", both)[0] == "postgresql+pg8000"


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("import os\nos.environ['SHOP_KEY']\n" + ENV, r"KeyError: 'SHOP_KEY'(?s:.*)--drill-alembic-env SHOP_KEY=VALUE"),
        ("import no_such_library\n" + ENV, r"No module named 'no_such_library'(?s:.*)--drill-alembic-python"),
        (BY_ARGUMENT, r"KeyError: 'db'(?s:.*)--drill-alembic-x db=VALUE"),
        ("raise RuntimeError('first\\nsecond\\nthird')\n", r"first\n  second\n  third"),
        ("from alembic import context\n", r"without calling context.run_migrations"),
        (
            ENV.replace(MAIN, MAIN + ".rsplit('/', 1)[0] + '/postgres'"),
            r"not created(?s:.*)--drill-alembic-env NAME=\{url\}",
        ),
    ],
)
def test_what_prevents_the_start_is_said_whole_with_the_option_that_helps(
    env: str, said: str, tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    with pytest.raises(TargetError) as raised, started(write(tmp_path, env), postgres_server, workspace):
        pass
    assert raised.match(said)


def test_a_script_that_lacks_a_setting_is_no_broken_script(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    guard = "import os\nif len(os.environ.get('SHOP_KEY', '')) < 9: raise RuntimeError('SHOP_KEY is not set')"
    project = write(tmp_path, ENV, more=guard)
    said = r"one\.py cannot be imported(?s:.*)SHOP_KEY is not set(?s:.*)--drill-alembic-env SHOP_KEY=VALUE"
    with pytest.raises(TargetError, match=said), started(project, postgres_server, workspace):
        pass
    with started(project, postgres_server, workspace, variables={"SHOP_KEY": "long enough"}) as walk:
        assert walk.prove("one").verdict == "lossy"


ADVANCED = """
from alembic import context
from sqlalchemy import engine_from_config, pool
config = context.config
configuration = config.get_section(config.config_ini_section) or {}
configuration["sqlalchemy.url"] = config.db_url
engine = config.engine or engine_from_config(configuration, prefix="sqlalchemy.", poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        version_table=config.version_table_name,
        version_table_schema=config.version_table_schema,
        version_table_pk=config.version_table_pk,
        user_module_prefix=config.user_module_prefix,
        render_as_batch=config.render_as_batch,
        compare_type=config.compare_type,
    )
    with context.begin_transaction():
        context.run_migrations()
"""


def test_env_py_may_expect_the_configuration_of_advanced_alchemy(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    with started(write(tmp_path, ADVANCED), postgres_server, workspace) as walk:
        assert walk.prove("one").verdict == "lossy"
        assert set(walk.database.tables) == {"public.t"}, "the version table is alembic_versions"
    unlike = ENV.replace("engine =", "context.config.shop_url\nengine =")
    said = pytest.raises(TargetError, match="no attribute 'shop_url'")
    with said, started(write(tmp_path / "unlike", unlike), postgres_server, workspace):
        pass


FLASK = """
from flask import current_app
from alembic import context
migrate = current_app.extensions["migrate"]
assert context.config.attributes["configured"], "Flask-Migrate's callbacks were not called"
with migrate.db.engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
APPLICATION = """
import os
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
migrate = Migrate(db=SQLAlchemy())

@migrate.configure
def configured(config):
    config.attributes["configured"] = True
    return config

def create_app():
    app = Flask("shop")
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE_URL"]
    migrate.db.init_app(app)
    migrate.init_app(app)
    return app
"""


def flask_project(directory: Path) -> Project:
    """As `flask db init` lays it out: alembic.ini beside env.py, and without script_location."""
    project = write(directory, FLASK, more="from flask import current_app\ncurrent_app.extensions['migrate']")
    project.ini.unlink()
    project.ini = project.versions.parent / "alembic.ini"
    project.ini.write_text("[alembic]\n# file_template = %%(rev)s_%%(slug)s\n")
    (directory / "shop.py").write_text(APPLICATION)
    return project


def test_flask_migrate_starts_as_with_the_flask_command(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = flask_project(tmp_path)
    missing = pytest.raises(TargetError, match=r"Could not locate(?s:.*)--drill-alembic-env FLASK_APP=")
    with missing, started(project, postgres_server, workspace):
        pass
    with started(project, postgres_server, workspace, variables={"FLASK_APP": "shop:create_app"}) as walk:
        assert walk.prove("one").verdict == "lossy"
    (tmp_path / ".flaskenv").write_text("FLASK_APP=shop:create_app\n")
    with started(project, postgres_server, workspace) as walk:
        assert [each.id for each in walk.history.revisions] == ["one"]
    assert [each.id for each in read_scripts(script_directories(project.ini)).scripts] == ["one"]


def test_a_baseline_is_asked_for(tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace):
    project = Project(tmp_path)
    project.add("one", ["ALTER TABLE made_elsewhere ADD a integer"], ["ALTER TABLE made_elsewhere DROP a"])
    asked = pytest.raises(TargetError, match=r"made_elsewhere(?s:.*)--drill-alembic-baseline")
    with asked, started(project, postgres_server, workspace):
        pass


def test_alembic_says_where_a_package_has_its_scripts(tmp_path: Path):
    versions = tmp_path / "src" / "shop" / "db" / "versions"
    versions.mkdir(parents=True)
    (versions.parent.parent / "__init__.py").touch()
    ini = tmp_path / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = shop:db\nprepend_sys_path = src\n")
    opened = open_configuration(ini, "alembic", [sys.executable], tmp_path)
    assert [Path(each).resolve() for each in opened.places] == [versions.resolve()]
    with pytest.raises(TargetError, match="--drill-alembic-python"):
        open_configuration(ini, "alembic", [sys.executable, "-S"], tmp_path)


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("ValidationError: 1 validation error for Settings\nDB_USER\n  Field required [type=missing]", "DB_USER=VALUE"),
        ("RuntimeError: SHOP_DATABASE must be set", "SHOP_DATABASE=VALUE"),
        ("RuntimeError: environment variable SHOP_DSN is missing", "SHOP_DSN=VALUE"),
        ("ValueError: URL scheme should be 'postgresql+asyncpg'", "DATABASE_URL=postgresql+asyncpg://{user}"),
        ("ModuleNotFoundError: No module named 'asyncpg'", "the driver asyncpg"),
    ],
)
def test_the_remedy_names_the_option(words: str, remedy: str):
    assert remedy in remedy_for(words, "")


@pytest.mark.parametrize(
    ("words", "is_it"),
    [
        ("InvalidRequestError: The asyncio extension requires an async driver to be used.", True),
        ("MissingGreenlet: greenlet_spawn has not been called", True),
        ("ModuleNotFoundError: No module named 'psycopg2'", True),
        ("ValueError: the URL must begin with postgresql://", True),
        ("KeyError: 'DATABASE'", False),
        ("ProgrammingError: relation does not exist", False),
    ],
)
def test_another_driver_is_tried_for_errors_about_the_driver_only(words: str, is_it: bool):
    assert is_about_the_driver(words) == is_it


def test_the_extensions_that_a_script_creates_are_read():
    text = """op.execute('CREATE EXTENSION IF NOT EXISTS "uuid-ossp"'); op.execute("create extension citext")
    op.execute("CREATE EXTENSION \\"pgcrypto\\" WITH SCHEMA public")"""
    assert extensions_in(text) == {"uuid-ossp", "citext", "pgcrypto"}


def test_a_build_is_left_as_it_is_where_it_has_every_extension():
    assert build_with({"citext", "pg_trgm"}).bin_dir is None
    missing = build_with({"no_such_extension"})
    assert (missing.bin_dir, missing.missing) == (None, {"no_such_extension"})


@pytest.mark.skipif(not list(DEBIAN.glob("*/bin/postgres")), reason="this machine has no PostgreSQL of Debian's")
def test_another_build_of_this_machine_is_taken_for_an_extension():
    found = build_with({"uuid-ossp"})
    assert found.bin_dir is not None
    assert found.bin_dir.is_relative_to(DEBIAN)
    assert "lacks the extension uuid-ossp" in found.reason

"""LiveDatabase works on the databases of its own run, and on no other."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator

import pytest

from rollback_drills import postgres
from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres.addresses import sqlalchemy_url

ROLE = "unit_database_role"
PASSWORD = secrets.token_hex(8)
RUN = "unit-run"


@pytest.fixture(scope="module")
def role(server_url: str) -> Iterator[str]:
    with postgres.connect(server_url) as admin:
        admin.execute(f"DROP ROLE IF EXISTS {ROLE}".encode())
        admin.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'".encode())
    yield ROLE
    with postgres.connect(server_url) as admin:
        admin.execute(f"DROP ROLE {ROLE}".encode())


@pytest.fixture
def open_database(server_url: str, role: str) -> Iterator[Callable[..., LiveDatabase]]:
    """Makes LiveDatabase objects, and drops all databases with the test's prefix afterwards."""
    prefix = f"ud_{secrets.token_hex(4)}"
    opened: list[LiveDatabase] = []

    def open_database(name: str = "a", *, run: str = RUN, create: bool = True) -> LiveDatabase:
        database = LiveDatabase(server_url, f"{prefix}_{name}", role=role, password=PASSWORD, run=run)
        if create:
            with postgres.connect(server_url) as admin:
                postgres.create_database(admin, database.name, owner=role, marker=run)
        opened.append(database)
        return database

    yield open_database
    for database in opened:
        database.disconnect()
    with postgres.connect(server_url) as admin:
        names = admin.execute(b"SELECT datname FROM pg_database WHERE datname LIKE %s", (prefix + "%",)).fetchall()
        for (name,) in names:
            postgres.drop_database(admin, name)


@pytest.fixture
def database(open_database: Callable[..., LiveDatabase]) -> LiveDatabase:
    return open_database()


def exists(server_url: str, name: str) -> bool:
    with postgres.connect(server_url) as admin:
        return postgres.database_exists(admin, name)


def test_a_database_without_a_marker_is_refused(server_url: str, database_url: str, role: str):
    name = database_url.rpartition("/")[2]
    foreign = LiveDatabase(server_url, name, role=role, password=PASSWORD, run=RUN)
    with pytest.raises(StackError, match="does not carry the marker"):
        foreign.revision()
    foreign.drop()
    assert exists(server_url, name)


def test_a_database_of_another_run_is_left_alone(open_database: Callable[..., LiveDatabase], server_url: str):
    mine, theirs = open_database("mine"), open_database("theirs", run="another")
    theirs.execute("CREATE TABLE t ()")
    as_mine = open_database("theirs", create=False)
    for touch in (
        as_mine.schema,
        as_mine.clone,
        lambda: mine.swap_with(as_mine),
        lambda: as_mine.swap_with(mine),
    ):
        with pytest.raises(StackError, match="does not carry the marker"):
            touch()
    as_mine.drop()
    assert theirs.query("SELECT 1") == [(1,)], "its sessions were not ended either"
    assert exists(server_url, mine.name)


def test_a_missing_database_is_an_error_and_no_drop(open_database: Callable[..., LiveDatabase]):
    missing = open_database("missing", create=False)
    with pytest.raises(DrillError, match="does not exist"):
        missing.revision()
    with pytest.raises(StackError, match="marker"):
        missing.clone()
    missing.drop()


def test_the_gateways_url_is_not_a_superusers(database: LiveDatabase):
    with postgres.connect(database.url) as connection:
        assert connection.execute("SELECT current_user, current_database()").fetchone() == (ROLE, database.name)
    assert sqlalchemy_url(database.url).startswith("postgresql+psycopg://unit_database_role:")


@pytest.mark.parametrize(
    ("sql", "revisions", "revision"),
    [
        ("", (), "base"),
        ("CREATE TABLE alembic_version (version_num text)", (), "base"),
        ("CREATE TABLE alembic_version AS SELECT '0001' AS version_num", ("0001",), "0001"),
        ("CREATE TABLE alembic_version AS SELECT unnest(ARRAY['b', 'a']) AS version_num", ("a", "b"), "a, b"),
        ("CREATE SCHEMA other CREATE TABLE alembic_version (version_num text)", (), "base"),
        (
            """CREATE SCHEMA "Odd schema" CREATE TABLE alembic_version (version_num text);
            INSERT INTO "Odd schema".alembic_version VALUES ('0001')""",
            ("0001",),
            "0001",
        ),
    ],
)
def test_revisions(database: LiveDatabase, sql: str, revisions: tuple[str, ...], revision: str):
    if sql:
        database.execute(sql)
    assert database.revisions() == revisions
    assert database.revision() == revision


def test_one_connection_serves_all_queries(database: LiveDatabase):
    pids = {database.query("SELECT pg_backend_pid()")[0][0] for _ in range(3)}
    assert len(pids) == 1
    with database.connect() as outer, database.connect() as inner:
        assert outer is not inner


def test_a_terminated_connection_is_replaced(database: LiveDatabase, server_url: str):
    (before,) = database.query("SELECT pg_backend_pid()")[0]
    with postgres.connect(server_url) as admin:
        postgres.terminate_all(admin, database.name)
    (after,) = database.query("SELECT pg_backend_pid()")[0]
    assert before != after


def test_a_connection_that_ends_in_the_middle_is_not_kept(database: LiveDatabase):
    with pytest.raises(StackError, match=f"the connection to the database {database.name} was lost"):
        database.query("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(1)")
    assert database.query("SELECT 1") == [(1,)]


def test_a_failed_statement_leaves_nothing_behind(database: LiveDatabase):
    with pytest.raises(postgres.connection.psycopg.Error, match="division"):
        database.execute("CREATE TABLE t (); SELECT 1/0")
    assert database.query("SELECT to_regclass('t')") == [(None,)]
    database.execute_each("CREATE TABLE t (a int); ; CREATE INDEX CONCURRENTLY i ON t (a);")
    assert database.query("SELECT to_regclass('i') IS NOT NULL") == [(True,)]


def test_volatile_columns_and_tables_are_left_out_of_the_rows(server_url: str, database: LiveDatabase, role: str):
    database.execute(
        "CREATE TABLE parcels (number int, seen int); INSERT INTO parcels VALUES (1, 1), (2, 1);"
        "CREATE TABLE queue (item int); INSERT INTO queue VALUES (1)"
    )
    volatile = ("public.parcels.seen", "public.queue")
    lasting = LiveDatabase(server_url, database.name, role=role, password=PASSWORD, run=RUN, volatile=volatile)
    try:
        before, everything = lasting.rows(), database.rows()
        changed = lasting.clone()
        changed.execute("UPDATE parcels SET seen = seen + 1; DELETE FROM queue")
        assert changed.missing(before).rows == {}
        changed.execute("DELETE FROM parcels WHERE number = 2")
        assert changed.missing(before).rows == {"public.parcels": 1}
        assert sorted(everything.counts) == ["public.parcels", "public.queue"]
        changed.drop()
    finally:
        lasting.disconnect()


def test_sql_of_the_target_runs_in_the_search_path_of_the_healthy_database(database: LiveDatabase):
    database.execute(f"CREATE SCHEMA app; ALTER DATABASE {database.name} SET search_path = app, public")
    database.learn_search_path()
    database.execute("CREATE TABLE parcels (number int)")
    database.execute(f"ALTER DATABASE {database.name} SET search_path = nowhere")  # as a migration may leave it
    database.disconnect()
    assert database.query("SELECT number FROM parcels") == []
    copy = database.clone()
    assert copy.query("SHOW search_path") == [("app, public",)]
    copy.drop()


def test_a_clone_is_equal_and_independent(database: LiveDatabase, server_url: str):
    database.execute("CREATE TABLE t AS SELECT generate_series(1, 3) AS a")
    copy = database.clone()
    assert copy.schema().digest == database.schema().digest
    assert not copy.missing(database.rows()).rows
    copy.execute("DELETE FROM t")
    assert database.query("SELECT count(*) FROM t") == [(3,)]
    copy.drop()
    assert not exists(server_url, copy.name)
    assert exists(server_url, database.name)


def test_a_database_with_open_sessions_can_be_cloned(database: LiveDatabase):
    with postgres.connect(database.url):
        copy = database.clone()
    assert copy.revision() == "base"
    copy.drop()


def test_a_fresh_database_takes_over_the_name_of_the_live_one(database: LiveDatabase):
    database.execute("CREATE TABLE damaged ()")
    fresh = database.create_empty()
    fresh.execute("CREATE TABLE restored ()")
    name, former = database.name, fresh.name
    with postgres.connect(database.url):  # the gateway is still connected
        damaged = fresh.swap_with(database)
    assert fresh.name == database.name == name
    assert database.query("SELECT to_regclass('restored') IS NOT NULL") == [(True,)]
    assert damaged.query("SELECT to_regclass('damaged') IS NOT NULL") == [(True,)]
    assert damaged.name not in (name, former)
    damaged.drop()
    assert fresh.url == database.url
    fresh.drop()


def test_a_new_database_belongs_to_the_role(database: LiveDatabase):
    fresh = database.create_empty()
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert fresh.query(owner) == [(ROLE,)]
    fresh.drop()


def test_dropping_twice_is_fine(database: LiveDatabase, server_url: str):
    with postgres.connect(database.url):
        database.drop()
    database.drop()
    assert not exists(server_url, database.name)

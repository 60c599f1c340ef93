"""Tables whose rows depend on more than their columns: circles, partitions, generated columns, domains."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.migration_histories import Project, walking

from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace.directory import Workspace

TABLES = {
    "a circle with a nullable side": (
        "CREATE TABLE run (id uuid PRIMARY KEY, state_id uuid);"
        "CREATE TABLE state (id uuid PRIMARY KEY, run_id uuid NOT NULL REFERENCES run (id));"
        "ALTER TABLE run ADD FOREIGN KEY (state_id) REFERENCES state (id)",
        ("run", "state"),
    ),
    "a circle of three": (
        "CREATE TABLE a (id int PRIMARY KEY, c_id int);"
        "CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a);"
        "CREATE TABLE c (id int PRIMARY KEY, b_id int NOT NULL REFERENCES b);"
        "ALTER TABLE a ADD FOREIGN KEY (c_id) REFERENCES c",
        ("a", "b", "c"),
    ),
    "partitions by list": (
        "CREATE TABLE li (id int, kind text NOT NULL, PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);"
        "CREATE TABLE li_1 PARTITION OF li FOR VALUES IN ('x1', 'x2')",
        ("li",),
    ),
    "partitions by range, of partitions by list": (
        "CREATE TABLE ev (id int NOT NULL, at date NOT NULL, kind int NOT NULL) PARTITION BY RANGE (at);"
        "CREATE TABLE ev_24 PARTITION OF ev FOR VALUES FROM ('2024-01-01') TO ('2024-02-01') PARTITION BY LIST (kind);"
        "CREATE TABLE ev_24_7 PARTITION OF ev_24 FOR VALUES IN (77, 78)",
        ("ev",),
    ),
    "a generated column that is not NULL": (
        "CREATE TABLE g (id int PRIMARY KEY, doc jsonb NOT NULL,"
        " k text GENERATED ALWAYS AS (doc -> 'order' ->> 'key') STORED NOT NULL)",
        ("g",),
    ),
    "a generated column that holds a UUID, once": (
        "CREATE TABLE m (id int PRIMARY KEY, doc jsonb NOT NULL,"
        " k text GENERATED ALWAYS AS (doc ->> 'id') STORED NOT NULL UNIQUE"
        " CHECK (k ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'))",
        ("m",),
    ),
    "a domain over citext": (
        "CREATE EXTENSION citext; CREATE DOMAIN email AS citext CHECK (VALUE ~ '^[^@ ]+@[^@ ]+$');"
        "CREATE TABLE u (id int PRIMARY KEY, e email NOT NULL UNIQUE)",
        ("u",),
    ),
}


@pytest.mark.parametrize(("sql", "names"), TABLES.values(), ids=TABLES)
def test_each_takes_rows(
    sql: str, names: tuple[str, ...], tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    drop = f"DROP TABLE {', '.join(names)} CASCADE; DROP DOMAIN IF EXISTS email; DROP EXTENSION IF EXISTS citext"
    project.add("one", [sql], [drop], comment="# rollback-drills: lossy: there was nothing before")
    with walking(project, postgres_server, workspace) as walk:
        proof = walk.prove("one")
        for name in names:
            found = walk.database.conn.execute(f"SELECT count(*) FROM {name}".encode()).fetchone()
            assert found is not None
            assert found[0] >= 2, name
    assert proof.codes == set(), proof.findings


def test_a_declaration_that_no_row_could_test_is_not_untrue(
    tmp_path: Path, postgres_server: PostgresServer, workspace: Workspace
):
    project = Project(tmp_path)
    never = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''never''; END'"
    trigger = "CREATE TRIGGER g BEFORE INSERT ON x FOR EACH ROW EXECUTE FUNCTION f()"
    project.add(
        "one",
        [never, "CREATE TABLE x (a integer)", trigger],
        ["DROP TABLE x", "DROP FUNCTION f()"],
        comment="# rollback-drills: lossy: there was nothing before",
    )
    with walking(project, postgres_server, workspace) as walk:
        assert walk.prove("one").codes == {"seed-refused"}

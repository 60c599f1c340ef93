"""The schema that is followed step by step is the one that is there; and what pg_dump tells apart, it tells apart."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollback_drills.postgres import Connection, connect, create_database, drop_database, with_database
from rollback_drills.postgres.schema.tracker import SchemaTracker
from rollback_drills.runtimes.embedded.postgres import PostgresServer

EXAMPLES = int(os.environ.get("ROLLBACK_DRILLS_EXAMPLES", "25"))  # `make soak` asks for 500

# Statements over a few names, so that they meet; one that cannot be executed changes nothing.
TABLES, COLUMNS, TYPES = (
    ("a", "b", '"C d"'),
    ("x", "y", '"z z"'),
    ("integer", "text", "varchar(9)", "e", "numeric(5,2)"),
)
STATEMENTS = (
    "CREATE TABLE {t} (id integer PRIMARY KEY, {c} {k})",
    "CREATE TABLE {t} (id serial, {c} {k} NOT NULL) PARTITION BY RANGE (id)",
    "CREATE TABLE {t} PARTITION OF {u} FOR VALUES FROM (1) TO (9)",
    "CREATE TABLE {t} () INHERITS ({u})",
    "DROP TABLE {t} CASCADE",
    "ALTER TABLE {t} RENAME TO {u}",
    "ALTER TABLE {t} ADD {c} {k}",
    "ALTER TABLE {t} ADD {c} integer GENERATED ALWAYS AS (id * 2) STORED",
    "ALTER TABLE {t} ADD {c} integer REFERENCES {u} ON DELETE CASCADE",
    "ALTER TABLE {t} DROP {c} CASCADE",
    "ALTER TABLE {t} RENAME {c} TO {d}",
    "ALTER TABLE {t} ALTER {c} TYPE {k} USING NULL",
    "ALTER TABLE {t} ALTER {c} SET NOT NULL",
    "ALTER TABLE {t} ALTER {c} DROP NOT NULL",
    "ALTER TABLE {t} ALTER {c} SET DEFAULT NULL",
    "ALTER TABLE {t} ALTER {c} SET STATISTICS 50",
    "ALTER TABLE {t} ALTER {c} SET STORAGE EXTERNAL",
    "ALTER TABLE {t} ADD CONSTRAINT k UNIQUE ({c}) DEFERRABLE",
    "ALTER TABLE {t} ADD CONSTRAINT l CHECK ({c} IS NOT NULL) NOT VALID",
    "ALTER TABLE {t} VALIDATE CONSTRAINT l",
    "ALTER TABLE {t} DROP CONSTRAINT k",
    "ALTER TABLE {t} SET (fillfactor = 70)",
    "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE {t} REPLICA IDENTITY FULL",
    "ALTER TABLE {t} OWNER TO pg_monitor",
    "CREATE POLICY p ON {t} FOR SELECT USING ({c} IS NULL)",
    "CREATE INDEX i ON {t} ({c}) WHERE {c} IS NOT NULL",
    "CREATE UNIQUE INDEX j ON {t} ({c} DESC)",
    "DROP INDEX i",
    "CLUSTER {t} USING j",
    "CREATE VIEW v AS SELECT {c} FROM {t}",
    "CREATE OR REPLACE VIEW v AS SELECT {c} FROM {u}",
    "CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM {t}",
    "DROP VIEW v CASCADE",
    "COMMENT ON TABLE {t} IS '{c}'",
    "COMMENT ON COLUMN {t}.{c} IS '{t}'",
    "GRANT SELECT ({c}) ON {t} TO PUBLIC",
    "GRANT INSERT ON {t} TO PUBLIC WITH GRANT OPTION",
    "REVOKE ALL ON {t} FROM PUBLIC",
    "ALTER TYPE e ADD VALUE IF NOT EXISTS 'v{n}'",
    "ALTER TYPE e RENAME VALUE 'one' TO 'v{n}'",
    "ALTER TYPE e RENAME TO e2",
    "CREATE DOMAIN dom AS text CHECK (VALUE <> '{n}')",
    "ALTER DOMAIN dom SET NOT NULL",
    "CREATE SEQUENCE s INCREMENT {n} OWNED BY {t}.id",
    "ALTER SEQUENCE s OWNED BY NONE",
    "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; -- {n}\n END'",
    "CREATE TRIGGER g AFTER INSERT ON {t} FOR EACH ROW EXECUTE FUNCTION f()",
    "ALTER TABLE {t} DISABLE TRIGGER g",
    "CREATE RULE r AS ON DELETE TO {t} DO INSTEAD NOTHING",
    "CREATE STATISTICS st ON id, {c} FROM {t}",
    "CREATE PUBLICATION pub FOR TABLE {t}",
    "DROP PUBLICATION pub",
    "CREATE SCHEMA other",
    "ALTER TABLE {t} SET SCHEMA other",
    "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
)
statements = st.builds(
    lambda text, t, u, c, d, k, n: text.format(t=t, u=u, c=c, d=d, k=k, n=n),
    st.sampled_from(STATEMENTS),
    st.sampled_from(TABLES),
    st.sampled_from(TABLES),
    st.sampled_from(COLUMNS),
    st.sampled_from(COLUMNS),
    st.sampled_from(TYPES),
    st.integers(1, 3),
)
START = (
    "CREATE TYPE e AS ENUM ('one', 'two')",
    "CREATE TABLE a (id integer PRIMARY KEY, x e, y text)",
    "CREATE VIEW v AS SELECT id, y FROM a",
    "CREATE TABLE b (id integer PRIMARY KEY, x integer REFERENCES a)",
)


def execute(conn: Connection, statement: str) -> tuple[bool, list[int]]:
    """Whether it could be executed, and the relations that it locked."""
    try:
        with conn.transaction():
            conn.execute(statement.encode())
            rows = conn.execute(
                b"SELECT DISTINCT relation::bigint FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'relation'"
                b" AND relation >= 16384"
            ).fetchall()
    except Exception:
        return False, []
    return True, [row[0] for row in rows]


def dump(server: PostgresServer, url: str) -> str:
    """What pg_dump writes, without what differs from one call to the next."""
    done = subprocess.run(
        [str(Path(server.bin_dir) / "pg_dump"), "-s", url], capture_output=True, text=True, check=True
    )
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(("--", "\\")))


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
@given(changes=st.lists(statements, min_size=2, max_size=12))
def test_it_tracks_changes_and_distinguishes_what_pg_dump_distinguishes(
    postgres_server: PostgresServer, changes: list[str]
) -> None:
    name = "followed"
    url = with_database(postgres_server.admin_url, name)
    with connect(postgres_server.admin_url) as admin:
        create_database(admin, name)
        try:
            with connect(url) as conn, connect(url) as watching:
                for statement in START:
                    execute(conn, statement)
                live = SchemaTracker(watching)
                for change in changes[:-1]:
                    executed, locked = execute(conn, change)
                    live.refresh(locked, grants=change.startswith(("GRANT", "REVOKE")))
                live.verify()
                before = dump(postgres_server, url)
                executed, locked = execute(conn, changes[-1])
                delta = live.refresh(locked, grants=changes[-1].startswith(("GRANT", "REVOKE"))).delta
                live.verify()
                if executed and dump(postgres_server, url) != before:
                    assert delta or delta.order, f"pg_dump sees a difference after {changes[-1]}"
        finally:
            drop_database(admin, name)

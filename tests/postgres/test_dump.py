"""What a dump can hold, which error decides, and how new rows are."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import pytest

from rollback_drills.postgres import Connection, SchemaFingerprint, newest_row
from rollback_drills.postgres.dump import last_error, restorable, written_by


@pytest.mark.parametrize("owner", ["gateway", '"Team A"', '"quo""ted"'])
def test_the_owner_of_an_extension_and_settings_of_roles_are_in_no_dump(owner: str):
    extension = "CREATE EXTENSION citext SCHEMA public VERSION '1.6'"
    table = f"CREATE TABLE public.extension (...) OWNER {owner}"
    objects = {"extension citext": f"{extension} OWNER {owner}", "table public.extension": table}
    objects["role setting gateway.work_mem"] = "64MB"
    schema = restorable(SchemaFingerprint(MappingProxyType(objects), MappingProxyType({})))
    assert schema.objects == {"extension citext": extension, "table public.extension": table}


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("", ""),
        ("all well\n\n", "all well"),
        ("psql:x.sql:3: ERROR:  no such role\nCONTEXT:  COPY t, line 1\n", "psql:x.sql:3: ERROR:  no such role"),
        (
            "pg_dump: error: query failed: ERROR:  denied\npg_dump: detail: Query was: COPY",
            "pg_dump: error: query failed: ERROR:  denied",
        ),
        ("ERROR:  first\nERROR:  second\nROLLBACK", "ERROR:  second"),
    ],
)
def test_the_last_error_is_quoted_whole(output: str, line: str):
    assert last_error(output) == line


def test_the_client_that_wrote_a_dump(tmp_path: Path):
    file = tmp_path / "dump.sql"
    file.write_text("--\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 18.6 (Debian)\n")
    assert written_by(file) == (18, "18.6")
    file.write_text("SELECT 1;")
    assert written_by(file) is None


def test_the_newest_row_is_not_in_the_future(conn: Connection):
    assert newest_row(conn) is None
    conn.execute(b"CREATE TABLE a (at timestamptz, due timestamp)")
    assert newest_row(conn) is None
    conn.execute(b"""INSERT INTO a VALUES ('2026-03-01 12:00:00+02', '2026-03-01 11:00:00'), ('infinity', '2999-01-01'),
        (NULL, '-infinity')""")
    assert newest_row(conn) == datetime(2026, 3, 1, 11, tzinfo=UTC)

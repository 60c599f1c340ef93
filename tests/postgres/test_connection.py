"""A connection goes where its URL says and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres import connect, libpq_url, quote_ident, quote_literal, redact, with_database


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u@h/d",
        "postgres+asyncpg://u@h/d",
        "mysql://u@h/d",
        "d",
        "host=h dbname=d",
        "postgresql://h/d",
        "postgresql://u@/d",
        "postgresql://u@h",
        "postgresql://u@h/d?service=x",
        "postgresql://u@h:port/d?nonsense=1",
    ],
)
def test_refused(url: str) -> None:
    with pytest.raises(DrillError):
        connect(url)


def test_unreachable_server_is_named_without_its_password() -> None:
    with pytest.raises(DrillError, match=r"u:\*\*\*@127\.0\.0\.1:1/d") as caught:
        connect("postgresql://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(caught.value)


def test_environment_has_no_influence(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "PGSERVICE": "missing",
        "PGHOSTADDR": "192.0.2.1",
        "PGOPTIONS": "-c TimeZone=Japan",
        "PGSSLMODE": "require",
        "PGTZ": "Asia/Tokyo",
        "PGCLIENTENCODING": "LATIN1",
        "PGAPPNAME": "x",
        "PGPASSFILE": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    with connect(database_url) as conn:
        assert conn.execute(b"SHOW TimeZone").fetchone() == ("UTC",)
        assert conn.execute(b"SHOW client_encoding").fetchone() == ("UTF8",)
        assert conn.execute(b"SHOW application_name").fetchone() == ("rollback-drills",)
        assert conn.prepare_threshold is None
    assert os.environ["PGSERVICE"] == "missing"


def test_settings_of_the_database_are_outranked(database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute(f"ALTER DATABASE {conn.info.dbname} SET bytea_output = escape".encode())
    with connect(database_url + "?options=-c%20work_mem%3D9MB") as conn:
        assert conn.execute(b"SHOW bytea_output").fetchone() == ("hex",)
        assert conn.execute(b"SHOW work_mem").fetchone() == ("9MB",)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql+psycopg://u:p@h:1/d?a=b", "postgresql://u:p@h:1/d?a=b"),
        ("postgres://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
    ],
)
def test_libpq_url(url: str, expected: str) -> None:
    assert libpq_url(url) == expected


def test_libpq_url_refuses_other_databases() -> None:
    with pytest.raises(DrillError, match="not a PostgreSQL URL"):
        libpq_url("mysql+pymysql://u@h/d")


def test_with_database() -> None:
    assert with_database("postgresql://u:p%40@h:1/a?sslmode=disable&dbname=b", 'o d/"?') == (
        "postgresql://u:p%40@h:1/o%20d%2F%22%3F?sslmode=disable"
    )


def test_quoting() -> None:
    assert quote_ident('a"b') == '"a""b"'
    assert quote_literal("it's") == "'it''s'"
    assert quote_literal("a\\b").strip() == "E'a\\\\b'"
    with pytest.raises(DrillError):
        quote_ident("")
    with pytest.raises(DrillError):
        quote_literal("\0")


def test_redact() -> None:
    assert redact("postgresql://u:p@h/d?password=x&a=b") == "postgresql://u:***@h/d?password=***&a=b"

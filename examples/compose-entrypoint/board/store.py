"""The board's tables. A connection for each request, with a limit for every wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

TIMEOUT = 2  # seconds for connecting, and for each statement
# The revision that this release was written for. The entry point brings the database there before anything is served.
HEAD = "2401"

_INCIDENT = """
    INSERT INTO incidents (source, key, severity, title) VALUES (%(source)s, %(key)s, %(severity)s, %(title)s)
    ON CONFLICT (source, key) DO UPDATE SET severity = excluded.severity, title = excluded.title
    RETURNING id
"""
_REPORT = """
    INSERT INTO reports (report_id, incident, body) VALUES (%(report_id)s, %(incident)s, %(body)s)
    ON CONFLICT (report_id) DO NOTHING
"""


@contextmanager
def connection() -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """One transaction, committed at its end.

    Raises:
        psycopg.Error: the database does not answer in time, or refuses.
    """
    options = f"-c statement_timeout={TIMEOUT}s"
    with psycopg.connect(
        os.environ["DATABASE_URL"], connect_timeout=TIMEOUT, options=options, row_factory=dict_row
    ) as connected:
        yield connected


def store(source: str, report_id: str, report: dict[str, Any]) -> bool:
    """Store a report and what it says of its incident. Returns False if it was there already."""
    with connection() as connected:
        incident = connected.execute(_INCIDENT, {"source": source, **report}).fetchone()
        assert incident is not None
        values = {"report_id": report_id, "incident": incident["id"], "body": Jsonb(report)}
        return connected.execute(_REPORT, values).rowcount == 1


def incidents() -> list[dict[str, Any]]:
    """The newest first, at most a hundred."""
    with connection() as connected:
        return connected.execute(
            "SELECT source, key, severity, title, opened_at FROM incidents ORDER BY opened_at DESC LIMIT 100"
        ).fetchall()


def revision() -> str:
    """What alembic has written down in the database."""
    with connection() as connected:
        return ", ".join(row["version_num"] for row in connected.execute("SELECT version_num FROM alembic_version"))

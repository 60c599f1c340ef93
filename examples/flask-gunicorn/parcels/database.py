"""The database: where it is (DB_HOST and so on), one connection per request, and a limit for every wait."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import extensions

TIMEOUT = float(os.environ.get("DB_TIMEOUT", "2"))  # seconds for connecting, and for each statement
Connection = extensions.connection


def settings() -> dict[str, str]:
    """Where the database is.

    Raises:
        SystemExit: a variable is missing.
    """
    names = {"host": "DB_HOST", "port": "DB_PORT", "dbname": "DB_NAME", "user": "DB_USER", "password": "DB_PASSWORD"}
    missing = [variable for variable in names.values() if variable not in os.environ]
    if missing:
        raise SystemExit(f"set {', '.join(missing)}: they say where the database is")
    return {name: os.environ[variable] for name, variable in names.items()}


def _wait(connection: Connection) -> None:
    """Instead of psycopg2's own wait, which lasts for ever when a server has stopped and its kernel still answers."""
    deadline = time.monotonic() + TIMEOUT
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, deadline - time.monotonic())
        reading, writing = ([connection], []) if state == extensions.POLL_READ else ([], [connection])
        if not any(select.select(reading, writing, [], left)):
            connection.close()
            raise psycopg2.OperationalError(f"the database did not answer within {TIMEOUT:g} s")


extensions.set_wait_callback(_wait)


@contextmanager
def transaction() -> Iterator[Any]:
    """A cursor; everything done with it is committed together, or not at all."""
    connection = psycopg2.connect(**settings(), application_name="parcels")
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()

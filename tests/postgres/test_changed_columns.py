"""Which columns differ between the same rows of two databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollback_drills.postgres import (
    Connection,
    all_columns,
    changed_columns,
    connect,
    create_database,
    drop_database,
    with_database,
    without,
)

TABLES = """CREATE TABLE users (id int PRIMARY KEY, name text, seen timestamptz, "odd %s" int);
CREATE TABLE logins (day date, number int, PRIMARY KEY (day, number));
CREATE TABLE keyless (a int);
INSERT INTO users VALUES (1, 'ada', NULL, 1), (2, 'ben', '2026-01-01', 2); INSERT INTO keyless VALUES (1), (2);
INSERT INTO logins VALUES ('2026-01-01', 1);"""


@pytest.fixture
def both(server_url: str) -> Iterator[tuple[Connection, Connection]]:
    with connect(server_url) as server:
        create_database(server, "columns_before")
        with connect(with_database(server_url, "columns_before")) as before:
            before.execute(TABLES.encode())
        create_database(server, "columns_now", template="columns_before")
        urls = [with_database(server_url, name) for name in ("columns_before", "columns_now")]
        with connect(urls[0]) as before, connect(urls[1]) as now:
            yield before, now
        for name in ("columns_before", "columns_now"):
            drop_database(server, name)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("INSERT INTO users VALUES (3, 'new', NULL, 3)", set()),
        ("UPDATE users SET seen = now() WHERE id = 1", {"public.users.seen"}),
        ('UPDATE users SET seen = NULL, "odd %s" = 0', {"public.users.seen", "public.users.odd %s"}),
        ("DELETE FROM users WHERE id = 1", {"public.users"}),
        ("UPDATE logins SET number = 2", {"public.logins"}),
        ("UPDATE keyless SET a = 3 WHERE a = 1", {"public.keyless"}),
    ],
)
def test_what_changed(both: tuple[Connection, Connection], change: str, expected: set[str]) -> None:
    before, now = both
    now.execute(change.encode())
    tables = {"public.users": all_columns(now)["public.users"], "public.logins": all_columns(now)["public.logins"]}
    if "keyless" in change:  # without a key, only the caller knows that rows differ
        tables = {"public.keyless": ("a",)}
    assert changed_columns(before, now, tables) == expected
    assert now.execute(b"SELECT FROM pg_class WHERE relpersistence = 't'").rowcount == 0


def test_left_out() -> None:
    tables = {"public.users": ("id", "seen"), "public.queue": ("a",)}
    assert without(tables, {"public.users.seen", "public.queue"}) == {"public.users": ("id",)}

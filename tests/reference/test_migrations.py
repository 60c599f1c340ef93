"""The reference gateway's migrations: at its start, and against locks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from support.reference_gateway import (
    HEADS,
    RunningGateway,
    alembic,
    environ,
    sql,
    start,
)


def test_migrating_on_start_and_two_replicas_at_once(trees: dict[str, Path], database_url: str) -> None:
    variables = {"MIGRATE_ON_START": "true"}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    rival = subprocess.Popen(command, cwd=trees["0.5.0"], env=environ(database_url), stderr=subprocess.DEVNULL)
    with RunningGateway(trees["0.5.0"], database_url, variables) as gateway:
        assert gateway.health() == (200, HEADS["0.5.0"])
        assert gateway.post("cloudwatch").status_code == 202
    assert rival.wait(30) == 0


def test_a_start_up_migration_that_fails_ends_the_process(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")

    def refused(release: str) -> tuple[int, str]:
        result = start(trees[release], url, MIGRATE_ON_START="1")
        assert "running on" not in result.stdout
        last = json.loads(result.stdout.splitlines()[-1])
        assert last["message"] == "migration failed, the gateway does not start"
        return result.returncode, last["reason"]

    code, reason = refused("0.4.0")  # it does not know the newer release's revision
    assert code == 3
    assert "Can't locate revision identified by '0012_delivery_volume_by_status'" in reason
    sql(url, "UPDATE alembic_version SET version_num = '0006_delivery_volume'")
    code, reason = refused("0.5.0")
    assert code == 3
    assert 'type "delivery_status" already exists' in reason
    assert sql(url, "SELECT version_num FROM alembic_version") == [("0006_delivery_volume",)]


def test_a_migration_gives_way_instead_of_queueing_and_can_be_repeated(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.4.0")
    patience = {"MIGRATION_LOCK_TIMEOUT": "0.1"}
    revision = "SELECT version_num FROM alembic_version"
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(*) FROM deliveries")
        result = alembic(trees["0.5.0"], url, "upgrade", "head", **patience)
        assert result.returncode == 1
        assert "lock timeout" in result.stderr
        assert sql(url, revision) == [(HEADS["0.4.0"],)]
    # A snapshot only blocks CREATE INDEX CONCURRENTLY, which leaves an invalid index behind.
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        assert alembic(trees["0.5.0"], url, "upgrade", "head", **patience).returncode == 1
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert sql(url, invalid) == [(1,)]
    assert sql(url, revision) == [("0009_channel_kind",)]
    assert alembic(trees["0.5.0"], url, "upgrade", "head").returncode == 0
    assert sql(url, invalid) == [(0,)]
    assert sql(url, revision) == [(HEADS["0.5.0"],)]

"""What the releases of the reference gateway answer, with and without their database."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest
from support.reference_gateway import (
    HEADS,
    NEW_INTEGRATIONS,
    RunningGateway,
    frozen,
    sql,
    unreachable,
)

from rollback_drills.core.polling import poll_until


@pytest.mark.parametrize("release", HEADS)
def test_a_release_serves_what_it_knows(release: str, trees: dict[str, Path], migrated: Callable[[str], str]) -> None:
    with RunningGateway(trees[release], migrated(release)) as gateway:
        assert gateway.http.get("/version").json() == {"version": release}
        health = gateway.http.get("/health")
        assert health.status_code == 200
        database = {"reachable": True, "revision": HEADS[release], "expected_revision": HEADS[release]}
        assert health.json() == {"status": "ok", "release": release, "database": database}
        assert gateway.http.get("/ready").json() == {"status": "ready", "database": {"reachable": True}}
        listed = gateway.http.get("/integrations").json()
        if release == "0.5.0":
            assert all(entry["enabled"] is True for entry in listed["integrations"])
            names = [entry["name"] for entry in listed["integrations"]]
        else:
            names = listed
        assert len(names) == (21 if release == "0.5.0" else 15)
        for name in names:
            assert gateway.post(name, f"id of {name}").status_code == 202
        for name in [*NEW_INTEGRATIONS, "gitea"]:
            assert gateway.post(name, f"more of {name}").status_code == (202 if name in names else 404)
        stored = gateway.http.get("/deliveries/id of jira").json()
        newer = {"status", "payload_sha256"} if release == "0.5.0" else set()
        assert set(stored) == {"delivery_id", "integration", "received_at"} | newer
        seconds = gateway.stop()
    assert seconds < 1


def test_the_label_does_not_decide_how_a_tree_behaves(
    tmp_path: Path, trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    tree = shutil.copytree(trees["0.5.0"], tmp_path / "mislabelled")
    label = tree / "gateway/_release.py"
    label.write_text(label.read_text().replace('RELEASE = "0.5.0"', 'RELEASE = "0.4.0"'))
    with RunningGateway(tree, migrated("0.5.0")) as gateway:
        assert gateway.http.get("/version").json() == {"version": "0.4.0"}
        assert len(gateway.http.get("/integrations").json()["integrations"]) == 21
        assert gateway.post("heroku").status_code == 202


def test_flags_work_without_the_database_and_errors_are_told_apart(trees: dict[str, Path]) -> None:
    flags = {
        "INTEGRATIONS_GITHUB_ACTIONS_ENABLED": "OFF",
        "INTEGRATIONS_JIRA_ENABLED": "Yes",
        "INTEGRATIONS_GITEA_ENABLED": "nonsense",
    }
    with RunningGateway(trees["0.5.0"], unreachable(), flags) as gateway:
        off = gateway.post("github_actions")
        assert (off.status_code, off.text) == (503, '{"detail":"integration disabled"}')
        assert gateway.http.post("/webhooks/github_actions", content=b"not JSON").text == off.text
        for name in ("jira", "github"):
            broken = gateway.post(name)
            assert (broken.status_code, broken.text) == (503, '{"detail":"database unavailable"}')
        health = gateway.http.get("/health")
        assert health.status_code == 503
        assert health.json()["database"] == {"reachable": False, "revision": None, "expected_revision": HEADS["0.5.0"]}
        assert gateway.http.get("/ready").status_code == 503
        assert gateway.http.get("/version").status_code == 200
        listed = gateway.http.get("/integrations").json()["integrations"]
        assert [entry["name"] for entry in listed if not entry["enabled"]] == ["github_actions"]
        webhooks = 'gateway_webhooks_total{integration="%s",outcome="%s"}'
        assert gateway.metric(webhooks % ("github_actions", "disabled")) == 2
        assert gateway.metric(webhooks % ("github_actions", "error")) == 0
        assert gateway.metric(webhooks % ("jira", "error")) == 1
        assert gateway.metric('gateway_integration_enabled{integration="github_actions"}') == 0
        warnings = [line for line in gateway.lines() if line["level"] == "warning"]
        assert [line["variable"] for line in warnings] == ["INTEGRATIONS_GITEA_ENABLED"]
        assert "s3cr3t" not in gateway.output()


def test_health_tells_the_truth_about_the_schema(trees: dict[str, Path], migrated: Callable[[str], str]) -> None:
    url = migrated("0.5.0")
    with RunningGateway(trees["0.5.0"], url) as gateway:
        assert gateway.health() == (200, HEADS["0.5.0"])
        sql(url, "DROP TABLE outbox")
        broken = gateway.post("github")
        assert (broken.status_code, broken.text) == (500, '{"detail":"internal error"}')
        assert sql(url, "SELECT count(*) FROM deliveries") == [(0,)]
        sql(url, "INSERT INTO alembic_version VALUES ('0001_deliveries')")
        assert gateway.health() == (503, f"0001_deliveries,{HEADS['0.5.0']}")
        sql(url, f"DELETE FROM alembic_version WHERE version_num = '{HEADS['0.5.0']}'")
        assert gateway.health() == (503, "0001_deliveries")
        sql(url, "DROP TABLE alembic_version")
        assert gateway.health() == (503, None)
        assert gateway.http.get("/ready").status_code == 200


def test_lost_connections_and_locks_do_not_reach_the_client_as_surprises(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.4.0")
    with RunningGateway(trees["0.4.0"], url, {"DATABASE_TIMEOUT": "0.5", "DATABASE_POOL_SIZE": "2"}) as gateway:
        assert gateway.post("github", "before").status_code == 202
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        for number in range(3):
            sql(url, f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE {others}")
            assert gateway.post("github", f"after {number}").status_code == 202
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE deliveries")
            before = time.monotonic()
            blocked = gateway.post("github", "blocked")
            assert time.monotonic() - before < 1.5
            assert (blocked.status_code, blocked.json()) == (503, {"detail": "database unavailable"})
        assert gateway.post("github", "blocked").status_code in (200, 202)


def test_a_frozen_database_neither_hangs_health_nor_the_stop(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")
    with RunningGateway(trees["0.5.0"], url) as gateway:
        assert gateway.health()[0] == 200
        with frozen(url):
            for _ in range(2):  # with an open connection, then without one
                before = time.monotonic()
                assert gateway.health() == (503, None)
                assert time.monotonic() - before < 2.2
            unavailable = gateway.post("github")
            assert (unavailable.status_code, unavailable.text) == (503, '{"detail":"database unavailable"}')
        poll_until(lambda: gateway.health()[0] == 200 or None, what="recovery", timeout=10)
        assert gateway.post("github").status_code in (200, 202)
        with frozen(url):
            with contextlib.suppress(httpx.TimeoutException):
                gateway.http.get("/health", timeout=0.2)  # leaves a request in progress
            assert gateway.stop() < 2

"""The reference gateway's downgrades leave no trace and lose no value."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from support.reference_gateway import (
    HEADS,
    SOURCE,
    RunningGateway,
    alembic,
    environ,
    sql,
)

from rollback_drills.runtimes.embedded.postgres import find_bin_dir

# One process in the release's tree: each argument is a command and a revision, or a file to dump to.
WALK = """
import subprocess, sys
from alembic import command
from alembic.config import Config
program, url, *steps = sys.argv[1:]
for step in steps:
    word, _, rest = step.partition(":")
    if word in ("schema", "data"):
        with open(rest, "wb") as out:
            subprocess.run([program, f"--{word}-only", url], stdout=out, check=True)
    else:
        getattr(command, word)(Config("alembic.ini"), rest)
"""


def walk(tree: Path, url: str, *steps: str) -> None:
    subprocess.run(
        [sys.executable, "-c", WALK, str(find_bin_dir(None) / "pg_dump"), url, *steps],
        cwd=tree,
        env=environ(url),
        check=True,
        capture_output=True,
        timeout=90,
    )


def content(path: Path) -> list[str]:
    """Return a dump's lines without the random word that newer versions begin and end them with."""
    return [line for line in path.read_text().splitlines() if not re.match(r"\\(un)?restrict", line)]


def test_every_revision_can_be_left_without_a_trace(trees: dict[str, Path], database_url: str, tmp_path: Path) -> None:
    revisions = sorted(path.stem for path in (trees["0.5.0"] / "migrations/versions").glob("*.py"))
    up = [step for name in revisions for step in (f"upgrade:{name}", f"schema:{tmp_path}/up-{name}")]
    down = [step for name in reversed(revisions) for step in (f"downgrade:{name}", f"schema:{tmp_path}/down-{name}")]
    again = ["downgrade:base", f"schema:{tmp_path}/base", "upgrade:head", f"schema:{tmp_path}/again"]
    walk(trees["0.5.0"], database_url, *up, *down, *again)
    assert len(revisions) == 12
    for name in revisions:
        assert content(tmp_path / f"down-{name}") == content(tmp_path / f"up-{name}"), name
    assert content(tmp_path / "again") == content(tmp_path / f"up-{revisions[-1]}")
    assert re.findall(r"^CREATE (.*)", "\n".join(content(tmp_path / "base")), re.MULTILINE) == [
        "TABLE public.alembic_version ("
    ]


def test_a_downgrade_gives_every_value_of_the_older_release_back(
    trees: dict[str, Path], migrated: Callable[[str], str], tmp_path: Path
) -> None:
    url = migrated("0.4.0")
    with psycopg.connect(url) as connection:
        connection.execute((SOURCE / "seed-0.4.0.sql").read_text("utf-8"))
    kinds = {kind for (kind,) in sql(url, "SELECT DISTINCT split_part(address, ':', 1) FROM channels")}
    steps = [f"data:{tmp_path}/before", "upgrade:head", f"data:{tmp_path}/between"]
    walk(trees["0.5.0"], url, *steps, f"downgrade:{HEADS['0.4.0']}", f"data:{tmp_path}/after")
    before = sorted(content(tmp_path / "before"))
    assert len(before) > 500
    assert sorted(content(tmp_path / "after")) == before  # the physical order of updated rows may differ
    assert sorted(content(tmp_path / "between")) != before
    assert kinds == {"slack", "pagerduty", "file", "mail"}


def test_deliveries_of_the_newer_release_survive_under_a_live_older_one(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")
    with RunningGateway(trees["0.5.0"], url) as newer:
        names = [entry["name"] for entry in newer.http.get("/integrations").json()["integrations"]]
        assert {newer.post(name, f"new {name}").status_code for name in names} == {202}
    # The application is rolled back first, so that its connections are older than the schema.
    with RunningGateway(trees["0.4.0"], url, {"DATABASE_POOL_SIZE": "1"}) as older:
        assert older.health() == (503, HEADS["0.5.0"])
        for number in range(8):  # psycopg would prepare a statement after five executions
            assert older.post("github", f"between {number}").status_code == 202
            assert older.http.get("/deliveries/between 0").status_code == 200
        result = alembic(trees["0.5.0"], url, "downgrade", HEADS["0.4.0"])
        assert result.returncode == 0, result.stderr
        assert older.health() == (200, HEADS["0.4.0"])
        assert older.post("github", "after").status_code == 202
        for name in names:
            found = older.http.get(f"/deliveries/new {name}").json()
            assert (found["delivery_id"], found["integration"]) == (f"new {name}", name)
        assert older.post("jira", "new jira").json()["status"] == "duplicate"
    assert sql(url, "SELECT count(*) FROM deliveries") == [(len(names) + 9,)]
    assert sql(url, "SELECT to_regtype('delivery_status')") == [(None,)]

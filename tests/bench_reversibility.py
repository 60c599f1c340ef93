"""Benchmark of the walk beside comparable tools: ``make bench-reversibility`` writes the page of its DOCUMENT.

It runs a synthetic history of mixed revisions at several lengths on one server, so only the ratios matter. The other
tools are installed in environments of their own, named by their interpreters; without an interpreter a tool is left
out, and so are lengths for which it takes longer than the limit. The time of downgrade_leaves_no_trace grows with the
square of the length: at the greatest length it runs last, with a limit of 40 times the walk's time.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support.migration_histories import Project, walking

from rollback_drills.core.meter import Meter
from rollback_drills.postgres import connect, create_database, drop_database, with_database
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Migrations

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "reference" / "reversibility-bench.md"
NO_TRACE = "pytest-alembic, downgrade_leaves_no_trace"
DEFAULTS = "pytest-alembic, its four default tests"
MRT = "pytest-mrt, up_down"
TIMES = 40  # the walk has to be so many times faster than downgrade_leaves_no_trace
SQUARE = 500  # from this length, it is measured only at the greatest length
SCHEMA, DATA = "this walk, schema and locks", "this walk, with generated rows"


def history(directory: Path, length: int) -> Project:
    """Tables, columns, indexes, ENUMs, views, constraints and data in turn; every tenth revision creates a table."""
    project = Project(directory)
    for number in range(length):
        table, kind = f"t{number // 10}", number % 10
        up, down = {
            0: (
                [f"CREATE TABLE {table} (id serial PRIMARY KEY, a text, b integer NOT NULL DEFAULT 0)"],
                [f"DROP TABLE {table}"],
            ),
            1: ([f"ALTER TABLE {table} ADD c varchar(40)"], [f"ALTER TABLE {table} DROP c"]),
            2: ([f"CREATE INDEX {table}_a ON {table} (a)"], [f"DROP INDEX {table}_a"]),
            3: (
                [f"CREATE TYPE e{table} AS ENUM ('x', 'y')", f"ALTER TABLE {table} ADD d e{table}"],
                [f"ALTER TABLE {table} DROP d", f"DROP TYPE e{table}"],
            ),
            4: (
                [f"ALTER TABLE {table} ADD CONSTRAINT {table}_b CHECK (b IS NOT NULL) NOT VALID"],
                [f"ALTER TABLE {table} DROP CONSTRAINT {table}_b"],
            ),
            5: ([f"CREATE VIEW v{table} AS SELECT id, a FROM {table}"], [f"DROP VIEW v{table}"]),
            6: ([f"ALTER TABLE {table} ADD e integer", f"UPDATE {table} SET e = b"], [f"ALTER TABLE {table} DROP e"]),
            7: (
                [f"ALTER TABLE {table} ALTER c TYPE varchar(80)"],
                [f"ALTER TABLE {table} ALTER c TYPE varchar(40) USING left(c, 40)"],
            ),
            8: ([f"COMMENT ON TABLE {table} IS 'eight'"], [f"COMMENT ON TABLE {table} IS NULL"]),
            9: (
                [f"CREATE TABLE r{table} (id serial PRIMARY KEY, t integer REFERENCES {table})"],
                [f"DROP TABLE r{table}"],
            ),
        }[kind]
        project.add(f"r{number:05}", up, down)
    return project


def walk(project: Project, server: PostgresServer, workspace: Workspace, *, data: bool) -> tuple[float, float]:
    """Seconds and megabytes of the walker."""
    declared = Migrations(lossy={"*": "only the time matters"})
    project.name_no_database()
    started = time.monotonic()
    with walking(project, server, workspace, migrations=declared, data=data) as opened:
        found = [each for proof in opened.prove_all() for each in proof.findings]
    seconds = time.monotonic() - started
    if found:
        raise SystemExit(f"the synthetic history has to be healthy: {found[:3]}")
    return seconds, opened.memory / 2**20


def run_tool(name: str, python: str, project: Project, server: PostgresServer, limit: float) -> float | None:
    """Seconds of a pytest run in another tool's environment; None where it takes longer than the limit."""
    directory = project.ini.parent
    database = f"tool_{time.monotonic_ns()}"
    url = with_database(server.admin_url, database).replace("postgresql://", "postgresql+psycopg://")
    project.ini.write_text(f"[alembic]\nscript_location = {directory}/migrations\nsqlalchemy.url = {url}\n")
    (directory / "conftest.py").write_text(CONFTESTS[name].format(ini=str(project.ini), url=url))
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_tool.py").write_text(TESTS[name])
    with connect(server.admin_url) as admin:
        create_database(admin, database)
        started = time.monotonic()
        try:
            done = subprocess.run(
                [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OPTIONS[name]],
                cwd=directory,
                timeout=limit,
                capture_output=True,
                text=True,
                env={"PATH": os.defpath, "HOME": str(directory)},
            )
        except subprocess.TimeoutExpired:
            return None
        finally:
            seconds = time.monotonic() - started
            drop_database(admin, database)
    if done.returncode not in (0, 1) or not re.search(r"\d (passed|failed)", done.stdout):
        raise SystemExit(f"{name} does not run: {done.stdout[-1500:]}{done.stderr[-500:]}")
    return seconds


_ALEMBIC = """
import pytest
from pytest_alembic.config import Config
from sqlalchemy import create_engine
@pytest.fixture
def alembic_config():
    return Config(config_options={{"file": "{ini}"}})
@pytest.fixture
def alembic_engine():
    return create_engine("{url}")
"""
CONFTESTS = {
    DEFAULTS: _ALEMBIC,
    NO_TRACE: _ALEMBIC,
    MRT: """
from pytest_mrt.config import MRTConfig
def pytest_configure(config):
    config._mrt_config = MRTConfig(alembic_ini="{ini}", db_url="{url}")
""",
}
_HEAD = "from pytest_alembic.tests import "
TESTS = {
    DEFAULTS: _HEAD
    + "test_single_head_revision, test_upgrade, test_model_definitions_match_ddl, test_up_down_consistency\n",
    NO_TRACE: "from pytest_alembic.tests.experimental import test_downgrade_leaves_no_trace\n",
    MRT: "def test_up_down(mrt):\n    mrt.assert_all_reversible()\n",
}
OPTIONS: dict[str, list[str]] = {DEFAULTS: [], NO_TRACE: [], MRT: []}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", default="12,100,500,1000")
    parser.add_argument(
        "--pytest-alembic", metavar="PYTHON", help="an interpreter with pytest-alembic and pytest < 9.2"
    )
    parser.add_argument("--pytest-mrt", metavar="PYTHON", help="an interpreter with pytest-mrt")
    parser.add_argument("--limit", type=float, default=1800.0, help="seconds for one tool at one length")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name}")
    arguments = parser.parse_args()
    lengths = [int(each) for each in arguments.lengths.split(",")]
    interpreters = {DEFAULTS: arguments.pytest_alembic, NO_TRACE: arguments.pytest_alembic, MRT: arguments.pytest_mrt}
    rows: dict[str, dict[int, str]] = {name: {} for name in (SCHEMA, DATA, *interpreters)}
    memory: dict[int, float] = {}
    workspace = Workspace(f"bench-{os.getpid()}", "main")
    server = PostgresServer(workspace, Meter())
    try:
        server.start()
        for length in lengths:
            with tempfile.TemporaryDirectory() as directory:
                project = history(Path(directory), length)
                own: dict[str, list[float]] = {SCHEMA: [], DATA: []}
                for name in (SCHEMA, DATA) * 2:  # alternating, since the load of a shared machine changes
                    seconds, memory[length] = walk(project, server, workspace, data=name == DATA)
                    own[name].append(seconds)
                    say(f"{length:>6} {name:<46} {seconds:8.1f} s {memory[length]:6.0f} MB")
                rows |= {name: {**rows[name], length: f"{sum(took) / 2:.1f}"} for name, took in own.items()}
                for name, python in sorted(interpreters.items(), key=lambda each: each[0] == NO_TRACE):
                    limit, last = arguments.limit, length == lengths[-1]
                    if name == NO_TRACE and last:
                        limit = max(limit, TIMES * sum(own[SCHEMA]) / 2)
                    too_slow = any(value.startswith(">") for value in rows[name].values())
                    if name == NO_TRACE and length >= SQUARE:
                        too_slow = not last
                    if python and not too_slow:
                        took = run_tool(name, python, project, server, limit)
                        rows[name][length] = f"{took:.1f}" if took is not None else f"> {limit:.0f}"
                        say(f"{length:>6} {name:<46} {rows[name][length]:>8} s")
    finally:
        server.stop()
        removal.close(workspace)
    text = "\n".join(table(rows, lengths, memory)) + "\n"
    print(text)
    if arguments.write:
        DOCUMENT.write_text(text)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def table(rows: dict[str, dict[int, str]], lengths: list[int], memory: dict[int, float]) -> list[str]:
    lines = ["# What the walk costs", "", "<!-- Generated by `make bench-reversibility`. -->", ""]
    lines += [
        "Seconds for all revisions of a synthetic history, by its length; one shared machine, one PostgreSQL with",
        "fsync off, so only the ratios matter. The walks are the mean of two. The other tools run in environments of",
        f"their own; at the greatest length, downgrade_leaves_no_trace has a limit of {TIMES} times the walk's time.",
        "",
    ]
    lines += ["| | " + " | ".join(f"N = {length}" for length in lengths) + " |"]
    lines += ["|---|" + "---:|" * len(lengths)]
    for name, values in rows.items():
        if values:
            lines.append(f"| {name} | " + " | ".join(values.get(length, "-") for length in lengths) + " |")
    lines.append(
        "| peak memory of the walker, MB | " + " | ".join(f"{memory[length]:.0f}" for length in lengths) + " |"
    )
    return lines


if __name__ == "__main__":
    main()

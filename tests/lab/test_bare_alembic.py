"""Migrations without a target file: the environment of a bare alembic.ini, and the target that stands for it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rollback_drills import postgres
from rollback_drills.core.errors import StackError, TargetError
from rollback_drills.lab.bare_alembic import BareAlembicEnvironment, alembic_target

BASELINE = "CREATE TABLE baseline (id int); INSERT INTO baseline VALUES (1)"
Make = Callable[..., BareAlembicEnvironment]


@pytest.fixture
def make(tmp_path: Path, server_url: str, bin_dir: Path) -> Make:
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = migrations\n")
    (tmp_path / "migrations").mkdir()

    def make(*interpreter: str, baseline: str = "") -> BareAlembicEnvironment:
        return BareAlembicEnvironment(
            tmp_path / "alembic.ini",
            interpreter=interpreter or (sys.executable,),
            admin_url=server_url,
            run="bare-run",
            workspace=tmp_path,
            bin_dir=bin_dir,
            baseline=baseline,
        )

    return make


def query(environment: BareAlembicEnvironment, database: str, sql: str) -> list[tuple[object, ...]]:
    with postgres.connect(environment.url(database)) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_the_baseline_is_applied_to_new_databases_only(make: Make):
    environment = make(baseline=BASELINE)
    made = environment.create()
    copy, bare = environment.create(made), environment.create(bare=True)
    try:
        assert query(environment, made, "SELECT id FROM baseline") == [(1,)]
        assert query(environment, copy, "SELECT id FROM baseline") == [(1,)]
        assert query(environment, bare, "SELECT to_regclass('baseline')") == [(None,)]
    finally:
        for name in (made, copy, bare):
            environment.drop(name)


def test_a_database_is_dumped_and_restored_with_its_rows(make: Make, tmp_path: Path):
    environment = make(baseline=BASELINE)
    full, empty = environment.create(), environment.create(bare=True)
    try:
        assert environment.dump(full, tmp_path / "dump.sql").ok
        assert environment.restore(empty, tmp_path / "dump.sql").ok
        assert query(environment, empty, "SELECT id FROM baseline") == [(1,)]
    finally:
        environment.drop(full)
        environment.drop(empty)


def test_a_walker_that_does_not_start_leaves_no_process_behind(make: Make, tmp_path: Path):
    pid = tmp_path / "pid"
    environment = make("sh", "-c", f'echo $$ > {pid}; echo "not alembic"; exec sleep 600', "walker")
    with pytest.raises(StackError):
        environment.walker("no_database")
    assert not Path(f"/proc/{int(pid.read_text())}").exists()


def test_a_target_for_a_bare_configuration_is_named_after_its_directory(tmp_path: Path):
    file = tmp_path / "alembic.ini"
    file.touch()
    target = alembic_target(file)
    assert (target.name, target.file) == (f"migrations of {tmp_path.name}", file)


def test_a_configuration_that_does_not_exist_is_an_error_of_the_option(tmp_path: Path):
    missing = tmp_path / "alembic.ini"
    with pytest.raises(TargetError, match=re.escape(f"there is no file {missing}")) as refused:
        alembic_target(missing)
    assert "--drill-alembic" in refused.value.fix

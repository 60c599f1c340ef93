"""Full or read-only disks: messages name the directory and the remedy, and nothing passes by mistake.

Real ones: a tmpfs of a few megabytes, which only root can mount.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.drill_project import Project

Mount = Callable[[Path, str], None]
PASSING = """
import pytest

@pytest.mark.drill("Passes", runbook="quick-flags")
def test_passes(stack, drill):
    with drill.step("Look"):
        drill.check("it serves", stack.client.healthy())
"""
BACKUP = """
import os
import pytest
from pathlib import Path

def fill(directory):
    with open(directory / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return directory / "filler"

@pytest.mark.drill("Backup", runbook="scenario-c")
def test_backup(stack, drill, lab):
    backup = Path(os.environ["TMPDIR"]) / "backup.sql"
    with drill.step("Back up"):
        stack.database.execute(
                "CREATE TABLE big AS SELECT repeat(md5(n::text), 20) FROM generate_series(1, 4000) n")
        filler = fill(backup.parent)
        try:
            result, manifest = stack.backups.take(stack.database, backup)
        finally:
            filler.unlink()
        drill.check("the backup command succeeds", result.exit_code, expected=0, finding="backup-unusable")

@pytest.mark.drill("Restore", runbook="scenario-c")
def test_restore(stack, drill):
    backup = Path(os.environ["TMPDIR"]) / "restored.sql"
    with drill.step("Back up"):
        stack.database.execute("CREATE TABLE big AS SELECT repeat(md5(n::text), 20) FROM generate_series(1, 9000) n")
        result, manifest = stack.backups.take(stack.database, backup)
        drill.check("the backup command succeeds", result.exit_code, expected=0, finding="backup-unusable")
    with drill.step("Restore while the disk is full"):
        fresh = stack.database.create_empty()
        filler = fill(backup.parent)
        try:
            result = stack.backups.restore_into(fresh, backup)
        finally:
            filler.unlink()
        rows = stack.database.query("SELECT count(*) FROM big")
        drill.check("the live database is untouched", rows, expected=[(9000,)])
        drill.check("the restore command succeeds", result.exit_code, expected=0, finding="restore-differs",
                    detail=result.output[-200:])

@pytest.mark.drill("Write", runbook="scenario-c")
def test_write(stack, drill):
    with drill.step("Fill the disk and write"):
        filler = fill(Path(os.environ["TMPDIR"]))
        try:
            stack.database.execute(
                "CREATE TABLE big AS SELECT repeat(md5(n::text), 20) FROM generate_series(1, 90000) n"
            )
        finally:
            filler.unlink()

@pytest.mark.drill("Afterwards", runbook="scenario-c")
def test_afterwards(stack, drill):
    with drill.step("Look"):
        drill.check("it serves", stack.client.healthy())
"""


@pytest.fixture
def mount() -> Iterator[Mount]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with ExitStack() as mounted:

        def mount(place: Path, options: str) -> None:
            place.mkdir(exist_ok=True)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, text=True
            )
            if done.returncode:
                pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
            mounted.callback(subprocess.run, ["umount", "--lazy", place], check=True)

        yield mount


def said_well(output: str) -> None:
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output


@pytest.mark.parametrize("options", ["size=64k", "ro"], ids=["full", "read-only"])
def test_reports_cannot_be_written(project: Project, mount: Mount, options: str) -> None:
    project.write(PASSING)
    mount(project.reports, options)
    running = project.start("-q")
    code = running.process.wait(300)
    said_well(running.output)
    assert code == pytest.ExitCode.INTERNAL_ERROR, running.output
    assert "the report could not be written" in running.output
    assert str(project.reports) in running.output
    assert "free some space on that file system" in running.output or "not read-only" in running.output
    project.assert_nothing_left()


def test_no_room_to_start(project: Project, mount: Mount) -> None:
    project.write(PASSING)
    mount(project.temporary, "size=8m,mode=711")
    running = project.start("-q")
    assert running.process.wait(300) == pytest.ExitCode.TESTS_FAILED, running.output
    said_well(running.output)
    (drill,) = project.drills().values()
    assert drill.verdict == "error"
    assert "No space left on device" in running.output
    assert "To fix this: check that" in running.output
    project.assert_nothing_left()


def test_full_during_backup_restore_and_writes(project: Project, mount: Mount) -> None:
    project.write(BACKUP)
    mount(project.temporary, "size=160m,mode=711")
    running = project.start()
    assert running.process.wait(300) == pytest.ExitCode.TESTS_FAILED, running.output
    said_well(running.output)
    drills = project.drills()
    # The fingerprint that a backup is compared with may fail first, before pg_dump's exit code is judged.
    assert drills["test_backup"].verdict in ("failed", "error")
    assert "backup-unusable" in drills["test_backup"].reason or "disk is full" in drills["test_backup"].reason
    # So may PostgreSQL's write-ahead log, which shuts it down: the live database cannot be queried then.
    assert drills["test_restore"].verdict in ("failed", "error")
    assert any(told in drills["test_restore"].reason for told in ("restore-differs", "disk is full", "was lost")), (
        drills["test_restore"].reason
    )
    assert drills["test_write"].verdict == "error"
    assert "disk is full" in drills["test_write"].reason or "was lost" in drills["test_write"].reason
    assert drills["test_afterwards"].verdict == "passed", running.output
    project.assert_nothing_left()

"""The chain of manifests, and the command that checks it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import evidence_builder as build

from rollback_drills.cli import main
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.filing import (
    file_report,
    write_report,
)
from rollback_drills.report.filing.manifest import read_manifest, verify, write_manifest
from rollback_drills.report.views.report import Reports

NAMES = ("20261120-030405-aaaa", "20261121-030405-bbbb", "20261122-030405-cccc")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Three runs, one after the other."""
    for number, name in enumerate(NAMES):
        change = {"run": name, "finished_at": f"2026-11-2{number}T03:04:49+00:00"}
        file_report(build.run(build.drill()).model_copy(update=change), tmp_path / name)
    return tmp_path


def tamper(file: Path) -> None:
    file.write_text(file.read_text().replace("20261120-030405-aaaa", "20261120-030405-aaab", 1))


def test_each_manifest_names_the_one_before(reports: Path) -> None:
    links = [read_manifest(reports / name).previous for name in NAMES]
    assert [link.run if link else None for link in links] == [None, *NAMES[:2]]
    found = verify(reports / "latest")
    assert (found.changes, found.notes) == ((), ("the chain of manifests is unbroken over 2 earlier runs",))


def test_what_is_no_run_is_no_part_of_the_chain(reports: Path) -> None:
    sample = build.run(build.drill()).model_copy(update={"run": "another", "finished_at": "2026-11-22T23:00:00+00:00"})
    write_report(Reports(sample), reports / "sample")
    (reports / "broken").mkdir()
    (reports / "broken" / "manifest.json").write_text("{")
    later = reports / "20261123-030405-dddd"
    change = {"run": later.name, "finished_at": "2026-11-23T03:04:49+00:00"}
    file_report(build.run(build.drill()).model_copy(update=change), later)
    link = read_manifest(later).previous
    assert link is not None
    assert link.run == NAMES[2]


def test_a_manifest_that_is_written_again_keeps_its_place(reports: Path) -> None:
    before = (reports / NAMES[1] / "manifest.json").read_bytes()
    write_manifest(NAMES[1], reports / NAMES[1], finished_at="2026-11-21T03:04:49+00:00")
    assert (reports / NAMES[1] / "manifest.json").read_bytes() == before


def finished(name: str, moment: str) -> RunEvidence:
    change = {"run": name, "finished_at": f"2026-11-{moment}+00:00"}
    return build.run(build.drill()).model_copy(update=change)


@pytest.mark.parametrize("moment", ["22T03:04:48", "22T03:04:49", "20T00:00:00"], ids=["before", "same", "set back"])
def test_runs_are_chained_in_the_order_of_filing(reports: Path, moment: str) -> None:
    """Also where the last one ended earlier than the one before it: it waited for its turn, or the clock was set."""
    late = reports / "20261119-000000-0000"
    file_report(finished(late.name, moment), late)
    link = read_manifest(late).previous
    assert (link.run if link else None) == NAMES[2]
    file_report(finished("20261118-000000-0000", "18T00:00:00"), reports / "20261118-000000-0000")
    found = verify(reports / "latest")
    assert (found.changes, found.notes) == ((), ("the chain of manifests is unbroken over 4 earlier runs",))


def test_a_chain_that_was_forked_goes_on_at_its_younger_end(reports: Path) -> None:
    fork = json.loads((reports / NAMES[2] / "manifest.json").read_text())
    fork |= {"run": "20261122-030405-ffff", "finished_at": "2026-11-22T03:04:50+00:00"}
    (reports / fork["run"]).mkdir()
    (reports / fork["run"] / "manifest.json").write_text(json.dumps(fork))
    file_report(finished("20261123-030405-dddd", "23T03:04:49"), reports / "20261123-030405-dddd")
    link = read_manifest(reports / "latest").previous
    assert (link.run if link else None) == fork["run"]


def test_a_manifest_that_was_lost_makes_no_circle(reports: Path) -> None:
    (reports / NAMES[0] / "manifest.json").unlink()
    write_manifest(NAMES[0], reports / NAMES[0], finished_at="2026-11-23T00:00:00+00:00")
    assert read_manifest(reports / NAMES[0]).previous is None


@pytest.mark.parametrize("place", [0, 1])
def test_a_manifest_that_was_changed_is_named(place: int, reports: Path) -> None:
    tamper(reports / NAMES[place] / "manifest.json")
    name, after = NAMES[place], NAMES[place + 1]
    assert verify(reports / NAMES[2]).changes == (
        f"the manifest of run {name} was changed after run {after} had been written",
    )


def test_a_run_that_was_removed_by_housekeeping_is_noted(reports: Path) -> None:
    shutil.rmtree(reports / NAMES[0])
    found = verify(reports / NAMES[2])
    assert found.changes == ()
    assert found.notes == (f"run {NAMES[0]}, the one before {NAMES[1]}, is gone: the chain of manifests ends there",)


def test_a_link_that_leads_elsewhere_is_not_followed(reports: Path) -> None:
    path = reports / NAMES[2] / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in ("../elsewhere", NAMES[2]):
        manifest["previous"]["run"] = name
        path.write_text(json.dumps(manifest))
        assert "as the run before it" in verify(reports / NAMES[2]).changes[0]


def test_the_command_says_what_it_found(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(reports / "latest")]) == 0
    assert "is unchanged, 3 files" in capsys.readouterr().out
    (reports / NAMES[2] / "incident.md").write_text("all is well")
    (reports / NAMES[2] / "evidence.json").unlink()
    (reports / NAMES[2] / "no\x1bte.txt").write_text("new")
    assert main(["verify", str(reports / NAMES[1]), str(reports / NAMES[2])]) == 1
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"{reports / NAMES[2]}: run {NAMES[2]} was changed since it was written",
        "  incident.md was changed",
        "  evidence.json was removed",
        "  no␛te.txt was added",
        "  note: the chain of manifests is unbroken over 2 earlier runs",
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        ("{", "Invalid JSON"),
        ("{}", "run: Field required"),
        ('"\xff"', "Input should"),
    ],
)
def test_what_cannot_be_checked_is_a_mistake_of_the_caller(
    content: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    assert main(["verify", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "name the directory of one run" in said
    assert "Traceback" not in said


def test_latest_is_followed_where_links_are_impossible(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (reports / "latest").unlink()
    (reports / "latest.txt").write_text(f"{NAMES[2]}\n")
    assert main(["verify", str(reports / "latest")]) == 0
    assert NAMES[2] in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [[sys.executable, "-m", "rollback_drills"], [Path(sys.executable).with_name("rollback-drills")]]
)
def test_it_is_a_command(command: list[str | Path], reports: Path) -> None:
    done = subprocess.run([*command, "verify", reports / NAMES[2]], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([*command, "verfy"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "verify" in done.stderr
    assert "Traceback" not in done.stderr

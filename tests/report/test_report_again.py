"""`rollback-drills report`: a run once more, several as one, and what it refuses; on a real game day's evidence."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest
from support import evidence_builder as build

from rollback_drills.cli import main
from rollback_drills.evidence.model import (
    DrillEvidence,
    Verdict,
)
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.filing import file_report
from rollback_drills.report.filing.manifest import verify
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.views.report import Reports, build_report

SAMPLE = Path(__file__).parents[2] / "reports" / "sample"


@pytest.fixture(autouse=True)
def no_job_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A copy of the sample under its run's own name, as an artifact of a CI is unpacked."""
    name = json.loads((SAMPLE / "evidence.json").read_bytes())["run"]
    return Path(shutil.copytree(SAMPLE, tmp_path / "downloaded" / name))


def read(directory: Path) -> RunEvidence:
    return RunEvidence.model_validate_json((directory / "evidence.json").read_bytes())


def shard(reports: Path, name: str, *drills: DrillEvidence, hour: int = 3, **changes: object) -> Path:
    """A run on the disk, with an artifact in its first drill."""
    directory = reports / name
    content = f"of {name}\n".encode()
    (directory / "artifacts").mkdir(parents=True)
    (directory / "artifacts" / "x.log").write_bytes(content)
    first, *others = drills
    artifact: dict[str, object] = {"title": "x", "path": "artifacts/x.log", "media_type": "text/plain"}
    artifact |= {"size": len(content), "sha256": "0"}
    command = build.command("tool", "…\n… 5 characters left out, see artifacts/x.log …\n…")
    step = build.step(1, "Look", 0, 1, commands=[command])
    first = DrillEvidence.model_validate(first.model_dump() | {"artifacts": [artifact], "steps": [step.model_dump()]})
    run = build.run(first, *others).model_copy(
        update={"run": name, "finished_at": f"2026-11-22T{hour:02d}:00:00+00:00", **changes}
    )
    file_report(run, directory)
    return directory


def drill(name: str, verdict: Verdict = "passed", hour: int = 3, **changes: object) -> DrillEvidence:
    moment = f"2026-11-22T{hour:02d}:00:00+00:00"
    return build.drill(f"t.py::{name}", verdict).model_copy(update={"started_at": moment, **changes})


def test_a_run_once_more_says_the_same_and_has_all_its_files(sample: Path, tmp_path: Path):
    before = {path: path.read_bytes() for path in sample.rglob("*") if path.is_file()}
    assert main(["report", str(sample), "--output", str(tmp_path / "again")]) == 0
    assert {path: path.read_bytes() for path in sample.rglob("*") if path.is_file()} == before
    again = read(tmp_path / "again")
    assert again.model_copy(update={"schema_version": ""}) == read(sample).model_copy(update={"schema_version": ""})
    names = {path.relative_to(sample) for path in before}
    assert {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()} == names
    assert verify(tmp_path / "again").changes == ()
    assert "differs from the recorded file" not in (tmp_path / "again" / "incident.html").read_text()
    assert (tmp_path / "latest").resolve() == tmp_path / "again"


def test_a_former_run_once_more_does_not_become_the_latest(tmp_path: Path):
    old, new = shard(tmp_path, "old", drill("a")), shard(tmp_path, "new", drill("a", hour=5), hour=5)
    assert main(["report", str(old), "--output", str(tmp_path / "again")]) == 0
    assert (tmp_path / "latest").resolve() == new
    lines = [json.loads(line)["run"] for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines == ["old", "new", "old"]  # the reader of the history counts the last of one name


def test_halves_of_a_real_run_are_the_whole_again(sample: Path, tmp_path: Path):
    whole = read(sample)
    halves = []
    for number in (0, 1):
        half = whole.model_copy(update={"run": f"half-{number}", "drills": whole.drills[number::2]})
        directory = tmp_path / f"shard-{number}" / half.run
        for each in half.drills:
            for artifact in each.artifacts:
                (directory / artifact.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(sample / artifact.path, directory / artifact.path)
        file_report(half, directory)
        halves.append(str(directory))
    assert main(["report", *halves, "--output", str(tmp_path / "reports" / "merged")]) == 0
    merged = read(tmp_path / "reports" / "merged")
    assert {each.id: each.verdict for each in merged.drills} == {each.id: each.verdict for each in whole.drills}
    assert (merged.run, merged.verdict, merged.workers) == ("merged", whole.verdict, 2 * whole.workers)
    assert [source.run for source in merged.merged] == ["half-0", "half-1"]
    artifacts = [artifact for each in merged.drills for artifact in each.artifacts]
    assert len(artifacts) == sum(len(each.artifacts) for each in whole.drills)
    assert all((tmp_path / "reports" / "merged" / each.path).stat().st_size == each.size for each in artifacts)
    assert verify(tmp_path / "reports" / "merged").changes == ()
    page = (tmp_path / "reports" / "merged" / "incident.html").read_text()
    assert "Merged from 2 runs: half-0 and half-1." in page
    assert "differs from the recorded file" not in page
    history = (tmp_path / "reports" / "history.jsonl").read_text()
    assert json.loads(history)["run"] == "merged"


def test_of_one_drill_the_latest_attempt_counts_and_the_others_are_told(tmp_path: Path):
    first = shard(tmp_path, "a", drill("x", "failed", 3, reason="it was slow"), drill("y", "passed", 3), hour=3)
    second = shard(tmp_path, "b", drill("x", "passed", 4), drill("y", "skipped", 4), hour=4)
    assert main(["report", str(second), str(first), "--output", str(tmp_path / "merged")]) == 0
    merged = read(tmp_path / "merged")
    drills = {each.id: each for each in merged.drills}
    assert (drills["t.py::x"].verdict, drills["t.py::y"].verdict) == ("passed", "passed")
    (attempt,) = drills["t.py::x"].attempts
    assert (attempt.run, attempt.verdict, attempt.reason) == ("a", "failed", "it was slow")
    assert drills["t.py::y"].attempts == ()
    notes = build_report(merged).headline.notes
    assert "1 drill passed only in a later attempt: a procedure that failed once may fail again." in notes
    assert "it was slow" in render_html(Reports(merged))
    assert [path.name for path in (tmp_path / "merged" / "artifacts").iterdir()] == ["b"]
    assert "see artifacts/b/x.log …" in drills["t.py::x"].steps[0].commands[0].output
    assert (tmp_path / "merged" / "artifacts" / "b" / "x.log").read_text() == "of b\n"


def test_a_merged_run_is_a_link_of_the_chain_beside_the_others(tmp_path: Path):
    directories = [shard(tmp_path, name, drill(name), hour=hour) for hour, name in ((3, "a"), (4, "b"))]
    main(["report", *map(str, directories), "--output", str(tmp_path / "merged")])
    assert verify(tmp_path / "merged").notes == ("the chain of manifests is unbroken over 2 earlier runs",)


@pytest.mark.parametrize(
    ("part", "change", "what"),
    [
        ("target", {"sha256": "b" * 64}, "different target files"),
        ("target", {"current": "0.6.0"}, "different releases"),
        ("runbook", {"sha256": "c" * 64}, "different runbooks"),
    ],
)
def test_runs_of_different_systems_are_merged_only_if_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, change: dict[str, str], what: str
):
    other = getattr(build.run(), part).model_copy(update=change)
    directories = [
        str(shard(tmp_path, "a", drill("x"))),
        str(shard(tmp_path, "b", drill("y"), hour=4, **{part: other})),
    ]
    arguments = ["report", *directories, "--output", str(tmp_path / "merged")]
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert what in said
    assert "--different-targets" in said
    assert not (tmp_path / "merged").exists()
    assert main([*arguments, "--different-targets"]) == 0
    assert getattr(read(tmp_path / "merged"), part) == other


def test_a_source_that_was_changed_is_told_by_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = shard(tmp_path, "a", drill("x"))
    (source / "artifacts" / "x.log").write_text("better")
    assert main(["report", str(source), "--output", str(tmp_path / "again")]) == 1
    assert "a: artifacts/x.log was changed" in capsys.readouterr().err
    assert (tmp_path / "again" / "incident.html").is_file()


def edited(source: Path) -> Path:
    """The run with another verdict of its drill, as nobody has drilled it."""
    evidence = source / "evidence.json"
    evidence.write_text(evidence.read_text().replace('"failed"', '"passed"'))
    return source


@pytest.mark.parametrize("form", ["--comment", "--prometheus", "--junitxml"])
def test_evidence_that_was_edited_is_not_published_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
):
    source = shard(tmp_path, "a", drill("x", "failed"))
    arguments = ["report", str(source), form, str(tmp_path / "published")]
    assert main(arguments) == 0
    edited(source)
    capsys.readouterr()
    assert main(arguments) == 1
    assert "a: evidence.json was changed" in capsys.readouterr().err
    assert (tmp_path / "published").is_file()


@pytest.mark.parametrize("output", [True, False], ids=["with a document", "in the terminal"])
def test_an_edited_run_is_no_comparison_in_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str], output: bool):
    before = shard(tmp_path, "before", drill("x", "failed"))
    now = shard(tmp_path, "now", drill("x"), hour=4)
    arguments = ["report", str(now), "--against", str(before)]
    assert main(arguments) == 0
    edited(before)
    capsys.readouterr()
    assert main([*arguments, *(["--output", str(tmp_path / "again")] if output else [])]) == 1
    assert "before: evidence.json was changed" in capsys.readouterr().err


def occupied(tmp_path: Path, source: Path) -> Path:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    return tmp_path / "there"


def linked(tmp_path: Path, source: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    return tmp_path / "link"


@pytest.mark.parametrize(
    ("output", "what"),
    [
        (occupied, "is there already"),
        (linked, "is there already"),
        (lambda tmp_path, source: source, "is there already"),
        (lambda tmp_path, source: tmp_path / "latest", "is there already"),
        (lambda tmp_path, source: source / "again", "lies within the run"),
    ],
    ids=["full directory", "link", "the run itself", "latest", "within the run"],
)
def test_nothing_is_ever_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: Callable[[Path, Path], Path], what: str
):
    source = shard(tmp_path, "a", drill("x"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert main(["report", str(source), "--output", str(output(tmp_path, source))]) == 2
    assert what in capsys.readouterr().err
    now = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: text for path, text in now.items() if path in before} == before
    assert verify(source).changes == ()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot be read"),
        ("{", "is not evidence that this version reads"),
        ('{"schema_version": "1.1"}', "is not evidence that this version reads"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, what: str):
    (tmp_path / "run").mkdir()
    if content is not None:
        (tmp_path / "run" / "evidence.json").write_text(content)
    assert main(["report", str(tmp_path / "run"), "--output", str(tmp_path / "again")]) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_evidence_of_another_major_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = shard(tmp_path, "a", drill("x"), schema_version="2.0")
    assert main(["report", str(source), "--output", str(tmp_path / "again")]) == 2
    assert "has the schema 2.0" in capsys.readouterr().err


def test_one_run_twice_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    source = str(shard(tmp_path, "a", drill("x")))
    assert main(["report", source, source, "--output", str(tmp_path / "merged")]) == 2
    assert "the run a is named twice" in capsys.readouterr().err


def test_junit_and_the_job_summary(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    arguments = ["report", str(sample), "--output", str(tmp_path / "again"), "--junitxml", str(tmp_path / "junit.xml")]
    assert main(arguments) == 0
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    drills = read(sample).drills
    assert (suite.get("tests"), suite.get("skipped")) == (
        str(len(drills)),
        str(sum(each.verdict == "skipped" for each in drills)),
    )
    case = next(each for each in suite if each.get("name") == "test_quick_application")
    assert case.get("classname") == "drills.test_quick_rollback"
    assert {each.get("name"): each.get("value") for each in case.iter("property")}["drill_verdict"] == "passed"
    assert (tmp_path / "summary.md").read_text().startswith("# ")


def test_junit_takes_whatever_a_reason_holds(tmp_path: Path):
    hostile = drill("x", "failed", reason="\x00\x1b[31m <b> ]]> \ud800 & \ufffe")
    source = shard(tmp_path, "a", hostile)
    assert main(["report", str(source), "--output", str(tmp_path / "b"), "--junitxml", str(tmp_path / "j.xml")]) == 0
    (case,) = ElementTree.parse(tmp_path / "j.xml").iter("failure")
    assert "<b> ]]>" in (case.text or "")

"""The files of a run: whole or not at all, listed, and found under ``latest``."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.model import Artifact
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.filing import file_report, refresh_latest, write_report
from rollback_drills.report.filing.history import History, PastRun
from rollback_drills.report.filing.manifest import verify, write_manifest
from rollback_drills.report.formats.job_summary import JOB_SUMMARY, append_job_summary
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views import report
from rollback_drills.report.views.limits import FULL, SUMMARY, Limits
from rollback_drills.report.views.report import Report, Reports, build_report


def test_files_and_manifest(tmp_path: Path) -> None:
    run = samples.game_day()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "gateway.log").write_text("log")
    written = write_report(Reports(run), tmp_path)
    assert [path.name for path in written] == ["evidence.json", "incident.html", "incident.md", "manifest.json"]
    assert RunEvidence.model_validate_json((tmp_path / "evidence.json").read_bytes()) == run
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [entry["path"] for entry in manifest["files"]] == [
        "evidence.json",
        "incident.html",
        "incident.md",
        "logs/gateway.log",
    ]
    for entry in manifest["files"]:
        content = (tmp_path / entry["path"]).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    page = (tmp_path / "incident.html").read_text()
    assert all(entry["sha256"] in page for entry in manifest["files"] if entry["path"] != "incident.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "evidence.json",
        "incident.html",
        "incident.md",
        "logs",
        "manifest.json",
    ]


def test_same_evidence_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(Reports(samples.game_day()), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    before = (tmp_path / "a" / "manifest.json").read_bytes()
    write_report(Reports(samples.game_day()), tmp_path / "a")  # once more over itself
    assert (tmp_path / "a" / "manifest.json").read_bytes() == before


def test_verification_names_what_was_changed(tmp_path: Path) -> None:
    write_report(Reports(samples.game_day()), tmp_path)
    assert verify(tmp_path).changes == ()
    (tmp_path / "incident.md").write_text("all is well")
    (tmp_path / "evidence.json").unlink()
    (tmp_path / "note.txt").write_text("new")
    assert verify(tmp_path).changes == ("incident.md was changed", "evidence.json was removed", "note.txt was added")
    write_manifest("run", tmp_path)
    assert verify(tmp_path).changes == ()
    with pytest.raises(DrillError, match="cannot be read"):
        verify(tmp_path / "nowhere")


def test_an_artifact_that_was_changed_is_marked(tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text("changed")
    artifact = Artifact(title="dump", path="dump.sql", media_type="text/plain", size=1, sha256="0" * 64)
    run = build.run(build.drill().model_copy(update={"artifacts": (artifact,)}))
    write_report(Reports(run), tmp_path)
    assert "differs from the recorded file" in (tmp_path / "incident.html").read_text()


def test_text_that_no_file_can_hold_is_spelt_out(tmp_path: Path) -> None:
    run = build.run(build.drill(title="lone \ud800", reason="nul \x00", facts={"k\udc80": ["\udfff", 1.5, None]}))
    write_report(Reports(run), tmp_path)
    read = RunEvidence.model_validate_json((tmp_path / "evidence.json").read_bytes())
    assert (read.drills[0].title, read.drills[0].reason) == ("lone <U+D800>", "nul \x00")
    assert read.drills[0].facts == {"k<U+DC80>": ["<U+DFFF>", 1.5, None]}


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EROFS, "not read-only"),
        (errno.EACCES, "make the directory writable"),
        (errno.EIO, "choose another report directory"),
    ],
)
def test_a_full_or_read_only_directory_is_an_error_that_helps(
    code: int, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evidence.json").write_text("the one before")

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DrillError) as raised:
        write_report(Reports(build.run(build.drill())), tmp_path)
    assert str(tmp_path / "evidence.json") in raised.value.what
    assert raised.value.cause == os.strerror(code)
    assert fix in raised.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["evidence.json"]
    assert (tmp_path / "evidence.json").read_text() == "the one before"


def test_a_file_where_the_directory_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DrillError, match="cannot be written"):
        write_report(Reports(build.run()), tmp_path / "file" / "run")


def test_latest_is_a_relative_link_that_moves_on(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        link = refresh_latest(tmp_path, tmp_path / name)
        assert (link, link.readlink()) == (tmp_path / "latest", Path(name))
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "latest"}


def test_latest_is_a_text_file_where_links_are_impossible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refuse)
        text = refresh_latest(tmp_path, tmp_path / "one")
    assert (text.name, text.read_text()) == ("latest.txt", "one\n")
    refresh_latest(tmp_path, tmp_path / "one")
    assert not text.exists()


def test_latest_leaves_a_real_directory_alone(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    assert refresh_latest(tmp_path, tmp_path / "one").name == "latest.txt"
    assert (tmp_path / "latest").is_dir()
    assert {path.name for path in tmp_path.iterdir()} == {"latest", "latest.txt"}


def test_a_report_is_built_once_for_each_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The document, Markdown, the job summary and the terminal share what was built."""
    built: list[Limits] = []

    def count(
        run: RunEvidence, history: History | None = None, limits: Limits = FULL, against: PastRun | None = None
    ) -> Report:
        built.append(limits)
        return build_report(run, history, limits, against)

    monkeypatch.setattr(report, "build_report", count)
    monkeypatch.setenv(JOB_SUMMARY, str(tmp_path / "summary.md"))
    reports = file_report(samples.good_day(), tmp_path / "reports" / "run")
    append_job_summary(reports)
    assert terminal_lines(reports, "r")
    assert sorted(built, key=lambda limits: limits.output) == [SUMMARY, FULL]

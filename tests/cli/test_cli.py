"""`init` overwrites nothing; `doctor` reports what it found, also by its exit code."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_drills.cli import main
from rollback_drills.cli.doctor import Diagnosis
from rollback_drills.cli.doctor_command import lines_of
from rollback_drills.runtimes.workspace.directory import root

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests" / "support" / "small"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The target file of the small gateway, with its releases."""
    for release in ("1.0", "2.0"):
        tree = tmp_path / "releases" / release
        tree.mkdir(parents=True)
        for name in ("gateway.py", "migrate.py"):
            (tree / name).write_text((SMALL / name).read_text())
    (tmp_path / "ROLLBACK.md").write_text("# Rollback\n")
    (tmp_path / "target.toml").write_text((SMALL / "target.toml").read_text())
    return tmp_path / "target.toml"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """For TMPDIR: PostgreSQL's account must be able to enter it, unlike the directories below pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


def test_init_writes_a_target_file_and_its_schema_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"wrote {tmp_path / 'target.toml'}" in said
    assert "current: the release that runs in production" in said
    first, schema = ((tmp_path / name).read_text() for name in ("target.toml", "target.schema.json"))
    assert first.startswith("#:schema ./target.schema.json")
    assert json.loads(schema)["title"] == "Target"
    assert main(["init", str(tmp_path)]) == 2
    assert "already exists" in capsys.readouterr().err
    assert (tmp_path / "target.toml").read_text() == first


def test_init_keeps_an_existing_schema(tmp_path: Path):
    (tmp_path / "target.schema.json").write_text("theirs")
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "target.schema.json").read_text() == "theirs"


def test_init_needs_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["init", str(tmp_path / "absent")]) == 2
    assert "is not a directory" in capsys.readouterr().err


@pytest.mark.slow
def test_doctor_exits_with_0_and_gives_the_same_reasons_for_skipped_drills_as_a_run(
    small: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["doctor", "--target", str(small), "--runtime", "auto"]) == 0
    text = capsys.readouterr().out
    assert "ok       2.0: version            2.0" in text
    assert f"`rollback-drills run --target={small} --runtime=embedded`" in text
    said = " ".join(text.split())
    assert "runtime embedded, chosen by auto: private processes of this machine, since" in said
    _, _, row = said.partition("drills will run; the others need:")
    assert "6: running the runbook's literal commands needs --drill-runtime=compose (test_letter_" in row
    assert "1: no time was given to random game days: --drill-budget=SECONDS (test_random_game_days)" in row
    listing = [sys.executable, "-m", "pytest", "drills", "-k", "prevention_error_rate", "-rs"]
    options = ["-p", "no:cacheprovider", f"--drill-target={small}", f"--drill-report-dir={small.parent / 'reports'}"]
    environment = {**os.environ, "COLUMNS": "500"}
    done = subprocess.run([*listing, *options], cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    (reason,) = re.findall(r"^SKIPPED \[1\] \S+: (.*)$", done.stdout, re.MULTILINE)
    assert "the target has no feature flags" in reason
    assert " ".join(reason.split()) in row


def test_doctor_exits_with_1_and_remedies_if_there_are_problems(small: Path, capsys: pytest.CaptureFixture[str]):
    small.write_text(small.read_text().replace('pointer = "/version"', 'pointer = "/release"'))
    assert main(["doctor", "--target", str(small), "--runtime", "embedded"]) == 1
    said = " ".join(capsys.readouterr().out.split())  # wrapped to the terminal's width
    assert "problem 2.0: version" in said
    assert "to fix: correct path or pointer under [version]" in said
    assert "2 problems: drills of this target" in said


def test_doctor_reports_a_missing_target_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--target", str(tmp_path / "absent.toml")]) == 1
    assert "cannot be read" in capsys.readouterr().out


def test_long_names_keep_to_their_column():
    name, path = (
        "an_integration_with_a_name_that_is_too_long-for-its_column",
        "/var/lib/" + "directory/" * 12 + "x" * 70,
    )
    lines = lines_of(Diagnosis(f"2.0: {name}", "problem", f"there is no {path}", f"correct {name}"), 80)
    assert all(len(line) <= 80 for line in lines)
    assert "".join(line[9:33].strip() for line in lines) == f"2.0:{name}"
    assert path in "".join(line[33:] for line in lines)
    assert lines[0].startswith("problem  2.0:")
    assert {line[:9].strip() for line in lines[1:]} == {""}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_doctor_leaves_nothing_behind_when_it_is_ended(small: Path, temporary: Path, number: signal.Signals):
    """During the first release's start: PostgreSQL runs, and the gateway never becomes ready."""
    gateway = small.parent / "releases" / "1.0" / "gateway.py"
    gateway.write_text("import signal\nsignal.pause()\n")
    command = [sys.executable, "-m", "rollback_drills", "doctor", "--target", str(small), "--runtime", "embedded"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as doctor:
        assert doctor.stdout is not None
        for line in doctor.stdout:
            if line.startswith("ok       backup"):
                break
        doctor.send_signal(number)
        assert doctor.wait(timeout=60) == (143 if number == signal.SIGTERM else 130)
    left = [path for path in (temporary / root().name).iterdir() if path.is_dir()]
    assert left == []


@pytest.mark.parametrize("arguments", [["init"], ["doctor", "--target", "absent.toml"]], ids=["init", "doctor"])
def test_output_that_nobody_reads_is_no_traceback(arguments: list[str], tmp_path: Path):
    """As in `rollback-drills … | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-m", "rollback_drills", *arguments]
    done = subprocess.run(argv, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")

"""What a worker has written survives its death, up to the line that it was writing."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rollback_drills.evidence.journal import Journal, read_journals
from rollback_drills.evidence.model import DrillEvidence, Step


def drill(name: str, verdict: str = "incomplete", started: str = "2026-11-22T10:00:00.000+00:00", **more: object):
    return DrillEvidence.model_validate(
        {
            "id": name,
            "title": name,
            "runbook": "scenario-a",
            "summary": "",
            "verdict": verdict,
            "started_at": started,
            "seconds": 0,
            "target_seconds": 0,
            **more,
        }
    )


def step(number: int) -> Step:
    return Step(number=number, title=f"step {number}", outcome="passed", at=number, seconds=0.5, target_seconds=0.25)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "main.jsonl"


@pytest.fixture
def complete(file: Path) -> Path:
    """A drill that passed, and one that was being performed."""
    journal = Journal(file)
    journal.drill_started(drill("a"))
    journal.step("a", step(1))
    journal.drill(drill("a", "passed", steps=(step(1),)))
    journal.drill_started(drill("b", started="2026-11-22T10:00:01.000+00:00"))
    journal.step("b", step(1))
    journal.step("b", step(2))
    journal.close()
    return file


def test_drills_come_back(complete: Path):
    passed, unfinished = read_journals([complete])
    assert (passed.id, passed.verdict, passed.steps) == ("a", "passed", (step(1),))
    assert (unfinished.id, unfinished.verdict) == ("b", "incomplete")
    assert unfinished.steps == (step(1), step(2))
    assert unfinished.seconds == 2.5


def test_every_cut_keeps_what_was_complete(complete: Path):
    content = complete.read_bytes()
    ends = [position for position, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(0, len(content), 7):
        complete.write_bytes(content[:cut])
        steps = {each.id: len(each.steps) for each in read_journals([complete])}
        lines = sum(end <= cut for end in ends)
        assert steps.get("a", -1) == (-1, 0, 1, 1, 1, 1, 1)[lines]
        assert steps.get("b", -1) == (-1, -1, -1, -1, 0, 1, 2)[lines]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\xff\xfe",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"{}",
        b'{"event":"step"}',
        b"[" * 5_000,
        b"",
        b'{"event":"step","drill":"b","payload":{"number":"x"}}',
        b'{"event":["step"],"drill":"b","payload":{}}',
        b'{"event":"unheard-of","drill":"b","payload":{}}',
        b'{"event":"drill","drill":"b","payload":3}',
    ],
)
def test_a_garbage_line_costs_nothing_but_itself(complete: Path, garbage: bytes):
    lines = complete.read_bytes().splitlines(keepends=True)
    before = read_journals([complete])
    complete.write_bytes(b"".join([*lines[:4], garbage + b"\n", *lines[4:]]))
    assert read_journals([complete]) == before


def test_several_workers_are_merged_in_the_order_of_beginning(tmp_path: Path):
    for number, worker in enumerate(["gw1", "gw0"]):
        journal = Journal(tmp_path / f"{worker}.jsonl")
        for second in (number, number + 2):
            journal.drill_started(drill(f"{worker}-{second}", started=f"2026-11-22T10:00:0{second}.000+00:00"))
            journal.step(f"{worker}-{second}", step(1))
        journal.close()
    drills = read_journals(sorted(tmp_path.glob("*.jsonl")))
    assert [each.id for each in drills] == ["gw1-0", "gw0-1", "gw1-2", "gw0-3"]
    assert all(len(each.steps) == 1 for each in drills)


def test_a_step_without_its_drill_is_left_out(file: Path):
    journal = Journal(file)
    journal.step("lost", step(1))
    journal.close()
    assert read_journals([file]) == []


def test_every_line_is_json_without_a_line_break_in_it(complete: Path):
    lines = complete.read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == [
        "drill-started",
        "step",
        "drill",
        "drill-started",
        "step",
        "step",
    ]


_KILLED = """
import os, signal, sys
from pathlib import Path
from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.evidence.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.drill_started(DrillEvidence(id="k", title="", runbook="scenario-a", summary="", verdict="incomplete",
    started_at="2026-11-22T10:00:00.000+00:00", seconds=0, target_seconds=0))
journal.step("k", Step(number=1, title="done", outcome="passed", at=0, seconds=1, target_seconds=0))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_an_incomplete_drill(file: Path):
    child = subprocess.run([sys.executable, "-c", _KILLED, str(file)], env=os.environ, check=False)
    assert child.returncode == -signal.SIGKILL
    (left,) = read_journals([file])
    assert (left.verdict, [each.title for each in left.steps]) == ("incomplete", ["done"])


def test_a_full_disk_ends_the_journal_and_not_the_drill(file: Path):
    """/dev/full: every write fails as on a full disk (full(4))."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to("/dev/full")
    problems: list[OSError] = []
    journal = Journal(file, problems.append)
    for _ in range(2):
        journal.step("k", step(1))
    journal.close()
    assert [problem.errno for problem in problems] == [errno.ENOSPC]


@pytest.mark.parametrize("ended_by", ["gw0", "gw1"])
def test_a_drill_that_was_performed_again_is_as_it_ended(tmp_path: Path, ended_by: str):
    """Whatever the order of the files: the other worker was killed."""
    for worker in ("gw0", "gw1"):
        journal = Journal(tmp_path / f"{worker}.jsonl")
        journal.drill_started(drill("a"))
        if worker == ended_by:
            journal.drill(drill("a", "passed", steps=(step(1),)))
        journal.close()
    (found,) = read_journals(sorted(tmp_path.iterdir()))
    assert (found.verdict, len(found.steps)) == ("passed", 1)

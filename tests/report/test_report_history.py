"""The history of runs: one line each, whatever was killed while it wrote; trends, and what counts as slower."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.model import (
    DrillEvidence,
    Verdict,
    Writes,
)
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.files import LOCK, one_at_a_time
from rollback_drills.report.filing.filing import file_report
from rollback_drills.report.filing.history import (
    HISTORY,
    History,
    append_history,
    past_of,
    read_history,
    trend,
)
from rollback_drills.report.filing.manifest import read_manifest, verify
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views.report import Reports, build_report


def run_of(name: str, *drills: DrillEvidence, **changes: object) -> RunEvidence:
    return build.run(*drills).model_copy(update={"run": name, **changes})


def timed(seconds: float | None, *, verdict: Verdict = "passed", lost: int = 0) -> DrillEvidence:
    return build.drill(
        verdict=verdict,
        recovery=build.recovery(seconds),
        traffic=build.traffic(down=0.5),
        writes=Writes(acknowledged=100, lost=tuple(map(str, range(lost)))),
        steps=[build.step(1, "a", 0.1, 0.5)],
    )


def past(*seconds: float | None) -> History:
    return History(tuple(past_of(run_of(f"run-{number}", timed(value))) for number, value in enumerate(seconds)))


def test_each_run_is_a_line_and_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / HISTORY
    for name in ("one", "two"):
        append_history(file, run_of(name, timed(1.5, lost=2)))
    assert len(file.read_text().splitlines()) == 2
    history = read_history(file)
    assert ([run.run for run in history.runs], history.unreadable) == (["one", "two"], 0)
    (drill,) = history.runs[0].drills.values()
    assert (drill.verdict, drill.recovery, drill.downtime, drill.lost) == ("passed", 1.5, 0.5, 2)
    append_history(file, run_of("one", timed(9.0)))  # written again: it counts once, as it is now
    assert [run.run for run in read_history(file).runs] == ["two", "one"]


def test_no_history_is_no_error(tmp_path: Path) -> None:
    assert read_history(tmp_path / HISTORY) == History()


@pytest.mark.parametrize("torn", [b'{"v":1,"run":"x', b"\xff\xfe", b"[]", b'{"run": 3}'])
def test_a_broken_last_line_is_told_and_ended(torn: bytes, tmp_path: Path) -> None:
    file = tmp_path / HISTORY
    append_history(file, run_of("one", timed(1.5)))
    with file.open("ab") as lines:
        lines.write(torn)
    append_history(file, run_of("two", timed(1.5)))
    history = read_history(file)
    assert ([run.run for run in history.runs], history.unreadable) == (["one", "two"], 1)
    note = "1 line of history.jsonl could not be read and was left out."
    assert build_report(run_of("three", timed(1.0)), history=history).history_note == note
    assert note in [text for text, _ in terminal_lines(Reports(run_of("three", timed(1.0)), history), "r")]
    assert note in render_html(Reports(run_of("three", timed(1.0)), history))


def _append(directory: Path, number: int) -> None:
    inside = directory / "inside"
    for turn in range(30):
        with one_at_a_time(directory):
            inside.touch(exist_ok=False)  # fails if another process is in there as well
            append_history(directory / HISTORY, run_of(f"run-{number}-{turn}", timed(1.0)))
            inside.unlink()


def test_runs_that_end_at_once_wait_for_each_other(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("fork").Process(target=_append, args=(tmp_path, n)) for n in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    history = read_history(tmp_path / HISTORY)
    assert (len(history.runs), history.unreadable) == (6 * 30, 0)


_HOLDER = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another run that is being filed, for ever."""
    argv = [sys.executable, "-c", _HOLDER, tmp_path / LOCK]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_run_that_was_killed_holds_nobody_up(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    file_report(run_of("one", timed(1.0)), tmp_path / "one", patience=30.0)
    assert [run.run for run in read_history(tmp_path / HISTORY).runs] == ["one"]


def test_a_run_that_was_stopped_costs_no_report(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.send_signal(signal.SIGSTOP)
    with pytest.raises(DrillError) as caught:
        file_report(run_of("one", timed(1.0)), tmp_path / "one", patience=0.1)
    assert f"the report is in {tmp_path / 'one'}, but not in history.jsonl" in str(caught.value)
    assert "kill -CONT" in caught.value.fix
    assert verify(tmp_path / "one").changes == ()
    assert not (tmp_path / HISTORY).exists()
    holder.kill()
    file_report(run_of("two", timed(1.0)), tmp_path / "two", patience=30.0)
    assert read_manifest(tmp_path / "two").previous is None, "a run that was not filed is no part of the chain"


@pytest.mark.parametrize(
    ("former", "now", "factor"),
    [
        ((3.0, 3.0, 3.0), 9.3, 3.1),
        ((3.0, 3.1, 2.9, 3.0, 3.0), 5.9, None),  # not twice as long
        ((0.3, 0.3, 0.3), 1.2, None),  # four times, and less than a second more
        ((3.0, 3.0), 30.0, None),  # two runs make no median
        ((3.0, 3.0, None), 30.0, None),  # one of them never recovered
        ((60.0, 60.0, 60.0, 3.0, 3.0, 3.0, 3.0, 3.0), 9.3, 3.1),  # the last five count
        ((3.0, 3.0, 3.0), None, None),
    ],
)
def test_what_counts_as_slower(former: tuple[float | None, ...], now: float | None, factor: float | None) -> None:
    run = run_of("now", timed(now))
    found = trend(run, run.drills, past(*former))
    assert found is not None
    assert found.factor == (pytest.approx(factor) if factor else None)


def test_only_runs_of_the_same_target_and_runtime_that_went_to_their_end_count() -> None:
    now = run_of("now", timed(9.0))
    good = [past_of(run_of(f"run-{number}", timed(3.0))) for number in range(2)]
    others = {
        "another target": {"target": "another"},
        "another runtime": {"runtime": "docker"},
        "cut short": {"complete": False},
        "failed": {
            "drills": {name: drill.model_copy(update={"verdict": "failed"}) for name, drill in good[0].drills.items()}
        },
    }
    for why, change in others.items():
        other = good[0].model_copy(update={"run": "other", **change})
        found = trend(now, now.drills, History((*good, other)))
        assert found is not None
        assert (found.median, found.factor) == (None, None), why
    same = good[0].model_copy(update={"run": "other"})
    found = trend(now, now.drills, History((*good, same)))
    assert found is not None
    assert found.factor == 3.0


def test_cases_are_compared_with_the_same_cases() -> None:
    def cases(*seconds: float) -> tuple[DrillEvidence, ...]:
        return tuple(
            build.drill(f"t.py::test_it[{number}]", recovery=build.recovery(value))
            for number, value in enumerate(seconds)
        )

    history = History(tuple(past_of(run_of(f"run-{number}", *cases(3.0, 20.0))) for number in range(3)))
    one = run_of("now", *cases(9.0))
    assert trend(one, one.drills, history).factor == 3.0
    two = run_of("now", *cases(9.0, 20.0))
    assert trend(two, two.drills, history).factor is None
    three = run_of("now", *cases(9.0, 20.0, 1.0))
    assert trend(three, three.drills, history) is None


def test_a_regression_is_said_where_people_look_and_fails_nothing() -> None:
    run, history = run_of("now", timed(9.3)), past(3.0, 3.0, 3.0)
    sentence = "recovery took 9.3 s, 3.1 times its median of 3 s over the last 3 good runs"
    assert (
        f"Slower than before: Quick rollback 1: application, {sentence}."
        in build_report(run, history=history).headline.notes
    )
    assert build_report(run, history=history).headline.verdict == "passed"
    page = render_html(Reports(run, history))
    assert sentence in page
    assert "<polyline" in page
    assert sentence in render_markdown(Reports(run, history)).replace("\\", "")
    lines = " ".join(line for line, _ in terminal_lines(Reports(run, history), "r"))
    assert f"Slower than before: Quick rollback 1: application, {sentence}." in lines


def test_a_run_is_filed_with_its_history(tmp_path: Path) -> None:
    for number in range(4):
        name = f"2026112{number}-030405-aaaa"
        changes = {"finished_at": f"2026-11-2{number}T03:04:49+00:00"}
        file_report(run_of(name, *samples.game_day().drills, **changes), tmp_path / name)
    assert len(read_history(tmp_path / HISTORY).runs) == 4
    page = (tmp_path / "latest" / "incident.html").read_text()
    assert "20261120-030405-aaaa" in page
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_dir()) == [".lock", HISTORY, "index.html"]

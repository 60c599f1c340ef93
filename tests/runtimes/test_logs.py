"""Logs stay short while they are being written, and keep their end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host import logs
from rollback_drills.runtimes.host.logs import LogKeeper, clear, read_tail, shorten

FLOOD = """
import sys
number = 0
while True:
    number += 1
    sys.stdout.write(f"{number:099d}\\n" * 100)
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(logs, "MOST", 10_000)
    monkeypatch.setattr(logs, "KEPT", 2_000)
    return tmp_path / "gateway.log"


def lines(first: int, last: int) -> bytes:
    return b"".join(b"%09d\n" % number for number in range(first, last))


def test_a_short_log_stays_as_it_is(log: Path):
    log.write_bytes(lines(0, 1000))
    shorten(log)
    assert log.stat().st_size == 10_000
    shorten(log.with_name("none"))


def test_a_long_log_keeps_its_end_and_grows_again(log: Path):
    with log.open("ab", buffering=0) as writer:
        writer.write(lines(0, 1001))
        shorten(log)
        assert sum(file.stat().st_size for file in log.parent.iterdir()) == 2_000
        assert read_tail(log, 50) == lines(997, 1001).decode(), "the first line may be incomplete, so it is dropped"
        writer.write(lines(1001, 1003))
    assert read_tail(log, 55) == lines(998, 1003).decode()
    clear(log)
    assert read_tail(log) == ""


def test_a_long_log_is_shortened_on_a_full_disk_too(log: Path):
    log.write_bytes(lines(0, 2000))
    log.with_name("gateway.log.older").symlink_to("/dev/full")
    shorten(log)
    assert log.stat().st_size == 0


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[LogKeeper]:
    keeper = LogKeeper(tmp_path)
    keeper.start()
    yield keeper
    keeper.close()


def test_a_log_stays_bounded_during_a_flood(tmp_path: Path, keeper: LogKeeper):
    log = tmp_path / "gateway.log"
    with log.open("ab") as sink, subprocess.Popen([sys.executable, "-c", FLOOD], stdout=sink) as child:
        flooded = poll_until(
            lambda: int(read_tail(log)[:99] or 0) * 10_000 > 20 * logs.MOST, what="the flood", timeout=60
        )
        most = max(log.stat().st_size for _ in range(1000))
        child.kill()
    assert flooded
    assert most < 10 * logs.MOST
    assert len(read_tail(log)) > 10_000

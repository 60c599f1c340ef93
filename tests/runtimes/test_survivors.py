"""What a gateway leaves running is seen before it is ended, and told with its number and its command line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host import survivors
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.host.process import Process, clean_environment, end_all

DAEMON = (sys.executable, "-c", "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)")
LISTENER = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(60)"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    started: list[Process] = []

    def start(*argv: str) -> Process:
        environment = clean_environment(tmp_path, {survivors.GATEWAY_VARIABLE: str(tmp_path)})
        started.append(Process(argv, cwd=tmp_path, env=environment, log=tmp_path / "log"))
        return started[-1]

    yield start
    end_all(survivors.marked(str(tmp_path)))
    for each in started:
        each.kill()


def test_a_child_in_a_session_of_its_own_is_told(start: object, tmp_path: Path):
    assert callable(start)
    port = free_port()
    leader = start(*DAEMON, sys.executable, "-c", LISTENER, str(port))
    poll_until(lambda: not leader.running, what="the end of the leader", timeout=20.0)
    poll_until(lambda: survivors.listening(survivors.marked(str(tmp_path)), port), what="the listener", timeout=20.0)
    (left,) = survivors.survivors(str(tmp_path))
    assert survivors.listening([left], port)
    assert not survivors.listening([left], free_port())
    told = survivors.described(left)
    assert told.startswith(f"pid {left.pid}, ")
    assert told.endswith(f"{port}")
    end_all([left])
    assert survivors.survivors(str(tmp_path)) == []
    assert survivors.described(left) == f"pid {left.pid}"


def test_a_child_that_ends_in_a_moment_is_not_told(start: object, tmp_path: Path):
    assert callable(start)
    leader = start(*DAEMON, sys.executable, "-c", "import time; time.sleep(0.3)")
    poll_until(lambda: not leader.running, what="the end of the leader", timeout=20.0)
    assert survivors.survivors(str(tmp_path)) == []


def test_what_others_have_started_is_nobodys_survivor(tmp_path: Path):
    assert survivors.marked(str(tmp_path)) == []
    assert psutil.Process().pid not in [each.pid for each in survivors.marked("")]

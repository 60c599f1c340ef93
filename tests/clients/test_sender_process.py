"""The sender's process: its environment, its secrets, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.answering_server import Server
from support.load import PATIENCE, after, at_least, with_load

from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.errors import StackError
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import WORKSPACE_VARIABLE
from rollback_drills.target.target import Target

SECRET = "Bearer hunter2-and-more"


def test_what_a_load_costs_is_known(sender: Sender, server: Server, reference_target: Target) -> None:
    load = begin(sender, reference_target, server.url)
    assert load.wait_for(at_least(25), timeout=PATIENCE)
    span = load.end()
    assert 0 < span.cpu < 0.3 * (span.ended - span.began)
    assert 0 < span.latest < 0.5
    assert load.end() is span


def test_a_sender_that_has_died_is_told_of_and_started_anew(
    sender: Sender, server: Server, reference_target: Target, conversations: list[PipedConversation]
) -> None:
    load = begin(sender, reference_target, server.url)
    assert load.wait_for(at_least(1), timeout=PATIENCE)
    os.kill(conversations[0].pid, signal.SIGKILL)
    assert load.wait_for(lambda requests: False, timeout=PATIENCE) is False
    with pytest.raises(StackError, match="client traffic has stopped"):
        load.end()
    assert after(begin(sender, reference_target, server.url), 1)
    assert len(conversations) == 2


def test_the_sender_carries_the_workspaces_mark_and_nothing_of_the_callers(
    sender: Sender, tmp_path: Path, conversations: list[PipedConversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    sender.open()
    process = psutil.Process(conversations[0].pid)
    # While the system replaces one program with the other, the process has no environment.
    environment = poll_until(lambda: process.environ() or None, what="the sender's environment", timeout=PATIENCE)
    assert environment[WORKSPACE_VARIABLE] == str(tmp_path)
    assert "HTTP_PROXY" not in environment


def test_no_secret_is_on_the_command_line_or_in_a_file(
    sender: Sender, server: Server, reference_target: Target, tmp_path: Path, conversations: list[PipedConversation]
) -> None:
    target = with_load(reference_target, headers={"Authorization": SECRET, "X-Bad": "a\nb"})
    load = begin(sender, target, server.url)
    assert load.wait_for(at_least(4), timeout=PATIENCE)
    process = psutil.Process(conversations[0].pid)
    assert SECRET not in " ".join(process.cmdline())
    assert SECRET not in str(process.environ())
    load.end()
    assert SECRET not in repr(load.requests)
    assert {each.error for each in load.requests if each.kind == "delivery"} == {"not a valid request"}
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]


def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Its input ends with the process at the other end, so nothing has to be cleaned up."""
    starter = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({list(ARGV)!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "print(child.pid, flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    poll_until(lambda: not child.is_running() or None, what="the end of the sender", timeout=PATIENCE)

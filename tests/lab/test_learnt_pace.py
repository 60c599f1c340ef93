"""What the releases can take of the drills' own traffic is learned from them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.answering_server import Server, good, serving

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import Sender
from rollback_drills.clients.traffic.pace import pace_of
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.meter import Meter
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.pace import learn, overtaxed
from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import clean_environment
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

WRITE = 0.3  # seconds; at the usual rate, ten times that much would be asked of one worker


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    environment, log = clean_environment(tmp_path), tmp_path / "traffic.log"
    sender = Sender(lambda: PipedConversation(ARGV, cwd=tmp_path, env=environment, log=log))
    yield sender
    sender.close()


@pytest.fixture
def stack(reference_target: Target, server: Server) -> Iterator[Any]:
    client = GatewayClient(reference_target, lambda: server.url, Meter())
    gateway = SimpleNamespace(release="0.5.0", base_url=server.url, deploy=lambda release: Outcome(True, 0.1))
    yield SimpleNamespace(target=reference_target, client=client, gateway=gateway)
    client.close()


def slow(server: Server, *, workers: int) -> None:
    """Let a delivery keep one of so many workers busy."""
    free = threading.Semaphore(workers)

    def reply(handler: BaseHTTPRequestHandler) -> None:
        with free:
            if handler.command == "POST":
                server.released.wait(WRITE)
            good(handler)

    server.reply = reply


def test_a_quick_release_takes_the_target_files_rate(stack: Any, sender: Sender, server: Server):
    traffic = stack.target.traffic.model_copy(update={"rate": 0.5})
    stack.target = stack.target.model_copy(update={"traffic": traffic})
    assert overtaxed(stack, sender) is None
    assert len(server.seen) == 8, "two requests to warm up, and three of each kind: nothing has to be played"


def test_one_worker_with_slow_writes_gets_less(stack: Any, sender: Sender, server: Server):
    slow(server, workers=1)
    cost = overtaxed(stack, sender)
    assert cost is not None
    assert WRITE <= cost.delivery < 3 * WRITE
    pace = pace_of(stack.target, cost)
    assert 1.0 <= pace.rate <= 1 / WRITE
    assert "release 0.5.0" in pace.reason


def test_slow_writes_do_no_harm_where_there_are_workers_enough(stack: Any, sender: Sender, server: Server):
    slow(server, workers=100)
    assert overtaxed(stack, sender) is None


def test_a_release_that_does_not_start_is_for_the_drills_to_tell(stack: Any, sender: Sender, server: Server):
    stack.gateway.deploy = lambda release: Outcome(False, 0.1, 1)
    assert learn(stack, "0.4.0", sender) is None
    assert server.seen == []


def test_a_rate_that_is_known_to_be_served_is_not_tried(reference_target: Target, workspace: Workspace, sender: Sender):
    """Nothing was started: not even the runtime on which the releases would be."""
    known = reference_target.traffic.model_copy(update={"learn": False})
    target = reference_target.model_copy(update={"traffic": known})
    lab = Lab(target, EmbeddedRuntime(target, workspace, Meter()), Meter(), "test", sender)
    lab.learn()
    assert lab.pace == pace_of(target)

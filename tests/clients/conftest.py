"""A real HTTP server that answers as a test says, and clients of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.answering_server import Server, serving

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic import Sender
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import clean_environment
from rollback_drills.target.target import Target


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def make(reference_target: Target, server: Server) -> Iterator[Callable[..., GatewayClient]]:
    with contextlib.ExitStack() as stack:

        def make(**changes: Any) -> GatewayClient:
            gateway = reference_target.gateway.model_copy(update={"request_timeout": changes.pop("timeout", 5.0)})
            target = reference_target.model_copy(update={"gateway": gateway, **changes})
            client = GatewayClient(target, lambda: server.url, Meter())
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def conversations() -> list[PipedConversation]:
    return []


@pytest.fixture
def sender(tmp_path: Path, conversations: list[PipedConversation]) -> Iterator[Sender]:
    def start() -> PipedConversation:
        environment, log = clean_environment(tmp_path), tmp_path / "traffic.log"
        conversations.append(PipedConversation(ARGV, cwd=tmp_path, env=environment, log=log))
        return conversations[-1]

    sender = Sender(start)
    yield sender
    sender.close()
    assert (tmp_path / "traffic.log").read_text() == ""

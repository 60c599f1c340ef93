"""The gateway of the embedded runtime: the contract, and what is of this runtime alone."""

from __future__ import annotations

import socket
import time

import pytest
from support.gateway_contract import Bench, GatewayContract, Make, StopSignal

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.embedded import gateway
from rollback_drills.runtimes.embedded.gateway import EmbeddedGateway
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.ports import is_free
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

# Goes into the background as daemons do, and serves nobody from there.
DAEMON = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pause()
"""


def port_of(bench: Bench) -> int:
    return int(bench.gateway.base_url.rpartition(":")[2])


class TestEmbedded(GatewayContract, StopSignal):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, target: Target, workspace: Workspace) -> Make:
        directory = workspace.directory("contract")
        trees = Trees(target, directory)
        return lambda bench: EmbeddedGateway(
            target, trees, directory, f"g{time.monotonic_ns()}", Meter(), lambda: bench.url
        )

    def test_a_missing_program_is_named(self, target: Target, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        table = target.gateway.model_copy(update={"start": ("no-such", "{port}")})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        with pytest.raises(StackError, match="no-such cannot be started"):
            bench.gateway.deploy("2")
        assert not bench.gateway.running

    def test_a_port_that_was_taken_since_it_was_chosen_is_given_up(self, bench: Bench):
        with socket.create_server(("127.0.0.1", port_of(bench))):
            assert bench.gateway.deploy("2").started
            assert bench.seen()["release"] == "2"

    def test_a_port_that_is_taken_before_the_gateway_has_it_is_given_up(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ):
        looked: list[int] = []

        def looks_free(port: int) -> bool:
            """As if somebody took the port after the two looks that come before the start."""
            looked.append(port)
            return len(looked) <= 2 or is_free(port)

        monkeypatch.setattr(gateway, "is_free", looks_free)
        with socket.create_server(("127.0.0.1", port_of(bench))) as other:
            assert bench.gateway.deploy("2").started
            assert port_of(bench) != other.getsockname()[1]
        assert bench.seen()["release"] == "2"

    def test_a_port_that_clients_know_is_not_given_up(self, bench: Bench):
        assert bench.gateway.deploy("2").started
        bench.gateway.stop()
        with socket.create_server(("127.0.0.1", port_of(bench))):
            for start in (bench.gateway.restart, bench.gateway.recreate):
                with pytest.raises(StackError, match=f"another program listens on port {port_of(bench)}"):
                    start()
        assert bench.gateway.restart().started

    def test_a_daemon_that_is_left_behind_is_told_apart(
        self, target: Target, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ):
        table = target.gateway.model_copy(update={"start": ("{python}", "-S", "-c", DAEMON, "{port}")})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        outcome = bench.gateway.deploy("2")
        assert (outcome.started, outcome.exit_code) == (False, 0)
        assert "a gateway has to stay in the foreground" in outcome.why
        with pytest.raises(StackError, match="what the gateway has left behind still listens"):
            bench.gateway.restart()
        assert isinstance(bench.gateway, EmbeddedGateway)
        process.end_all(process.of_workspace(bench.gateway._workspace))  # here it is below the one that is closed

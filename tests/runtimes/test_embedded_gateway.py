"""The gateway of the embedded runtime: the contract, and the cases of this runtime alone."""

from __future__ import annotations

import socket

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.embedded import gateway
from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.ports import is_free
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target
from rollback_drills.testing.gateway_contract import (
    GatewayContract,
    GatewayUnderTest,
    StopSignalContract,
    change_gateway_settings,
)

# Goes into the background as daemons do, and answers nothing there.
DAEMON = """
import os, signal, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.pause()
"""


class TestEmbedded(GatewayContract, StopSignalContract):
    make_runtime = EmbeddedRuntime

    def test_a_missing_program_is_named(
        self, target: Target, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        change_gateway_settings(target, monkeypatch, start=("no-such", "{port}"))
        with pytest.raises(StackError, match="no-such cannot be started"):
            tested.gateway.deploy("2")
        assert not tested.gateway.running

    def test_a_port_that_was_taken_since_it_was_chosen_is_exchanged(self, tested: GatewayUnderTest):
        with socket.create_server(("127.0.0.1", tested.port)):
            assert tested.gateway.deploy("2").started
            assert tested.ask()["release"] == "2"

    def test_a_port_that_is_taken_just_before_the_start_is_exchanged(
        self, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        checked: list[int] = []

        def looks_free(port: int) -> bool:
            """As if another program took the port after the two checks that precede the start."""
            checked.append(port)
            return len(checked) <= 2 or is_free(port)

        monkeypatch.setattr(gateway, "is_free", looks_free)
        with socket.create_server(("127.0.0.1", tested.port)) as other:
            assert tested.gateway.deploy("2").started
            assert tested.port != other.getsockname()[1]
        assert tested.ask()["release"] == "2"

    def test_a_port_that_clients_know_is_kept(self, tested: GatewayUnderTest):
        assert tested.gateway.deploy("2").started
        tested.gateway.stop()
        with socket.create_server(("127.0.0.1", tested.port)):
            for start in (tested.gateway.restart, tested.gateway.recreate):
                with pytest.raises(StackError, match=f"another program listens on port {tested.port}"):
                    start()
        assert tested.gateway.restart().started

    def test_a_daemon_that_is_left_behind_is_told_apart_from_another_program(
        self, target: Target, workspace: Workspace, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        change_gateway_settings(target, monkeypatch, start=("{python}", "-S", "-c", DAEMON, "{port}"))
        outcome = tested.gateway.deploy("2")
        assert (outcome.started, outcome.exit_code) == (False, 0)
        assert "a gateway has to stay in the foreground" in outcome.why
        with pytest.raises(StackError, match="a process that the gateway left behind still listens"):
            tested.gateway.restart()
        daemons = [each for each in process.of_workspace(workspace.path) if DAEMON in each.cmdline()]
        assert daemons
        process.end_all(daemons)

"""The gateway of the embedded runtime: the contract, and what is of this runtime alone."""

from __future__ import annotations

import time

import pytest
from gateway_contract import Bench, GatewayContract, Make, StopSignal

from rollback_drills.errors import StackError
from rollback_drills.meter import Meter
from rollback_drills.runtimes.embedded_gateway import EmbeddedGateway
from rollback_drills.runtimes.trees import Trees
from rollback_drills.runtimes.workspace import Workspace
from rollback_drills.target import Target


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

"""The gateway of the docker runtime: the contract, and what is of this runtime alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.contract_images import contract_images
from support.gateway_contract import Bench, GatewayContract, Make, StopSignal

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.docker.gateway import DockerGateway
from rollback_drills.runtimes.docker.runtime import DockerRuntime
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


class TestDocker(GatewayContract, StopSignal):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, engine: Engine, base_images: dict[str, str], target: Target, workspace: Workspace) -> Iterator[Make]:
        with contract_images(engine, base_images["BASE_IMAGE"], target, workspace):
            runtime = DockerRuntime(target, workspace, Meter())
            runtime.network.create()
            yield lambda bench: runtime.gateway("contract", lambda: bench.url)
            runtime.close()

    def test_a_missing_program_is_named(self, target: Target, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        table = target.gateway.model_copy(update={"container_command": ("no-such", "{port}")})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        with pytest.raises(StackError, match="release 2 cannot be started") as raised:
            bench.gateway.deploy("2")
        assert "no-such" in (raised.value.cause or "")
        assert not bench.gateway.running

    def test_asking_while_another_thread_removes_it(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        """As a drill does that waits for a deploy in another thread: the answer is late, and no error."""
        gateway = bench.gateway
        assert isinstance(gateway, DockerGateway)
        gateway.deploy("2")
        container = gateway._container
        assert container is not None
        wrapped = container.get_wrapped_container()
        reload = wrapped.reload

        def removed_meanwhile() -> None:
            reload()
            container.remove()

        monkeypatch.setattr(wrapped, "reload", removed_meanwhile)
        assert gateway.running
        assert not gateway.running
        assert gateway.logs() == ""
        assert container.exit_code() is None

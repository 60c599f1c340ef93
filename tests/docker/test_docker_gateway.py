"""The gateway of the docker runtime: the contract, and the cases of this runtime alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.contract_images import contract_on_images

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.docker.gateway import DockerGateway
from rollback_drills.runtimes.docker.runtime import DockerRuntime
from rollback_drills.target.target import Target
from rollback_drills.testing.gateway_contract import (
    GatewayContract,
    GatewayUnderTest,
    StopSignalContract,
    change_gateway_settings,
)


class TestDocker(GatewayContract, StopSignalContract):
    make_runtime = DockerRuntime

    @pytest.fixture(scope="class")
    @classmethod
    def target(
        cls, engine: Engine, base_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Target]:
        with contract_on_images(engine, base_images, tmp_path_factory.mktemp("contract")) as target:
            yield target

    def test_a_missing_program_is_named(
        self, target: Target, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        change_gateway_settings(target, monkeypatch, container_command=("no-such", "{port}"))
        with pytest.raises(StackError, match="release 2 cannot be started") as raised:
            tested.gateway.deploy("2")
        assert "no-such" in (raised.value.cause or "")
        assert not tested.gateway.running

    def test_its_state_can_be_asked_for_while_another_thread_removes_it(
        self, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        """As by a drill that waits for a deployment in another thread: a late answer is fine, an error is not."""
        gateway = tested.gateway
        assert isinstance(gateway, DockerGateway)
        gateway.deploy("2")
        container = gateway._container
        assert container is not None
        wrapped = container.get_wrapped_container()
        reload = wrapped.reload

        def reload_then_remove() -> None:
            reload()
            container.remove()

        monkeypatch.setattr(wrapped, "reload", reload_then_remove)
        assert gateway.running
        assert not gateway.running
        assert gateway.logs() == ""
        assert container.exit_code() is None

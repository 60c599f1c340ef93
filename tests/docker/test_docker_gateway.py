"""The gateway of the docker runtime: the contract, and what is of this runtime alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_contract import Bench, GatewayContract, Make

from rollback_drills.errors import StackError
from rollback_drills.meter import Meter
from rollback_drills.runtimes.docker import DockerRuntime
from rollback_drills.runtimes.engine import Engine
from rollback_drills.runtimes.workspace import Workspace
from rollback_drills.target import Target
from rollback_drills.target_tables import Releases

# A registry that refuses at once, so that a release which is not there does not depend on the network.
IMAGE = "127.0.0.1:1/gateway-contract"


class TestDocker(GatewayContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, engine: Engine, base_images: dict[str, str], target: Target, workspace: Workspace) -> Iterator[Make]:
        image = f"{IMAGE}-{workspace.path.name.lower()}"
        for release in ("1", "2"):
            context = target.here / "releases" / release
            (context / "Dockerfile").write_text(f"FROM {base_images['BASE_IMAGE']}\nWORKDIR /app\nCOPY app.py ./\n")
            engine.client.images.build(path=str(context), tag=f"{image}:{release}", rm=True)
        target.__dict__["releases"] = Releases(image=f"{image}:{{release}}")
        runtime = DockerRuntime(target, workspace, Meter())
        runtime.network.create()
        yield lambda bench: runtime.gateway("contract", lambda: bench.url)
        runtime.close()
        for release in ("1", "2"):
            engine.client.images.remove(f"{image}:{release}", force=True)

    def test_a_missing_program_is_named(self, target: Target, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        table = target.gateway.model_copy(update={"container_command": ("no-such", "{port}")})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        with pytest.raises(StackError, match="release 2 cannot be started") as raised:
            bench.gateway.deploy("2")
        assert "no-such" in (raised.value.cause or "")
        assert not bench.gateway.running

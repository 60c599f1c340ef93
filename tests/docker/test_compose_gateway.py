"""The gateway of the compose runtime: the contract, under a restart policy as production files have one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.contract_images import contract_images
from support.gateway_contract import Bench, GatewayContract, Make

from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.compose.gateway import ComposeGateway
from rollback_drills.runtimes.compose.runtime import ComposeRuntime
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Compose
from rollback_drills.target.target import Target

FILE = """
services:
  gateway:
    image: gateway-contract:${VERSION}
    restart: unless-stopped
    command: ["python3", "-S", "app.py", "0.0.0.0", "8000"]
    ports: ["8000:8000"]
    environment:
      - DATABASE_URL=${DATABASE_URL}
      - FIXED=yes
      - OVERRIDDEN=${OVERRIDDEN:-no}
      - FLAG
      - LATER
      - MIGRATE
      - MODE
      - CODE
      - STATUS
  db:
    image: POSTGRES
    environment: ["POSTGRES_PASSWORD=${POSTGRES_PASSWORD:?}"]
"""


class OnABenchsDatabase(ComposeGateway):
    """The file gives the database's address; the bench wants to change it between two creations."""

    bench: Bench

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        self._project.edit_environment({"DATABASE_URL": self.bench.url})
        return super().deploy(release, migrate=migrate)


class TestCompose(GatewayContract):
    @pytest.fixture(scope="class")
    @classmethod
    def make(cls, engine: Engine, base_images: dict[str, str], target: Target, workspace: Workspace) -> Iterator[Make]:
        (target.here / "compose.yaml").write_text(FILE.replace("POSTGRES\n", base_images["POSTGRES_IMAGE"] + "\n"))
        target.__dict__["compose"] = Compose()

        def gateway(bench: Bench) -> ComposeGateway:
            made = OnABenchsDatabase(target, runtime.engine, runtime.project_copy, runtime.image, Meter())
            made.bench = bench
            return made

        with contract_images(engine, base_images["BASE_IMAGE"], target, workspace):
            runtime = ComposeRuntime(target, workspace, Meter())
            yield gateway
            runtime.close()

    def test_a_flag_that_the_file_does_not_pass_on_stays_outside(self, bench: Bench):
        bench.gateway.configure({"FLAG": "it's on", "UNKNOWN": "yes"})
        bench.gateway.deploy("2")
        seen = bench.seen()["env"]
        assert seen["FLAG"] == "it's on"
        assert "UNKNOWN" not in seen

    def test_the_caller_s_variables_do_not_reach_compose(self, bench: Bench, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("VERSION", "1")
        monkeypatch.setenv("OVERRIDDEN", "by the caller")
        bench.gateway.deploy("2")
        assert (bench.seen()["release"], bench.seen()["env"]["OVERRIDDEN"]) == ("2", "no")

"""The gateway of the compose runtime: the contract, under a restart policy as production files have one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_contract import Bench, GatewayContract, Make

from rollback_drills.meter import Meter
from rollback_drills.runtimes.compose import ComposeRuntime
from rollback_drills.runtimes.compose_gateway import ComposeGateway
from rollback_drills.runtimes.engine import Engine
from rollback_drills.runtimes.workspace import Workspace
from rollback_drills.stack import Outcome
from rollback_drills.target import Target
from rollback_drills.target_tables import Compose, Releases

# A registry that refuses at once, so that a release which is not there does not depend on the network.
IMAGE = "127.0.0.1:1/gateway-contract"
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
        image = f"{IMAGE}-{workspace.path.name.lower()}"
        for release in ("1", "2"):
            context = target.here / "releases" / release
            (context / "Dockerfile").write_text(f"FROM {base_images['BASE_IMAGE']}\nWORKDIR /app\nCOPY app.py ./\n")
            engine.client.images.build(path=str(context), tag=f"{image}:{release}", rm=True)
        (target.here / "compose.yaml").write_text(FILE.replace("POSTGRES\n", base_images["POSTGRES_IMAGE"] + "\n"))
        target.__dict__["releases"] = Releases(image=f"{image}:{{release}}")
        target.__dict__["compose"] = Compose()
        runtime = ComposeRuntime(target, workspace, Meter())

        def gateway(bench: Bench) -> ComposeGateway:
            made = OnABenchsDatabase(target, runtime.engine, runtime.project_copy, runtime.image, Meter())
            made.bench = bench
            return made

        yield gateway
        runtime.close()
        for release in ("1", "2"):
            engine.client.images.remove(f"{image}:{release}", force=True)

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

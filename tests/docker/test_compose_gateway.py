"""The gateway of the compose runtime: the contract, under a restart policy as production files have one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.contract_images import contract_on_images

from rollback_drills.runtimes.compose.gateway import ComposeGateway
from rollback_drills.runtimes.compose.runtime import ComposeRuntime
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.protocols import Outcome, UrlSource
from rollback_drills.target.system_tables import Compose
from rollback_drills.target.target import Target
from rollback_drills.testing.gateway_contract import GatewayContract, GatewayUnderTest

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


class GatewayWithUrl(ComposeGateway):
    """Takes the database's address from the test, not from the compose file: the contract changes it."""

    database_url: UrlSource

    def deploy(self, release: str, *, migrate: bool = False) -> Outcome:
        self._project.edit_environment({"DATABASE_URL": self.database_url()})
        return super().deploy(release, migrate=migrate)


class RuntimeWithUrl(ComposeRuntime):
    def gateway(self, name: str, database_url: UrlSource) -> GatewayWithUrl:
        gateway = GatewayWithUrl(self.target, self.engine, self.project_copy, self.image, self.meter)
        gateway.database_url = database_url
        return gateway


class TestCompose(GatewayContract):
    make_runtime = RuntimeWithUrl

    @pytest.fixture(scope="class")
    @classmethod
    def target(
        cls, engine: Engine, base_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Target]:
        root = tmp_path_factory.mktemp("contract")
        (root / "compose.yaml").write_text(FILE.replace("POSTGRES\n", base_images["POSTGRES_IMAGE"] + "\n"))
        with contract_on_images(engine, base_images, root) as target:
            target.__dict__["compose"] = Compose()
            yield target

    def test_a_flag_that_the_file_does_not_pass_on_does_not_reach_the_gateway(self, tested: GatewayUnderTest):
        tested.gateway.configure({"FLAG": "it's on", "UNKNOWN": "yes"})
        tested.gateway.deploy("2")
        environment = tested.ask()["env"]
        assert environment["FLAG"] == "it's on"
        assert "UNKNOWN" not in environment

    def test_the_callers_variables_do_not_reach_compose(
        self, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("VERSION", "1")
        monkeypatch.setenv("OVERRIDDEN", "by the caller")
        tested.gateway.deploy("2")
        assert (tested.ask()["release"], tested.ask()["env"]["OVERRIDDEN"]) == ("2", "no")

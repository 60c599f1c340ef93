"""The compose runtime with a file that leaves the database's name and role to PostgreSQL's image."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from support.seen_arguments import seen_arguments

from rollback_drills.core.meter import Meter
from rollback_drills.lab.lab import Lab
from rollback_drills.postgres.dump import DUMP
from rollback_drills.runtimes.compose.runtime import ComposeRuntime
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.protocols import ReleaseCommand, ToolCommand
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import Compose
from rollback_drills.target.target import Target

PASSWORD = "p@ss:w/rd#1?&%41"
FILE = """
services:
  gateway:
    image: gateway:${VERSION}
    environment:
      DATABASE_URL: postgresql://postgres:p%40ss%3Aw%2Frd%231%3F%26%2541@db:5432/postgres
  db:
    image: POSTGRES
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}
"""


@pytest.fixture(scope="module")
def lab(
    engine: Engine, base_images: dict[str, str], reference: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    directory: Path = tmp_path_factory.mktemp("project")
    (directory / "compose.yaml").write_text(FILE.replace("POSTGRES\n", base_images["POSTGRES_IMAGE"] + "\n"))
    settings = Compose(directory=str(directory), password_variable=None, env={"POSTGRES_PASSWORD": PASSWORD})
    target = reference.model_copy(update={"compose": settings})
    target._file = reference.file
    workspace = Workspace(directory.parent.name + "-compose", "test")
    runtime = ComposeRuntime(target, workspace, Meter())
    try:
        lab = Lab(target, runtime, Meter(), "test")
        lab.start()
        yield lab
        lab.disconnect()
    finally:
        runtime.close()
        removal.close(workspace)


def test_a_database_called_postgres_and_a_password_of_any_characters(lab: Lab, tmp_path: Path):
    assert lab.role == ("postgres", PASSWORD)
    stack = lab.stack()
    assert stack.database.name == "postgres"
    stack.must_start(stack.gateway.deploy(lab.target.current))
    assert stack.client.healthy()
    delivered = stack.client.deliver(lab.target.integrations_of(lab.target.current)[0])
    assert stack.stored([delivered.id]) == {delivered.id}
    result, _ = stack.backups.take(stack.database, tmp_path / "backup.sql")
    assert result.ok
    assert PASSWORD not in result.output
    lab.discard(stack)


def test_the_address_of_a_database_is_in_no_arguments(lab: Lab):
    """Neither for a client tool's container nor for `docker compose run`, which gets names without values."""
    stack = lab.stack()
    show = "import os, sys; print(sys.argv[1], os.environ['PGPASSWORD'], os.environ['DATABASE_URL'])"
    with seen_arguments() as seen:
        command = ReleaseCommand(lab.target.current, ["python3", "-c", show, "{database_url}"])
        argument, password, whole = stack.commands.run(command, timeout=60).stdout.split()
        tool = ToolCommand(DUMP, stack.database.name, stack.database.admin_url, Path("/tmp/rollback-drills-dump.sql"))
        assert stack.commands.run_tool(tool, timeout=60).ok
    assert password == PASSWORD
    assert whole == argument.replace("@", f":{quote(PASSWORD, safe='')}@")
    lines = "\n".join(seen)
    assert re.search(r"docker compose run .* -e DATABASE_URL --entrypoint", lines)
    assert "pg_dump --dbname=postgresql://postgres@" in lines
    assert not [secret for secret in (PASSWORD, quote(PASSWORD, safe="")) if secret in lines]
    lab.discard(stack)


def test_a_command_is_killed_at_its_time_limit_and_its_container_is_gone(lab: Lab, engine: Engine):
    runtime = lab.runtime
    assert isinstance(runtime, ComposeRuntime)
    stack = lab.stack()
    command = ReleaseCommand(lab.target.current, ["python3", "-c", "import signal; signal.pause()"])
    result = stack.commands.run(command, timeout=3)
    assert result.exit_code is None
    labels = [f"com.docker.compose.project={runtime.project_copy.name}", "com.docker.compose.oneoff=True"]
    assert engine.client.api.containers(all=True, filters={"label": labels}) == []
    lab.discard(stack)

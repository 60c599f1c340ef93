"""DOCKER_HOST: an engine on another host, over TCP and over SSH."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Iterator

import docker
import pytest
from support.docker_project import Project
from support.needs_engine import is_missing
from support.second_engine import HERE, THERE, SecondEngine, obstacle, running

from rollback_drills.runtimes.docker.engine import WORKSPACE_LABEL, Engine


@pytest.fixture(scope="module")
def second(engine: Engine, base_images: dict[str, str]) -> Iterator[SecondEngine]:
    if reason := obstacle():
        is_missing(reason)
    with running(list(base_images.values())) as second:
        yield second


@pytest.fixture(scope="module")
def client(second: SecondEngine) -> Iterator[docker.DockerClient]:
    client = docker.DockerClient(base_url=second.tcp, timeout=60)
    yield client
    client.close()


WATCHING = """
import json, os
from pathlib import Path
import pytest

@pytest.mark.drill("Addresses", runbook="quick-flags")
def test_addresses(stack, drill, lab, tmp_path):
    client = lab.runtime.engine.client
    label = f"{WORKSPACE_LABEL}={lab.runtime.workspace.path}"
    with drill.step("Look"):
        drill.check("it is healthy", stack.client.healthy(), expected=True)
        result, _ = stack.backups.take(stack.database, tmp_path / "backup.sql")
        drill.check("a dump is here", result.exit_code, expected=0)
    Path(os.environ["SEEN"]).write_text(json.dumps({
        "gateway": stack.gateway.base_url, "database": stack.database.url.rpartition("@")[2],
        "attributes": [each.attrs for each in client.containers.list(filters={"label": label})],
        "dump": (tmp_path / "backup.sql").read_text()[-200:],
    }))
""".replace("{WORKSPACE_LABEL}", WORKSPACE_LABEL)


def drill_on(project: Project, address: str, path: str) -> dict[str, object]:
    seen = project.path / "seen.json"
    (project.path / "test_drills.py").write_text(WATCHING)
    variables = {"DOCKER_HOST": address, "PATH": path, "SEEN": str(seen)}
    # docker-py neither closes nor reaps the ssh processes that it starts.
    options = ["-W", "ignore::ResourceWarning"] if address.startswith("ssh") else []
    done = project.run(*options, **variables)
    assert done.returncode == 0, done.stdout
    assert "1 of 1 drill passed." in done.stdout
    return dict(json.loads(seen.read_text()))


@pytest.mark.parametrize("protocol", ["tcp", "ssh"])
def test_a_drill_on_another_host(
    project: Project, second: SecondEngine, client: docker.DockerClient, engine: Engine, protocol: str
):
    if protocol == "ssh" and importlib.util.find_spec("paramiko") is None:
        is_missing("docker over ssh needs the package paramiko (the extra `ssh`)")
    here = {each["Id"] for each in engine.client.api.containers(all=True, filters={"label": WORKSPACE_LABEL})}
    seen = drill_on(project, getattr(second, protocol), f"{second.programs}:{os.environ['PATH']}")
    assert str(seen["gateway"]).startswith(f"http://{THERE}:")
    assert str(seen["database"]).startswith(f"{THERE}:")
    assert "PostgreSQL database dump complete" in str(seen["dump"])
    attributes = seen["attributes"]
    assert isinstance(attributes, list)
    assert len(attributes) == 2, "PostgreSQL and the gateway"
    for container in attributes:
        assert not container["HostConfig"]["Binds"]
        assert {mount["Type"] for mount in container["Mounts"]} <= {"volume", "tmpfs"}
        bound = [each["HostIp"] for ports in container["HostConfig"]["PortBindings"].values() for each in ports]
        assert bound == ["0.0.0.0"]
        assert container["Id"] not in here
    assert client.containers.list(all=True) == []
    assert client.volumes.list() == []
    assert client.networks.list(filters={"label": WORKSPACE_LABEL}) == []
    assert project.workspaces() == []


def test_a_killed_run_is_removed_from_the_engine_that_it_used(
    project: Project, second: SecondEngine, client: docker.DockerClient
):
    """The next run uses this machine's engine, and still cleans up on the other one."""
    killed = project.start("-k", "waits", DOCKER_HOST=second.tcp)
    project.when_in_step_after(killed, "Ready")
    killed.kill()
    killed.wait()
    assert len(client.containers.list()) == 2
    done = project.run("-k", "quick", DOCKER_HOST="")
    assert done.returncode == 0, done.stdout
    assert "drill clean-up: removed what the killed run" in done.stdout
    assert client.containers.list(all=True) == []
    assert project.workspaces() == []


def test_a_refused_ssh_connection(project: Project, second: SecondEngine):
    done = project.run(DOCKER_HOST=f"ssh://root@{HERE}:1", PATH=f"{second.programs}:/usr/bin:/bin")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert f"no Docker engine answers at ssh://root@{HERE}:1" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_engine_without_space(project: Project, second: SecondEngine, client: docker.DockerClient):
    """The images are built first; then its disk is full when the containers start."""
    assert project.run("-k", "quick", DOCKER_HOST=second.tcp).returncode == 0
    with second.full():
        done = project.run("-k", "quick", DOCKER_HOST=second.tcp)
    assert done.returncode in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.USAGE_ERROR), done.stdout
    output = " ".join(done.stdout.split())
    assert "no space left on device" in output
    assert "To fix this: free space where the engine keeps its data" in output, done.stdout
    assert "Traceback" not in output, done.stdout
    assert client.containers.list(all=True) == []

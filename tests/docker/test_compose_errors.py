"""Mistakes in a compose file: each is reported before anything is started, in a sentence and with its remedy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes.compose.runtime import ComposeRuntime
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.target.system_tables import Compose
from rollback_drills.target.target import Target

ROOT = Path(__file__).resolve().parents[2]
SERVICES = """
services:
  gateway:
    image: gateway:${VERSION}
  db:
    image: POSTGRES
    environment:
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it}
"""


@pytest.fixture
def project(reference: Target, engine: Engine, base_images: dict[str, str], tmp_path: Path):
    """Makes the reference target with a compose file that has this text."""

    def make(text: str, **settings: object) -> Target:
        (tmp_path / "compose.yaml").write_text(text.replace("POSTGRES\n", base_images["POSTGRES_IMAGE"] + "\n"))
        compose = Compose.model_validate({"directory": str(tmp_path), **settings}, strict=False)
        target = reference.model_copy(update={"compose": compose})
        target._file = reference.file
        return target

    return make


def refused(target: Target) -> RuntimeUnavailableError:
    with pytest.raises(RuntimeUnavailableError) as caught:
        ComposeRuntime.require(target, print)
    assert caught.value.fix, "every refusal has a remedy"
    assert "rollback-drills-" not in str(caught.value), "the private copy is not shown to the user"
    return caught.value


def test_a_good_file_is_accepted(project):
    ComposeRuntime.require(project(SERVICES), print)


def test_the_users_directory_stays_unchanged(project, tmp_path: Path):
    target = project(SERVICES)
    (tmp_path / ".env").write_text("POSTGRES_PASSWORD=production\n")
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    ComposeRuntime.require(target, print)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_missing_file_is_named(project):
    assert "there is no compose file" in refused(project(SERVICES, files=["elsewhere.yaml"])).what


def test_an_invalid_file_is_quoted_with_its_own_path(project, tmp_path: Path):
    error = refused(project("services:\n  gateway: [\n"))
    assert f"Compose refuses {tmp_path / 'compose.yaml'}" in error.what
    assert "yaml" in error.cause


def test_a_wrong_service_is_refused_with_the_list_of_services(project):
    error = refused(project(SERVICES, gateway="gatewy"))
    assert error.what == "there is no service 'gatewy' in compose.yaml"
    assert error.cause == "it has: db, gateway"
    assert "compose.gateway" in error.fix


def test_a_missing_required_variable_is_named(project):
    error = refused(project(SERVICES, password_variable=None))
    assert "POSTGRES_PASSWORD" in error.cause
    assert "env under [compose]" in error.fix


def test_a_database_without_a_password_is_refused(project):
    without = SERVICES.replace("POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it}", "POSTGRES_HOST_AUTH_METHOD: trust")
    assert "no POSTGRES_PASSWORD" in refused(project(without)).what


@pytest.mark.parametrize(
    ("addition", "what"),
    [
        ("    volumes: ['/var/lib/production:/var/lib/postgresql/data']\n", "can write to /var/lib/production"),
        ("    network_mode: host\n", "uses the host's network"),
        ("    pid: host\n", "pid namespace"),
        ("    privileged: true\n", "privileged"),
    ],
)
def test_reaching_beyond_the_project_is_refused(project, addition: str, what: str):
    assert what in refused(project(SERVICES + addition)).what


def test_a_read_only_mount_is_accepted(project):
    ComposeRuntime.require(project(SERVICES + "    volumes: ['/etc/hostname:/etc/name:ro']\n"), print)


def test_an_image_that_cannot_be_pulled_is_named(project):
    error = refused(project(SERVICES + "  cache:\n    image: 127.0.0.1:1/no-such-cache:7\n"))
    assert "127.0.0.1:1/no-such-cache:7" in error.what
    assert "cache" in error.fix


def test_a_machine_without_compose(project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    target = project(SERVICES)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "empty"))
    assert "docker compose" in refused(target).what
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no docker command" in refused(target).what


def test_on_the_command_line_it_is_a_usage_error(project, engine: Engine, tmp_path: Path):
    text = (ROOT / "fixtures" / "targets" / "reference.toml").read_text()
    target = ROOT / "fixtures" / "targets" / "reference.toml"
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text.replace('gateway = "gateway"', 'gateway = "gatewy"').replace('"../', f'"{target.parent}/../'))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "drills", "--drill-target", wrong, "--drill-runtime", "compose", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "there is no service 'gatewy'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr

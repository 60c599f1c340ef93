"""A compose file with which a drill would reach beyond its project is refused."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes.compose.safety import require_isolation

Service = dict[str, Any]


def refusal(directory: Path, gateway: Service, **more: Any) -> str:
    """The message of the refusal; empty if the file is accepted."""
    database = {"image": "postgres", "hostname": "primary", "networks": {"back": {"aliases": ["storage"]}}}
    model = {"services": {"gateway": gateway, "db": database}, **more}
    try:
        require_isolation(model, directory)
    except RuntimeUnavailableError as error:
        return f"{error.what}" if error.fix else f"without a remedy: {error.what}"
    return ""


@pytest.mark.parametrize(
    ("service", "what"),
    [
        ({"network_mode": "host"}, "uses the host's network"),
        ({"network_mode": "container:proxy"}, "uses the network of a container outside this project"),
        ({"pid": "host"}, "uses the host's pid namespace"),
        ({"ipc": "host"}, "uses the host's ipc namespace"),
        ({"userns_mode": "host"}, "uses the host's user namespace"),
        ({"privileged": True}, "is privileged"),
        ({"devices": [{"source": "/dev/sda", "target": "/dev/sda"}]}, "uses devices of this machine"),
        ({"cap_add": ["CHOWN", "CAP_SYS_ADMIN"]}, "has capabilities over this machine (SYS_ADMIN)"),
        ({"external_links": ["production_db"]}, "is linked with containers outside this project"),
        ({"volumes_from": ["container:production"]}, "uses volumes of a container"),
    ],
)
def test_reaching_beyond_the_project_is_refused(tmp_path: Path, service: Service, what: str):
    assert refusal(tmp_path, service).startswith(f"the service gateway {what}")


@pytest.mark.parametrize(
    "service",
    [{}, {"network_mode": "service:db"}, {"ipc": "private"}, {"cap_add": ["CHOWN"]}, {"volumes_from": ["db"]}],
)
def test_staying_within_the_project_is_accepted(tmp_path: Path, service: Service):
    assert refusal(tmp_path, service) == ""


def bind(source: Path | str, *, read_only: bool = False) -> Service:
    return {"volumes": [{"type": "bind", "source": str(source), "target": "/x", "read_only": read_only}]}


def test_directories_of_this_machine_are_not_written_to(tmp_path: Path):
    project = tmp_path / "project"
    assert refusal(project, bind(project / "data")) == ""
    assert refusal(project, bind(tmp_path / "elsewhere")).endswith(f"can write to {tmp_path}/elsewhere of this machine")
    assert refusal(project, bind(project / ".." / "elsewhere")).startswith("the service gateway can write to")
    assert refusal(project, bind(tmp_path / "elsewhere", read_only=True)) == ""


@pytest.mark.parametrize("directory", ["/var/run/docker.sock", "/run", "/"])
def test_a_read_only_mount_of_the_engines_socket_gives_control_of_the_machine(tmp_path: Path, directory: str):
    assert "can talk to" in refusal(tmp_path / "project", bind(directory, read_only=True))


def test_a_read_only_mount_of_any_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("agent")  # a relative path: pytest's own directories are too long for an address
        assert "can talk to" in refusal(tmp_path / "project", bind(tmp_path / "agent", read_only=True))


@pytest.mark.parametrize(
    ("volume", "accepted"),
    [
        ({}, True),
        ({"driver": "local"}, True),
        ({"driver_opts": {"type": "tmpfs", "device": "tmpfs"}}, True),
        ({"driver_opts": {"type": "none", "o": "bind", "device": "/srv/production"}}, False),
        ({"driver_opts": {"type": "nfs", "o": "addr=10.0.0.1", "device": ":/production"}}, False),
        ({"driver": "rexray"}, False),
    ],
)
def test_volumes_lie_in_dockers_own_store(tmp_path: Path, volume: Service, accepted: bool):
    assert (refusal(tmp_path, {}, volumes={"data": volume}) == "") is accepted


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql+asyncpg://app:secret@prod.example.com:5432/app"),
        ("DATABASE_URL", "postgresql://app@db,prod.example.com/app"),
        ("DATABASE_URL", "postgres:///app?host=prod.example.com"),
        ("DSN", "postgresql://[2001:db8::1]:5432/app"),
        ("CACHE", "rediss://:secret@cache.example.com/0"),
        ("CELERY_BROKER_URL", "amqp://guest:guest@queue.example.com//"),
        ("PGHOST", "10.0.0.7"),
        ("APP_DB_HOST", "prod.example.com"),
        ("POSTGRES_SERVER", "prod.example.com"),
    ],
)
def test_a_connection_to_a_production_system_is_refused(tmp_path: Path, variable: str, value: str):
    message = refusal(tmp_path, {"environment": {variable: value}})
    assert "which is not a service of this project" in message
    assert variable in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql+psycopg://app:secret@db:5432/app"),
        ("DATABASE_URL", "postgresql://app@primary/app"),
        ("DATABASE_URL", "postgresql://app@storage,db:6432/app"),
        ("DATABASE_URL", "postgresql:///app?host=/var/run/postgresql"),
        ("DATABASE_URL", "sqlite:///var/lib/app.db"),
        ("PGHOST", "db"),
        ("PGHOST", ""),
        ("PGHOST", None),
        ("DB_HOST", "localhost"),
        ("STRIPE_URL", "https://api.stripe.com/"),
        ("GHOST", "buster"),
        ("POSTGRES_HOST_AUTH_METHOD", "trust"),
    ],
)
def test_a_connection_within_the_project_is_accepted(tmp_path: Path, variable: str, value: str | None):
    assert refusal(tmp_path, {"environment": {variable: value}}) == ""

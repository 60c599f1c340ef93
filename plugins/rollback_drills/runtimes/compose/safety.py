"""Refuses a compose file with which a drill would reach anything that it did not create.

The check reads the file as Compose resolves it, with variables and ``env_file``:
https://docs.docker.com/reference/compose-file/services/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rollback_drills.core.errors import RuntimeUnavailableError

Model = dict[str, Any]
"""The output of ``docker compose config --format json``: https://docs.docker.com/reference/compose-file/"""

_NAMESPACES = {
    "network_mode": "network",
    "pid": "pid namespace",
    "ipc": "ipc namespace",
    "uts": "uts namespace",
    "userns_mode": "user namespace",
    "cgroup": "cgroup namespace",
}
_CAPABILITIES = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "NET_ADMIN"})
_SOCKETS = ("/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
# Systems that hold data. Other addresses, such as a payment provider's, are not checked.
_STORES = re.compile(r"(postgres(ql)?|mysql|mariadb|rediss?|mongodb|amqps?)(\+\w+)?://", re.IGNORECASE)
_HOST_NAMES = re.compile(
    r"(PG|POSTGRES(QL)?|DB|DATABASE|MYSQL|REDIS|RABBITMQ|MONGO(DB)?)_?(HOST(ADDR|NAME)?|SERVER)$", re.IGNORECASE
)
_ITSELF = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})
_REMEDY = "take that away for the drill, for example in a second file under compose.files"


def require_isolation(model: Model, directory: Path) -> None:
    """Check that no service writes to this machine, uses its namespaces, or connects to a production system.

    Args:
        directory: the project's directory, which is a copy and may be written to.

    Raises:
        RuntimeUnavailableError: a service would do so, or a volume lies elsewhere.
    """
    for name, volume in model.get("volumes", {}).items():
        options = volume.get("driver_opts") or {}
        if volume.get("driver", "local") != "local" or (options and options.get("type") != "tmpfs"):
            raise _refused(f"the volume {name} lies outside of Docker's own store (driver or driver_opts)")
    hosts = frozenset(_host_names(model))
    for name, service in model["services"].items():
        for reason in _reach(service):
            raise _refused(f"the service {name} {reason}")
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                _check_bind(name, mount, directory.resolve())
        for variable, host in _stores_of(service):
            if host not in hosts:
                raise RuntimeUnavailableError(
                    f"the service {name} would connect to {host}, which is not a service of this project ({variable})",
                    cause="a drill must not touch what it did not create",
                    fix="name one of the project's services instead, for example with env under [compose]",
                )


def _reach(service: Model) -> Iterator[str]:
    """How a service reaches beyond its project, each as the end of a sentence."""
    for key, what in _NAMESPACES.items():
        value = str(service.get(key) or "")
        if value == "host":
            yield f"uses the host's {what}"
        elif value.startswith("container:"):
            yield f"uses the {what} of a container outside this project"
    if service.get("privileged"):
        yield "is privileged"
    if service.get("devices") or service.get("device_cgroup_rules"):
        yield "uses devices of this machine"
    strong = {str(each).upper().removeprefix("CAP_") for each in service.get("cap_add") or ()} & _CAPABILITIES
    if strong:
        yield f"has capabilities over this machine ({', '.join(sorted(strong))})"
    if service.get("external_links"):
        yield "is linked with containers outside this project"
    if any(str(each).startswith("container:") for each in service.get("volumes_from") or ()):
        yield "uses volumes of a container outside this project"


def _check_bind(name: str, mount: Model, directory: Path) -> None:
    source = Path(mount["source"]).resolve()
    if source.is_relative_to(directory):
        return
    if source.is_socket() or any(Path(each).is_relative_to(source) for each in _SOCKETS):
        # A socket can be written to even if mounted read-only, and the engine's socket gives control of the machine.
        raise _refused(f"the service {name} can talk to {mount['source']} of this machine")
    if not mount.get("read_only"):
        raise RuntimeUnavailableError(
            f"the service {name} can write to {mount['source']} of this machine",
            cause="a drill must not touch what it did not create",
            fix="mount it read-only, or use a named volume, for example in a second file under compose.files",
        )


def _host_names(model: Model) -> Iterator[str]:
    """The names by which services address each other within the project."""
    for name, service in model["services"].items():
        yield name
        yield from filter(None, (service.get("hostname"),))
        for network in (service.get("networks") or {}).values():
            yield from (network or {}).get("aliases") or ()


def _stores_of(service: Model) -> Iterator[tuple[str, str]]:
    """The variables that locate a system with data, each with the host that it names."""
    for variable, value in (service.get("environment") or {}).items():
        text = str(value if value is not None else "")
        for host in _hosts_of(variable, text):
            if host.lower() not in _ITSELF and not host.startswith("/"):
                yield variable, host


def _hosts_of(variable: str, text: str) -> list[str]:
    if _STORES.match(text):
        try:
            parts = urlsplit(text)
        except ValueError:  # not a URL; the service itself will report it
            return []
        # A URI may list several hosts, or have them in the query: libpq's documentation, "Connection URIs".
        hosts = re.findall(r"(\[[^]]*\]|[^,:]+)(?::\d*)?(?:,|$)", parts.netloc.rpartition("@")[2])
        query = parse_qs(parts.query)
        return [host.strip("[]") for host in hosts] + query.get("host", []) + query.get("hostaddr", [])
    return [each.strip() for each in text.split(",")] if _HOST_NAMES.search(variable) else []


def _refused(what: str) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(what, cause="a drill must not touch what it did not create", fix=_REMEDY)

"""What a compose file may not do in a drill: reach anything that the drill has not created.

Judged on the file as Compose has resolved it, variables and ``env_file`` included:
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
"""What ``docker compose config --format json`` prints: https://docs.docker.com/reference/compose-file/"""

_NAMESPACES = {"network_mode": "network", "pid": "pid namespace", "ipc": "ipc namespace", "uts": "uts namespace",
               "userns_mode": "user namespace", "cgroup": "cgroup namespace"}  # fmt: skip
_CAPABILITIES = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "NET_ADMIN"})
_SOCKETS = ("/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock")
# Systems that hold data. Other addresses (a payment provider's, say) are the gateway's own business.
_STORES = re.compile(r"(postgres(ql)?|mysql|mariadb|rediss?|mongodb|amqps?)(\+\w+)?://", re.IGNORECASE)
_HOST_NAMES = re.compile(
    r"(PG|POSTGRES(QL)?|DB|DATABASE|MYSQL|REDIS|RABBITMQ|MONGO(DB)?)_?(HOST(ADDR|NAME)?|SERVER)$", re.IGNORECASE
)
_ITSELF = frozenset({"", "localhost", "127.0.0.1", "::1", "0.0.0.0"})
_REMEDY = "take that away for the drill, for example in a second file under compose.files"


def refuse_what_is_not_ours(model: Model, directory: Path) -> None:
    """A drill must neither write to this machine or use its namespaces, nor connect to systems that are in use.

    Args:
        directory: where the project lies; what is in there is a copy.

    Raises:
        RuntimeUnavailable: a service would do so, or a volume lies elsewhere.
    """
    for name, volume in model.get("volumes", {}).items():
        options = volume.get("driver_opts") or {}
        if volume.get("driver", "local") != "local" or (options and options.get("type") != "tmpfs"):
            raise _refused(f"the volume {name} lies outside of Docker's own store (driver or driver_opts)")
    hosts = frozenset(_names_in(model))
    for name, service in model["services"].items():
        for why in _reaches(service):
            raise _refused(f"the service {name} {why}")
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                _judge_bind(name, mount, directory.resolve())
        for variable, host in _stores_of(service):
            if host not in hosts:
                raise RuntimeUnavailableError(
                    f"the service {name} would connect to {host}, which is no service of this project ({variable})",
                    cause="a drill must not touch what it did not create",
                    fix="name one of the project's services there for the drill, for example with env under [compose]",
                )


def _reaches(service: Model) -> Iterator[str]:
    for key, what in _NAMESPACES.items():
        value = str(service.get(key) or "")
        if value == "host":
            yield f"uses the host's {what}"
        elif value.startswith("container:"):
            yield f"uses the {what} of a container that is not of this project"
    if service.get("privileged"):
        yield "is privileged"
    if service.get("devices") or service.get("device_cgroup_rules"):
        yield "uses devices of this machine"
    strong = {str(each).upper().removeprefix("CAP_") for each in service.get("cap_add") or ()} & _CAPABILITIES
    if strong:
        yield f"has capabilities over this machine ({', '.join(sorted(strong))})"
    if service.get("external_links"):
        yield "is linked with containers that are not of this project"
    if any(str(each).startswith("container:") for each in service.get("volumes_from") or ()):
        yield "uses volumes of a container that is not of this project"


def _judge_bind(name: str, mount: Model, directory: Path) -> None:
    source = Path(mount["source"]).resolve()
    if source.is_relative_to(directory):
        return
    if source.is_socket() or any(Path(each).is_relative_to(source) for each in _SOCKETS):
        # A socket can be written to, however it is mounted: whoever has the engine's has the machine.
        raise _refused(f"the service {name} can talk to {mount['source']} of this machine")
    if not mount.get("read_only"):
        raise RuntimeUnavailableError(
            f"the service {name} can write to {mount['source']} of this machine",
            cause="a drill must not touch what it did not create",
            fix="mount it read-only, or use a named volume, for example in a second file under compose.files",
        )


def _names_in(model: Model) -> Iterator[str]:
    """How services are addressed within the project."""
    for name, service in model["services"].items():
        yield name
        yield from filter(None, (service.get("hostname"),))
        for network in (service.get("networks") or {}).values():
            yield from (network or {}).get("aliases") or ()


def _stores_of(service: Model) -> Iterator[tuple[str, str]]:
    """The variables that say where a system with data is, and the host that each names."""
    for variable, value in (service.get("environment") or {}).items():
        text = str(value if value is not None else "")
        for host in _hosts_of(variable, text):
            if host.lower() not in _ITSELF and not host.startswith("/"):
                yield variable, host


def _hosts_of(variable: str, text: str) -> list[str]:
    if _STORES.match(text):
        try:
            parts = urlsplit(text)
        except ValueError:  # no address at all: whoever reads it will say so
            return []
        # Several hosts stand beside each other, or in the query: "Connection URIs" of libpq's documentation.
        hosts = re.findall(r"(\[[^]]*\]|[^,:]+)(?::\d*)?(?:,|$)", parts.netloc.rpartition("@")[2])
        query = parse_qs(parts.query)
        return [host.strip("[]") for host in hosts] + query.get("host", []) + query.get("hostaddr", [])
    return [each.strip() for each in text.split(",")] if _HOST_NAMES.search(variable) else []


def _refused(what: str) -> RuntimeUnavailableError:
    return RuntimeUnavailableError(what, cause="a drill must not touch what it did not create", fix=_REMEDY)

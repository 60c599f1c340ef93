"""The facts of a compose file, read without interpolation: its variables matter, not their values."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_BESIDE = re.compile(  # what stands beside a gateway, and is none
    r"(?:^|/)(?:adminer|pgadmin4?|traefik|nginx|caddy|haproxy|redis|valkey|memcached|rabbitmq|kafka|zookeeper|mailhog"
    r"|mailcatcher|mailpit|maildev|minio|prometheus|grafana|jaeger|elasticsearch|celery|flower)\b"
)
_POSTGRES = re.compile(r"(^|[/-])(postgres|postgis|timescaledb|pgvector)", re.IGNORECASE)
_VARIABLE = re.compile(r"\$\{?(?P<name>[A-Za-z_]\w*)")
_DEFAULTED = re.compile(r"\$\{\w+:?-([^}]*)\}")
_PORT = re.compile(r"(?P<port>\d+)(?:/tcp)?$")


@dataclass(frozen=True, slots=True)
class ComposeFacts:
    """``environment`` is the gateway's; ``required`` are the variables without which Compose refuses to run."""

    file: str
    gateway: str | None
    database: str | None
    services: tuple[str, ...]
    release_variable: str | None
    password_variable: str | None
    port: int | None
    image: str | None
    database_image: str | None
    environment: dict[str, str]
    commands: tuple[str, ...]
    required: tuple[str, ...]


def read_compose(file: Path) -> ComposeFacts:
    """Read a compose file.

    Raises:
        ValueError: it is not YAML, or not a compose file.
    """
    try:
        text = file.read_text()
        document = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"cannot be read: {' '.join(str(error).split())}") from None
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise ValueError("has no services")
    known = {str(name): service for name, service in services.items() if isinstance(service, dict)}
    database = next((name for name, each in known.items() if _POSTGRES.search(str(each.get("image", "")))), None)
    gateway = _gateway(known, database)
    chosen = known.get(gateway or "", {})
    stored = _environment(known.get(database or "", {}))
    return ComposeFacts(
        file=file.name,
        gateway=gateway,
        database=database,
        services=tuple(known),
        release_variable=_release_variable(chosen),
        password_variable=_first(_VARIABLE, stored.get("POSTGRES_PASSWORD", "")),
        port=_port(chosen),
        image=str(chosen["image"]) if "image" in chosen else None,
        database_image=_DEFAULTED.sub(r"\1", str(known[database]["image"])) if database else None,
        environment=_environment(chosen),
        commands=tuple(json.dumps(chosen[key]) for key in ("entrypoint", "command") if chosen.get(key)),
        required=tuple(sorted(set(re.findall(r"\$\{([A-Za-z_]\w*):?\?", text)))),
    )


def _gateway(services: dict[str, dict[str, Any]], database: str | None) -> str | None:
    """The service that clients talk to: preferably built here, with published ports, depending on the database."""

    def merit(name: str) -> tuple[bool, bool, bool, bool]:
        service = services[name]
        built, published = "build" in service, "ports" in service
        return built and published, built, published, database in (service.get("depends_on") or ())

    others = [name for name in services if name != database and not _BESIDE.search(_image(services[name]))]
    return max(others, key=merit, default=None)


def _image(service: dict[str, Any]) -> str:
    return "" if "build" in service else str(service.get("image", ""))


def _release_variable(service: dict[str, Any]) -> str | None:
    """The variable in the image's tag, or else in a build argument that is named like a version."""
    tag = str(service.get("image", "")).rpartition(":")[2]
    build = service.get("build")
    arguments = build.get("args") if isinstance(build, dict) else None
    texts = _pairs(arguments)
    sounding = next((text for name, text in texts.items() if re.search("version|release|tag", name, re.I)), "")
    return _first(_VARIABLE, tag) or _first(_VARIABLE, sounding)


def _port(service: dict[str, Any]) -> int | None:
    for port in service.get("ports") or ():
        if isinstance(port, dict):
            return int(port["target"]) if "target" in port else None
        match = _PORT.search(str(port))
        if match:
            return int(match["port"])
    return None


def _environment(service: dict[str, Any]) -> dict[str, str]:
    return _pairs(service.get("environment"))


def _pairs(value: Any) -> dict[str, str]:
    """Compose accepts a mapping and a list of ``NAME=value``."""
    if isinstance(value, dict):
        return {str(name): "" if item is None else str(item) for name, item in value.items()}
    pairs = (str(item).partition("=") for item in value or ())
    return {name: text for name, _, text in pairs}


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match["name"] if match else None

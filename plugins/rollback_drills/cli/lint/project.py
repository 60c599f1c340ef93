"""What the compose files and the repository around a runbook say, without Docker."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rollback_drills.cli.init.compose_file import read_compose
from rollback_drills.runbook.context import Context, KnownProject, KnownService

if TYPE_CHECKING:
    from rollback_drills.target.target import Target

_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_OVERRIDES = ("compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml")
_INTERPOLATED = re.compile(r"(?<!\$)\$\{?(?P<name>[A-Za-z_]\w*)")
_DEFAULTED = re.compile(r"\$\{(?P<name>\w+)(:?[-?](?P<default>[^}]*))?\}|\$(?P<bare>\w+)")
_PORT = re.compile(r"^(\[?[\d.:a-f]+\]?:)?(?P<port>\d+):\d+(/\w+)?$")
_TARGET = re.compile(r"^(?P<names>[A-Za-z][\w. -]*?)\s*::?(?!=)", re.MULTILINE)
_OPEN_MAKEFILE = re.compile(r"^-?include\b|^[^\t#\n]*%[^\n:]*:|^\$\(", re.MULTILINE)
_MOST = 50  # files that are read
_LARGEST = 1_000_000  # bytes of a file that is read


class _Loader(yaml.SafeLoader):
    """YAML with tags of its own, such as Compose's `!reset`."""


def _untagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    return None


_Loader.add_multi_constructor("!", _untagged)


def context_of_target(target: Target) -> Context:
    """What a target file and its compose project say."""
    compose, flags, sample = target.compose, target.flags, target.sample
    project = None
    if compose is not None:
        directory = target.path(compose.directory)
        runbook = target.path(target.runbook.file if target.runbook is not None else ".")
        project = _project(directory, [directory / name for name in compose.files], runbook)
    return Context(
        gateway=compose.gateway if compose is not None else "gateway",
        database=compose.database if compose is not None else "db",
        webhook=sample.path if sample is not None else "",
        flag=(flags.variable or "") if flags is not None else "",
        method=sample.method if sample is not None else "POST",
        releases=(target.previous, target.current),
        project=project,
    )


def context_around(runbook: Path) -> Context:
    """What the nearest compose file above a runbook says, within its repository; nothing if there is none."""
    directory, top = runbook.resolve().parent, _top(runbook.resolve().parent)
    within = [directory, *directory.parents] if top is not None else [directory]
    for each in within:
        found = next((each / name for name in _NAMES if (each / name).is_file()), None)
        if found is not None:
            overrides = [each / name for name in _OVERRIDES if (each / name).is_file()]
            return _around(each, [found, *overrides], runbook)
        if each == top:
            break
    return Context()


def _around(directory: Path, files: list[Path], runbook: Path) -> Context:
    project = _project(directory, files, runbook)
    project = _with_others(project, directory, files)
    try:
        facts = read_compose(files[0])
    except ValueError:
        return Context(project=project)
    built = [name for name, service in project.services.items() if service.builds]
    others = [name for name in project.services if name != facts.database]
    gateway = (built if len(built) == 1 else others if len(others) == 1 else [""])[0]
    return Context(gateway, facts.database or "", project=project)


def _with_others(project: KnownProject, directory: Path, files: list[Path]) -> KnownProject:
    """With what other compose files and Makefiles of the repository have, as the runbook may mean those."""
    top = _top(directory)
    listed = (_git(top, "ls-files", "*compose*.y*ml", "*Makefile") or "").splitlines() if top is not None else []
    paths = [path for name in listed[:_MOST] if top is not None and (path := top / name) not in files]
    texts = [text for path in paths if "compose" in path.name and (text := _text(path)) is not None]
    documents = [document for text in texts if (document := _document(text)) is not None]
    services = frozenset(str(name) for document in documents for name in document["services"])
    variables = project.variables
    if variables is not None:
        variables |= frozenset(_variables(texts, documents, directory))
    several = any(path.name == "Makefile" and path.parent != directory.resolve() for path in paths)
    targets = None if several else project.make_targets
    return replace(project, others=services, variables=variables, make_targets=targets)


def _project(directory: Path, files: list[Path], runbook: Path) -> KnownProject:
    texts = [text for file in files if (text := _text(file)) is not None]
    documents = [document for text in texts if (document := _document(text)) is not None]
    complete = len(documents) == len(files) and not any("include" in each for each in documents)
    services = _services(documents, directory) if complete else {}
    known = complete and services is not None
    top = _top(directory)
    return KnownProject(
        services=services or {},
        variables=frozenset(_variables(texts, documents, directory)) if known else None,
        env_files=frozenset(_env_files(documents)),
        exists=_existence(directory, runbook.resolve().parent, top),
        has_ref=_refs(top),
        make_targets=_make_targets(directory),
    )


def _text(file: Path) -> str | None:
    try:
        with file.open(errors="replace") as opened:
            return opened.read(_LARGEST)
    except OSError:
        return None


def _document(text: str) -> dict[str, Any] | None:
    try:
        document = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError:
        return None
    return document if isinstance(document, dict) and isinstance(document.get("services"), dict) else None


def _services(documents: list[dict[str, Any]], directory: Path) -> dict[str, KnownService] | None:
    """The services by name; None where other files add to them."""
    merged: dict[str, dict[str, Any]] = {}
    for document in documents:
        for name, service in document["services"].items():
            known = service if isinstance(service, dict) else {}
            if "extends" in known:
                return None
            merged[str(name)] = {**merged.get(str(name), {}), **known}
    values = _dotenv(directory)
    return {name: _service(name, service, values) for name, service in merged.items()}


def _service(name: str, service: dict[str, Any], values: dict[str, str]) -> KnownService:
    listed = service.get("volumes")
    volumes = listed if isinstance(listed, list) else []
    sources = (each.get("source", "") if isinstance(each, dict) else str(each).partition(":")[0] for each in volumes)
    needed = service.get("depends_on")
    return KnownService(
        name=name,
        container=str(service.get("container_name", "")),
        ports=_ports(service, values),
        builds="build" in service,
        image=str(service.get("image", "")),
        depends=isinstance(needed, dict) and any("healthy" in str(each) for each in needed.values()),
        mounts=tuple(map(str, sources)),
    )


def _ports(service: dict[str, Any], values: dict[str, str]) -> frozenset[int] | None:
    """The ports of the machine; None where they cannot be told."""
    if service.get("network_mode") == "host":
        return None
    found = set[int]()
    for port in service.get("ports") or ():
        pair = (port.get("published", ""), port.get("target", "")) if isinstance(port, dict) else (port,)
        known = _PORT.match(_interpolated(":".join(map(str, pair)), values))
        if known is None:
            return None
        found.add(int(known["port"]))
    return frozenset(found)


def _interpolated(text: str, values: dict[str, str]) -> str:
    return _DEFAULTED.sub(
        lambda found: values.get(found["name"] or found["bare"]) or found["default"] or found[0], text
    )


def _dotenv(directory: Path) -> dict[str, str]:
    lines = (_text(directory / ".env") or "").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _variables(texts: Sequence[str], documents: list[dict[str, Any]], directory: Path) -> Iterator[str]:
    """The variables that the compose files use or pass on, and those that lines of .env use."""
    for text in (*texts, _text(directory / ".env") or ""):
        yield from (found["name"] for found in _INTERPOLATED.finditer(text))
    for document in documents:
        for service in document["services"].values():
            listed = service.get("environment") if isinstance(service, dict) else None
            if isinstance(listed, list):
                yield from (str(each) for each in listed if "=" not in str(each))
            elif isinstance(listed, dict):
                yield from (str(name) for name, value in listed.items() if value is None)


def _env_files(documents: list[dict[str, Any]]) -> Iterator[str]:
    for document in documents:
        for service in document["services"].values():
            given = service.get("env_file") if isinstance(service, dict) else None
            for each in given if isinstance(given, list) else [given] if given else []:
                yield str(each.get("path", "") if isinstance(each, dict) else each)


def _existence(directory: Path, page: Path, top: Path | None) -> Any:
    bases = {directory.resolve(), page, *([top] if top is not None else [])}

    def exists(path: str) -> bool:
        if top is None or any((base / path).exists() for base in bases):
            return True
        return any(_git(base, "check-ignore", "--quiet", path) == "" for base in bases)

    return exists


def _refs(top: Path | None) -> Any:
    """Whether a repository knows a name; None for all of them in a shallow one, or in one without its tags."""

    @cache
    def complete() -> bool:
        assert top is not None
        shallow = _git(top, "rev-parse", "--is-shallow-repository") != "false"
        return not shallow and _git(top, "config", "--get-regexp", r"^remote\..*\.tagopt$") in {None, ""}

    def has_ref(name: str) -> bool | None:
        if top is None or not complete():
            return None
        names = (name, f"origin/{name}")
        return any(_git(top, "rev-parse", "--verify", "--quiet", f"{each}^{{commit}}") for each in names)

    return has_ref


def _top(directory: Path) -> Path | None:
    found = _git(directory, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def _git(directory: Path, *arguments: str) -> str | None:
    """What git prints; None if it fails or is not there."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", *arguments],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _make_targets(directory: Path) -> frozenset[str] | None:
    """The targets of the Makefile; None without one, or where its rules are made by patterns or other files."""
    text = _text(directory / "Makefile")
    if text is None or _OPEN_MAKEFILE.search(text):
        return None
    return frozenset(name for found in _TARGET.finditer(text) for name in found["names"].split())

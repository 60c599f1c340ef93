"""Where a stack runs: the only place that knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from rollback_drills.core.errors import (
    DrillError,
    RuntimeUnavailableError,
)
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.protocols import Runtime
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

Tell = Callable[[str], None]
_Known: TypeAlias = "tuple[Choice, Callable[[Target, Tell], None]]"
DEFAULT_SOCKETS = (Path("/var/run/docker.sock"), Path("~/.docker/run/docker.sock"))
_DOCKER_CONFIG = Path("~/.docker/config.json")  # may name a context, and so an engine elsewhere


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, why it was chosen, and how to make it."""

    name: str
    reason: str
    make: Callable[[Target, Workspace, Meter], Runtime]


@dataclass(frozen=True, slots=True)
class AddedRuntime:
    """A runtime of somebody else's, given by the hook ``pytest_rollback_drills_runtimes``.

    Args:
        name: for ``--drill-runtime``; lower-case letters, digits and hyphens.
        make: makes it for one worker; it is started later.
        require: raises `RuntimeUnavailableError` where it cannot run, and obtains what it needs (images).
    """

    name: str
    make: Callable[[Target, Workspace, Meter], Runtime]
    require: Callable[[Target, Tell], None] | None = None


def _silent(line: str) -> None:
    """Nobody is told."""


def resolve(
    name: str,
    target: Target,
    *,
    to_run: bool = True,
    tell: Tell = _silent,
    added: Mapping[str, AddedRuntime] | None = None,
) -> Choice:
    """The runtime to use; what it needs (images) has been obtained when this returns.

    Args:
        to_run: whether it has to be able to run here; False where drills are only listed, and nothing is looked at.
        tell: is given a line of progress for whatever takes more than a moment.
        added: runtimes that are not ours, by name; ``auto`` never takes one.

    Raises:
        RuntimeUnavailable: there is none of this name, or it cannot run here.
    """
    if name == "auto":
        return _automatic(target, tell) if to_run else replace(_EMBEDDED, reason="auto: settled when drills run")
    known = _KNOWN | _choices(added)
    if name not in known:
        raise RuntimeUnavailableError(f"there is no runtime {name!r}", fix=f"use auto, {', '.join(known)}")
    choice, require = known[name]
    if to_run:
        require(target, tell)
    return choice


def settled(name: str, reason: str, added: Mapping[str, AddedRuntime] | None = None) -> Choice:
    """What another process of the same run has resolved already."""
    return replace((_KNOWN | _choices(added))[name][0], reason=reason)


def built_in() -> tuple[str, ...]:
    """The names of our own runtimes."""
    return tuple(_KNOWN)


def _choices(added: Mapping[str, AddedRuntime] | None) -> dict[str, _Known]:
    return {
        name: (Choice(name, "asked for: a runtime that a plugin adds", each.make), each.require or _require_nothing)
        for name, each in (added or {}).items()
    }


def _require_nothing(target: Target, tell: Tell) -> None:
    """It can run anywhere."""


def _automatic(target: Target, tell: Tell) -> Choice:
    """Docker where an engine answers and the images can be had, else private processes; it says why."""
    try:
        why_not = _obstacle(target)
        if not why_not:
            _require_docker(target, tell)
            return replace(_DOCKER, reason="chosen by auto: an engine answers, and the target's images are there")
        refusal = None
    except DrillError as error:
        why_not = " ".join(f"{error.what}: {error.cause}".split())
        refusal = error
    try:
        _require_embedded(target, tell)
    except RuntimeUnavailableError as error:
        if refusal is None:
            raise
        raise _nowhere(refusal, error) from None
    return replace(_EMBEDDED, reason=f"chosen by auto: private processes of this machine, since {why_not}")


def _nowhere(containers: DrillError, processes: DrillError) -> RuntimeUnavailableError:
    """Both ways are barred, and either may be the one to clear."""
    return RuntimeUnavailableError(
        "neither containers nor private processes can run this target",
        cause=f"docker: {containers.what}: {containers.cause}\nembedded: {processes.what}: {processes.cause}",
        fix=f"for docker: {containers.fix}; for embedded: {processes.fix}",
    )


def _obstacle(target: Target) -> str:
    """Why docker is out of the question, as far as that can be seen without importing anything."""
    if target.releases.image is None and target.releases.build is None:
        return "the target names no images"
    if not os.environ.get("DOCKER_HOST") and not any(
        path.expanduser().exists() for path in (*DEFAULT_SOCKETS, _DOCKER_CONFIG)
    ):
        return "there is no Docker engine"
    return ""


# The engines of the runtimes are imported when one is chosen: Docker's packages take a quarter of a second.
def _require_embedded(target: Target, tell: Tell) -> None:
    from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime

    EmbeddedRuntime.require(target)


def _require_docker(target: Target, tell: Tell) -> None:
    from rollback_drills.runtimes.docker.runtime import DockerRuntime

    DockerRuntime.require(target, tell)


def _require_compose(target: Target, tell: Tell) -> None:
    from rollback_drills.runtimes.compose.runtime import ComposeRuntime

    ComposeRuntime.require(target, tell)


def _make_embedded(target: Target, workspace: Workspace, meter: Meter) -> Runtime:
    from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime

    return EmbeddedRuntime(target, workspace, meter)


def _make_docker(target: Target, workspace: Workspace, meter: Meter) -> Runtime:
    from rollback_drills.runtimes.docker.runtime import DockerRuntime

    return DockerRuntime(target, workspace, meter)


def _make_compose(target: Target, workspace: Workspace, meter: Meter) -> Runtime:
    from rollback_drills.runtimes.compose.runtime import ComposeRuntime

    return ComposeRuntime(target, workspace, meter)


_EMBEDDED = Choice("embedded", "asked for: private processes of this machine", _make_embedded)
_DOCKER = Choice("docker", "asked for: containers of a Docker engine", _make_docker)
_COMPOSE = Choice("compose", "asked for: the target's own compose file, as a project of its own", _make_compose)
_KNOWN: dict[str, _Known] = {
    "embedded": (_EMBEDDED, _require_embedded),
    "docker": (_DOCKER, _require_docker),
    "compose": (_COMPOSE, _require_compose),
}

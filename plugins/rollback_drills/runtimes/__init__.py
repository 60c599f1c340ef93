"""Where a stack runs, and the choice of it. No other room knows which runtimes exist."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from rollback_drills.core.errors import DrillError, RuntimeUnavailableError
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.protocols import Runtime
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

Tell = Callable[[str], None]
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
    """A runtime of another package or conftest, returned by the hook ``pytest_rollback_drills_runtimes``.

    Args:
        name: for ``--drill-runtime``; lower-case letters, digits and hyphens.
        make: makes the runtime of one worker, without starting it.
        require: obtains what the runtime needs (images); raises `RuntimeUnavailableError` if it cannot run here.
    """

    name: str
    make: Callable[[Target, Workspace, Meter], Runtime]
    require: Callable[[Target, Tell], None] | None = None


# The built-in runtimes: name, module, class, and the reason for a choice by name.
_TABLE = (
    ("embedded", "embedded.runtime", "EmbeddedRuntime", "private processes of this machine"),
    ("docker", "docker.runtime", "DockerRuntime", "containers of a Docker engine"),
    ("compose", "compose.runtime", "ComposeRuntime", "the target's own compose file, as a separate project"),
)


@dataclass(frozen=True, slots=True)
class _Known:
    choice: Choice
    require: Callable[[Target, Tell], None]


def _built_in(name: str, module: str, class_name: str, what: str) -> _Known:
    def load() -> Any:
        """Import a runtime only once it is chosen: importing Docker's packages takes a quarter of a second."""
        return getattr(import_module(f"{__name__}.{module}"), class_name)

    def make(target: Target, workspace: Workspace, meter: Meter) -> Runtime:
        runtime: Runtime = load()(target, workspace, meter)
        return runtime

    def require(target: Target, tell: Tell) -> None:
        load().require(target, tell)

    return _Known(Choice(name, f"asked for: {what}", make), require)


_KNOWN = {name: _built_in(name, *others) for name, *others in _TABLE}


def _silent(line: str) -> None:
    """Report no progress."""


def resolve(
    name: str,
    target: Target,
    *,
    to_run: bool = True,
    tell: Tell = _silent,
    added: Mapping[str, AddedRuntime] | None = None,
) -> Choice:
    """Choose the runtime, and obtain what it needs (images).

    Args:
        to_run: whether it has to run here; False if drills are only listed, and nothing is checked.
        tell: receives a line of progress for each action that takes more than a moment.
        added: additional runtimes by name; ``auto`` never chooses one.

    Raises:
        RuntimeUnavailableError: there is no runtime of this name, or it cannot run here.
    """
    if name == "auto":
        if to_run:
            return _automatic(target, tell)
        return replace(_KNOWN["embedded"].choice, reason="auto: chosen when drills run")
    known = _KNOWN | _known(added)
    if name not in known:
        raise RuntimeUnavailableError(f"there is no runtime {name!r}", fix=f"use auto, {', '.join(known)}")
    if to_run:
        known[name].require(target, tell)
    return known[name].choice


def settled(name: str, reason: str, added: Mapping[str, AddedRuntime] | None = None) -> Choice:
    """The choice that another process of the same run has made."""
    return replace((_KNOWN | _known(added))[name].choice, reason=reason)


def built_in() -> tuple[str, ...]:
    """The names of the built-in runtimes."""
    return tuple(_KNOWN)


def _known(added: Mapping[str, AddedRuntime] | None) -> dict[str, _Known]:
    return {
        name: _Known(
            Choice(name, "asked for: a runtime that a plugin adds", each.make), each.require or _require_nothing
        )
        for name, each in (added or {}).items()
    }


def _require_nothing(target: Target, tell: Tell) -> None:
    """It can run anywhere."""


def _automatic(target: Target, tell: Tell) -> Choice:
    """Docker if an engine answers and the images can be obtained, else private processes; gives the reason."""
    try:
        obstacle = _obstacle(target)
        if not obstacle:
            _KNOWN["docker"].require(target, tell)
            reason = "chosen by auto: an engine answers, and the target's images are there"
            return replace(_KNOWN["docker"].choice, reason=reason)
        refusal = None
    except DrillError as error:
        obstacle = " ".join(f"{error.what}: {error.cause}".split())
        refusal = error
    try:
        _KNOWN["embedded"].require(target, tell)
    except RuntimeUnavailableError as error:
        if refusal is None:
            raise
        raise _neither(refusal, error) from None
    reason = f"chosen by auto: private processes of this machine, since {obstacle}"
    return replace(_KNOWN["embedded"].choice, reason=reason)


def _neither(containers: DrillError, processes: DrillError) -> RuntimeUnavailableError:
    """Both runtimes are refused; the user decides which one to fix."""
    return RuntimeUnavailableError(
        "neither containers nor private processes can run this target",
        cause=f"docker: {containers.what}: {containers.cause}\nembedded: {processes.what}: {processes.cause}",
        fix=f"for docker: {containers.fix}; for embedded: {processes.fix}",
    )


def _obstacle(target: Target) -> str:
    """Why docker is impossible, as far as that can be seen without importing anything; empty if it may be possible."""
    if target.releases.image is None and target.releases.build is None:
        return "the target names no images"
    if not os.environ.get("DOCKER_HOST") and not any(
        path.expanduser().exists() for path in (*DEFAULT_SOCKETS, _DOCKER_CONFIG)
    ):
        return "there is no Docker engine"
    return ""

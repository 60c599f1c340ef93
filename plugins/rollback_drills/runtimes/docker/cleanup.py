"""Removes from a Docker engine what belongs to a workspace, found by the workspace's label; nothing else is touched."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import docker.errors
from testcontainers.core.config import testcontainers_config

from rollback_drills.core.errors import RuntimeUnavailableError, StackError
from rollback_drills.core.private_files import private
from rollback_drills.runtimes.docker.engine import (
    OWNER_LABEL,
    VARIABLES,
    WORKSPACE_LABEL,
    Engine,
    namespace,
    owner,
    translate_errors,
)
from rollback_drills.runtimes.workspace.directory import ENGINE, Workspace

_STAGE = re.compile(r"^\s*---> ([0-9a-f]{12})\s*$", re.MULTILINE)


def remember_engine(workspace: Workspace) -> None:
    """Write down which engine a workspace uses, before anything is created there."""
    variables = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    with open(workspace.path / ENGINE, "w", opener=private) as file:
        json.dump(variables, file)


def configure_ryuk(engine: Engine, *, keep: bool) -> str:
    """Use Ryuk, testcontainers' own clean-up, if its image is there and nothing is to be kept.

    Returns:
        how containers are removed, for the report.
    """
    image: str = testcontainers_config.ryuk_image
    if not keep and not testcontainers_config.ryuk_disabled and engine.image(image) is not None:
        return f"Ryuk ({image}), and by label at the end"
    testcontainers_config.ryuk_disabled = True
    return "by label at the end, on signals, and at the next start"


def remove_of(workspace: Path) -> int:
    """Remove every container, network, volume and image of a workspace; return the number of containers.

    Raises:
        StackError: the engine no longer answers, or cannot remove something.
    """
    try:
        variables = dict(json.loads((workspace / ENGINE).read_text()))
    except (OSError, ValueError):
        return 0
    with _environment(variables):
        try:
            engine = Engine()
        except RuntimeUnavailableError as error:
            raise StackError(f"the engine that {workspace.name} used does not answer", cause=error.cause) from None
    try:
        return _remove(engine, workspace)
    finally:
        engine.close()


def remove_orphaned(engine: Engine) -> int:
    """Remove what belongs to workspaces of this user that were deleted (someone emptied /tmp).

    Returns:
        the number of containers.
    """
    labelled = _labelled(engine, f"{OWNER_LABEL}={owner()}")
    workspaces = {(each.get("Labels") or {}).get(WORKSPACE_LABEL) for each in labelled}
    return sum(_remove(engine, Path(path)) for path in sorted(filter(None, workspaces)) if not Path(path).is_dir())


def remove_stages(engine: Engine, build_output: str) -> None:
    """Remove the unnamed images of a build's inner stages, which an engine without BuildKit never removes.

    The build's output names their ids. An image that has a name, or is in use, stays.
    """
    for short in reversed(_STAGE.findall(build_output)):
        image = engine.image(short)
        if image is not None and not image.tags:
            with contextlib.suppress(docker.errors.APIError):
                engine.client.api.remove_image(short)


def _labelled(engine: Engine, label: str) -> Iterator[dict[str, dict[str, str] | None]]:
    """Everything on the engine that carries the label."""
    filters = {"label": label}
    yield from engine.client.api.containers(all=True, filters=filters)
    yield from engine.client.api.networks(filters=filters)
    yield from engine.client.api.volumes(filters=filters)["Volumes"] or []
    yield from engine.client.api.images(filters=filters)


def _remove(engine: Engine, workspace: Path) -> int:
    """Remove everything that belongs to a workspace; return the number of containers.

    Raises:
        StackError: the engine cannot remove something.
    """
    api, filters = engine.client.api, {"label": f"{WORKSPACE_LABEL}={workspace}"}
    containers = [each["Id"] for each in api.containers(all=True, filters=filters)]

    def remove_container(container: str) -> None:
        _ignore_missing(partial(api.remove_container, container, v=True, force=True))

    with ThreadPoolExecutor(4) as pool, translate_errors("what the run created cannot be removed"):
        list(pool.map(remove_container, containers))
        for network in api.networks(filters=filters):
            _ignore_missing(partial(api.remove_network, network["Id"]))
        for volume in api.volumes(filters=filters)["Volumes"] or []:
            _ignore_missing(partial(api.remove_volume, volume["Name"], force=True))
        _remove_images(engine, workspace, filters)
    return len(containers)


def _remove_images(engine: Engine, workspace: Path, filters: dict[str, str]) -> None:
    """Remove images by name: one that was only tagged for the workspace keeps its other names."""
    api, prefix = engine.client.api, namespace(workspace)
    flat = prefix.replace("/", "-")
    for pattern in (prefix, f"{prefix}/*", f"{flat}-*"):
        for image in api.images(filters={"reference": pattern}):
            for name in image["RepoTags"] or ():
                if name.startswith((f"{prefix}:", f"{prefix}/", f"{flat}-")):
                    _ignore_missing(partial(api.remove_image, name, force=True))
    # A release that is derived again takes the name from the first image.
    for image in api.images(filters={**filters, "dangling": True}):
        _ignore_missing(partial(api.remove_image, str(image["Id"]), force=True))


def _ignore_missing(remove: Callable[[], object]) -> None:
    """Remove something that may be gone already, or that another process is removing."""
    try:
        remove()
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != 409 or "already in progress" not in str(error):
            raise


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Name the engine of the run that is cleaned up, which Docker's client takes from environment variables."""
    before = {name: os.environ.pop(name, None) for name in VARIABLES}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

"""The Docker engine: whether one answers, what of ours is on it, and how that is removed.

Everything that is created carries the path of its workspace as a label. So what a killed run has left is found by
whoever removes the workspace, and nothing else is ever touched.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import requests.exceptions
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from testcontainers.core.config import testcontainers_config
from testcontainers.core.docker_client import DockerClient

from rollback_drills.core.errors import (
    RuntimeUnavailableError,
    StackError,
)
from rollback_drills.runtimes.workspace.directory import ENGINE, Workspace

T = TypeVar("T")
LABEL = "org.rollback-drills"
WORKSPACE_LABEL = f"{LABEL}.workspace"
OWNER_LABEL = f"{LABEL}.owner"
NO_SUCH = docker.errors.NotFound
ApiError = docker.errors.APIError
ANSWER_TIMEOUT = 60  # seconds for one request to the engine
_PING_TIMEOUT = 10
# What says which engine is meant, and how it is reached: https://docs.docker.com/reference/cli/docker/#environment-variables
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_CONFIG")
_STAGE = re.compile(r"^\s*---> ([0-9a-f]{12})\s*$", re.MULTILINE)
_TAKEN = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)


class _Creating(DockerClient):
    """What an interrupted run was about to create exists when the interruption goes on, so that the clean-up sees it.

    The engine goes on with a request whose client has hung up. Only the creation: waiting for more may be interrupted.
    """

    def create(self, *arguments: Any, **options: Any) -> Container:
        return to_its_end(lambda: super(_Creating, self).create(*arguments, **options))

    def client_networks_create(self, name: str, param: dict[str, Any]) -> Network:
        return to_its_end(lambda: super(_Creating, self).client_networks_create(name, param))


def to_its_end(act: Callable[[], T]) -> T:
    """Do something on a thread, which signals do not reach; an exception in this one waits for its end."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


class Engine:
    """A connection to the engine that the environment names (``DOCKER_HOST``, else Docker's context).

    Raises:
        RuntimeUnavailable: none answers, saying why and what to do.
    """

    def __init__(self) -> None:
        self.named = os.environ.get("DOCKER_HOST", "")
        self.testcontainers = _connected(self.named)
        self.client: docker.DockerClient = self.testcontainers.client
        self.client.api.timeout = ANSWER_TIMEOUT
        host = self.testcontainers.host()
        self.host = "127.0.0.1" if host == "localhost" else host
        # Published to this machine alone where the engine is on it.
        self.publish_on = "127.0.0.1" if self.host == "127.0.0.1" else "0.0.0.0"

    @property
    def local(self) -> bool:
        """Whether its published ports are on this machine's loopback address."""
        return self.publish_on == "127.0.0.1"

    def facts(self) -> dict[str, str]:
        version = self.client.version()
        return {
            "engine": f"{version.get('Version')} (API {version.get('ApiVersion')})",
            "platform": f"{version.get('Os')}/{version.get('Arch')}, kernel {version.get('KernelVersion')}",
            "engine host": self.named or "the default socket",
        }

    def image(self, name: str) -> Image | None:
        """The image as the engine has it, None where it has not."""
        try:
            return self.client.images.get(name)
        except docker.errors.ImageNotFound:
            return None

    def close(self) -> None:
        self.client.close()


def _connected(named: str) -> DockerClient:
    with warnings.catch_warnings():
        # docker-py leaves a socket that could not connect to be collected, which must not show up anywhere later.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return _Creating(timeout=_PING_TIMEOUT)
        except (docker.errors.DockerException, OSError, ValueError) as error:
            refusal = _no_engine(error, named)
        gc.collect()
    raise refusal


def owner() -> str:
    """Whose resources these are: a workspace's path means something on this host and for this user only.

    A container with the host's name (``--network host``) and the host's engine has another /tmp all the same: there the
    mount namespace differs.
    """
    try:
        mounts = f"/{os.stat('/proc/self/ns/mnt').st_ino}"
    except OSError:  # not Linux
        mounts = ""
    return f"{os.getuid()}@{socket.gethostname()}{mounts}"


def labels(workspace: Path) -> dict[str, str]:
    return {WORKSPACE_LABEL: str(workspace), OWNER_LABEL: owner()}


def record(workspace: Workspace) -> None:
    """Write down which engine a workspace uses, before anything is created there."""
    known = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    (workspace.path / ENGINE).write_text(json.dumps(known))


def settle_ryuk(engine: Engine, *, keep: bool) -> str:
    """Testcontainers' own remover is used where its image is there, and nothing is to be kept; what was decided."""
    image: str = testcontainers_config.ryuk_image
    if not keep and not testcontainers_config.ryuk_disabled and engine.image(image) is not None:
        return f"Ryuk ({image}), and by label at the end"
    testcontainers_config.ryuk_disabled = True
    return "by label at the end, on signals, and at the next start"


def remove_of(workspace: Path) -> int:
    """Remove every container, network, volume and image of a workspace; how many containers that were.

    Raises:
        StackError: the engine does not answer any more, or cannot remove something.
    """
    try:
        recorded = dict(json.loads((workspace / ENGINE).read_text()))
    except (OSError, ValueError):
        return 0
    with _environment(recorded):
        try:
            engine = Engine()
        except RuntimeUnavailableError as error:
            raise StackError(f"the engine that {workspace.name} used does not answer", cause=error.cause) from None
    try:
        return _remove(engine, workspace)
    finally:
        engine.close()


def remove_orphaned(engine: Engine) -> int:
    """Remove what belongs to workspaces of ours that are not there any more (a cleaned /tmp); containers removed."""
    found = {
        path
        for labelled in _everything(engine, f"{OWNER_LABEL}={owner()}")
        if (path := (labelled.get("Labels") or {}).get(WORKSPACE_LABEL))
    }
    return sum(_remove(engine, Path(path)) for path in sorted(found) if not Path(path).is_dir())


def _everything(engine: Engine, label: str) -> Iterator[dict[str, dict[str, str] | None]]:
    chosen = {"label": label}
    yield from engine.client.api.containers(all=True, filters=chosen)
    yield from engine.client.api.networks(filters=chosen)
    yield from engine.client.api.volumes(filters=chosen)["Volumes"] or []
    yield from engine.client.api.images(filters=chosen)


def namespace(workspace: Path) -> str:
    """How the names of all images begin that are made for one workspace."""
    return f"rollback-drills/{workspace.name.lower()}"


def _remove(engine: Engine, workspace: Path) -> int:
    """Remove all that belongs to a workspace; how many containers that were.

    Raises:
        StackError: something is still there afterwards.
    """
    api, chosen = engine.client.api, {"label": f"{WORKSPACE_LABEL}={workspace}"}
    containers = [each["Id"] for each in api.containers(all=True, filters=chosen)]
    with ThreadPoolExecutor(4) as pool, translate_errors("what the run had created cannot be removed"):
        list(
            pool.map(lambda each: _ignore_missing(partial(api.remove_container, each, v=True, force=True)), containers)
        )
        for network in api.networks(filters=chosen):
            _ignore_missing(partial(api.remove_network, network["Id"]))
        for volume in api.volumes(filters=chosen)["Volumes"] or []:
            _ignore_missing(partial(api.remove_volume, volume["Name"], force=True))
        _remove_images(engine, workspace, chosen)
    return len(containers)


def _remove_images(engine: Engine, workspace: Path, chosen: dict[str, str]) -> None:
    """By name: an image that was only named for the workspace may be another's as well, and keeps its other names."""
    api, ours = engine.client.api, namespace(workspace)
    flat = ours.replace("/", "-")
    for pattern in (ours, f"{ours}/*", f"{flat}-*"):
        for image in api.images(filters={"reference": pattern}):
            for name in image["RepoTags"] or ():
                if name.startswith((f"{ours}:", f"{ours}/", f"{flat}-")):
                    _ignore_missing(partial(api.remove_image, name, force=True))
    for image in api.images(filters={**chosen, "dangling": True}):  # derived twice, the first one has lost its name
        _ignore_missing(partial(api.remove_image, str(image["Id"]), force=True))


def forget_stages(engine: Engine, build_output: str) -> None:
    """Remove the nameless images of a build's inner stages, which an engine without BuildKit keeps for ever.

    They are known by the lines in which the build has named them; what has a name, or is used, stays.
    """
    for short in reversed(_STAGE.findall(build_output)):
        image = engine.image(short)
        if image is not None and not image.tags:
            with contextlib.suppress(docker.errors.APIError):
                engine.client.api.remove_image(short)


def _ignore_missing(remove: Callable[[], object]) -> None:
    """Removing what is gone already, or is being removed by somebody else, is no error."""
    try:
        remove()
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != 409 or "already in progress" not in str(error):
            raise


@contextlib.contextmanager
def _environment(recorded: dict[str, str]) -> Iterator[None]:
    """The engine is found by environment variables: those of the run that is cleaned up, for a moment."""
    before = {name: os.environ.pop(name, None) for name in VARIABLES}
    os.environ.update(recorded)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def translate_errors(what: str, *, fix: str = "") -> Iterator[None]:
    """Turn the engine's errors into ours.

    Raises:
        StackError: with ``what``, the engine's own words, and a remedy where its words are known.
    """
    try:
        yield
    except docker.errors.DockerException as error:
        raise StackError(what, cause=words_of(error), fix=remedy_in(words_of(error)) or fix) from None
    except requests.exceptions.RequestException as error:
        raise StackError(what, cause=f"the engine does not answer: {error}", fix="see whether it still runs") from None


def words_of(error: Exception) -> str:
    """What the engine itself said, without the HTTP around it."""
    return str(getattr(error, "explanation", None) or error)


def port_is_taken(error: Exception) -> bool:
    return bool(_TAKEN.search(words_of(error)))


def remedy_in(words: str) -> str:
    """What to do, where the words of an engine or of a container are known; else nothing."""
    if "no space left" in words.lower():
        return "free space where the engine keeps its data (`docker system df` shows what takes it)"
    if _TAKEN.search(words):
        return "end the program that listens there"
    return ""


def _no_engine(error: Exception, named: str) -> RuntimeUnavailableError:
    """The causes that a person meets, each with its own remedy."""
    where = named or "the default socket (DOCKER_HOST is not set)"
    words = str(error)
    start = "start it (`systemctl start docker`), let DOCKER_HOST name another, or use --drill-runtime=embedded"
    if "PermissionError" in words or "Permission denied" in words:
        cause = "permission denied on its socket"
        fix = "join the group docker (`usermod -aG docker $USER`, then log in again), or use --drill-runtime=embedded"
    elif "FileNotFoundError" in words:
        cause, fix = "there is no such socket: no engine is running, or none is installed", start
    elif "Connection refused" in words or "ConnectionRefusedError" in words:
        cause, fix = "the connection is refused: the engine is down", start
    elif "paramiko" in words:
        cause, fix = "the Python package paramiko is missing", "install pytest-rollback-drills[ssh]"
    elif "timed out" in words.lower():
        cause, fix = f"no answer within {_PING_TIMEOUT} s", "see whether the engine hangs: `docker version`"
    else:
        cause, fix = words, "correct DOCKER_HOST, or see what `docker version` says"
    return RuntimeUnavailableError(f"no Docker engine answers at {where}", cause=cause, fix=fix)

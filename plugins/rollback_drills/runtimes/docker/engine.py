"""The Docker engine: connecting to it, labelling what is created there, and its errors in words.

Everything created on the engine carries the path of its workspace as a label, by which `cleanup` finds it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import requests.exceptions
from docker.models.containers import Container
from docker.models.images import Image
from docker.models.networks import Network
from testcontainers.core.docker_client import DockerClient

from rollback_drills.core.errors import RuntimeUnavailableError, StackError

T = TypeVar("T")
LABEL = "org.rollback-drills"
WORKSPACE_LABEL = f"{LABEL}.workspace"
OWNER_LABEL = f"{LABEL}.owner"
ApiError = docker.errors.APIError
ANSWER_TIMEOUT = 60  # seconds for one request to the engine
_PING_TIMEOUT = 10
# They name the engine and how to reach it: https://docs.docker.com/reference/cli/docker/#environment-variables
VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_CONFIG")
_TAKEN = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)


class _UninterruptedClient(DockerClient):
    """Finishes the creation of a container or network before an interruption goes on, so that the clean-up sees it.

    The engine carries out a request even if its client hangs up. Everything else may be interrupted.
    """

    def create(self, *arguments: Any, **options: Any) -> Container:
        return uninterrupted(lambda: super(_UninterruptedClient, self).create(*arguments, **options))

    def client_networks_create(self, name: str, param: dict[str, Any]) -> Network:
        return uninterrupted(lambda: super(_UninterruptedClient, self).client_networks_create(name, param))


def uninterrupted(act: Callable[[], T]) -> T:
    """Act on a thread, which signals do not reach; an exception in the calling thread waits for its end."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(act).result()


class Engine:
    """A connection to the engine that the environment names (``DOCKER_HOST``, else Docker's context).

    Raises:
        RuntimeUnavailableError: no engine answers; with the reason and the remedy.
    """

    def __init__(self) -> None:
        self.address = os.environ.get("DOCKER_HOST", "")
        self.testcontainers = _connect(self.address)
        self.client: docker.DockerClient = self.testcontainers.client
        self.client.api.timeout = ANSWER_TIMEOUT
        host = self.testcontainers.host()
        self.host = "127.0.0.1" if host == "localhost" else host
        # Ports are published to this machine alone if the engine runs on it.
        self.publish_on = "127.0.0.1" if self.host == "127.0.0.1" else "0.0.0.0"

    @property
    def local(self) -> bool:
        """Whether published ports are on this machine's loopback address."""
        return self.publish_on == "127.0.0.1"

    def facts(self) -> dict[str, str]:
        version = self.client.version()
        return {
            "engine": f"{version.get('Version')} (API {version.get('ApiVersion')})",
            "platform": f"{version.get('Os')}/{version.get('Arch')}, kernel {version.get('KernelVersion')}",
            "engine host": self.address or "the default socket",
        }

    def image(self, name: str) -> Image | None:
        """The image, or None if the engine does not have it."""
        try:
            return self.client.images.get(name)
        except docker.errors.ImageNotFound:
            return None

    def close(self) -> None:
        self.client.close()


def _connect(address: str) -> DockerClient:
    with warnings.catch_warnings():
        # docker-py does not close a socket that failed to connect; its warning must not surface in a later test.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            return _UninterruptedClient(timeout=_PING_TIMEOUT)
        except (docker.errors.DockerException, OSError, ValueError) as error:
            refusal = _no_engine(error, address)
        gc.collect()
    raise refusal


def owner() -> str:
    """User, host and mount namespace: only there does the path of a workspace have a meaning.

    A container with the host's name (``--network host``) that uses the host's engine has a /tmp of its own; its mount
    namespace differs.
    """
    try:
        mounts = f"/{os.stat('/proc/self/ns/mnt').st_ino}"
    except OSError:  # not Linux
        mounts = ""
    return f"{os.getuid()}@{socket.gethostname()}{mounts}"


def labels(workspace: Path) -> dict[str, str]:
    return {WORKSPACE_LABEL: str(workspace), OWNER_LABEL: owner()}


def namespace(workspace: Path) -> str:
    """The prefix of the names of all images that are made for one workspace."""
    return f"rollback-drills/{workspace.name.lower()}"


@contextlib.contextmanager
def translate_errors(what: str, *, fix: str = "") -> Iterator[None]:
    """Turn the engine's errors into a StackError.

    Args:
        fix: the remedy for a message that is not known.

    Raises:
        StackError: with ``what``, the engine's message, and the remedy for it.
    """
    try:
        yield
    except docker.errors.DockerException as error:
        raise StackError(what, cause=message_of(error), fix=remedy_for(message_of(error)) or fix) from None
    except requests.exceptions.RequestException as error:
        cause = f"the engine does not answer: {error}"
        raise StackError(what, cause=cause, fix="check whether the engine is still running") from None


def message_of(error: Exception) -> str:
    """The engine's own message, without the HTTP around it."""
    return str(getattr(error, "explanation", None) or error)


def port_is_taken(error: Exception) -> bool:
    return bool(_TAKEN.search(message_of(error)))


def remedy_for(message: str) -> str:
    """The remedy for a known message of an engine or a container, else an empty string."""
    if "no space left" in message.lower():
        return "free space where the engine keeps its data (`docker system df` shows what takes it)"
    if _TAKEN.search(message):
        return "end the program that listens there"
    return ""


def _no_engine(error: Exception, address: str) -> RuntimeUnavailableError:
    """The usual causes, each with its own remedy."""
    where = address or "the default socket (DOCKER_HOST is not set)"
    message = str(error)
    start = "start it (`systemctl start docker`), set DOCKER_HOST to another, or use --drill-runtime=embedded"
    if "PermissionError" in message or "Permission denied" in message:
        cause = "permission denied on its socket"
        fix = "join the group docker (`usermod -aG docker $USER`, then log in again), or use --drill-runtime=embedded"
    elif "FileNotFoundError" in message:
        cause, fix = "there is no such socket: no engine is running, or none is installed", start
    elif "Connection refused" in message or "ConnectionRefusedError" in message:
        cause, fix = "the connection is refused: the engine is down", start
    elif "paramiko" in message:
        cause, fix = "the Python package paramiko is missing", "install pytest-rollback-drills[ssh]"
    elif "timed out" in message.lower():
        cause, fix = f"no answer within {_PING_TIMEOUT} s", "check whether the engine hangs: `docker version`"
    else:
        cause, fix = message, "correct DOCKER_HOST, or run `docker version` for details"
    return RuntimeUnavailableError(f"no Docker engine answers at {where}", cause=cause, fix=fix)

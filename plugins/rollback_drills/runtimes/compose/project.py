"""A private copy of the user's compose project, with its own name, ports, volumes, images and .env.

An override file beside the copy holds all that differs from the user's file; the evidence shows it. Commands run in the
copy as the runbook writes them: `COMPOSE_FILE` and `COMPOSE_PROJECT_NAME` do the rest.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import docker.errors
from docker.models.containers import Container

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.core.private_files import CALLERS_UMASK
from rollback_drills.runtimes.compose.safety import Model, require_isolation
from rollback_drills.runtimes.compose.selection import selection
from rollback_drills.runtimes.docker.engine import VARIABLES, Engine, labels, namespace
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.protocols import CommandResult, ReleaseSelection
from rollback_drills.runtimes.releases.trees import LEFT_OUT
from rollback_drills.target.system_tables import Compose
from rollback_drills.target.target import Target

OVERRIDE = "rollback-drills.override.yaml"
ENVIRONMENT = ".env"
COMMAND_TIMEOUT = 120.0  # seconds for one compose command, starts of containers included
DATABASE_PORT = 5432
OLDEST = (2, 24, 4)  # the first Compose that knows !override: https://docs.docker.com/reference/compose-file/merge/
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_CREDENTIALS = ("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB")
# The data need not survive the machine, so nothing waits for the disk. A killed server must lose nothing, though.
_DURABILITY = ("fsync=off", "full_page_writes=off")


class ComposeProject:
    """The copy, and the command line that works on it.

    Args:
        private: this worker's directory, which will hold the copy.
    """

    def __init__(self, target: Target, private: Path, engine: Engine) -> None:
        assert target.compose is not None
        self.settings: Compose = target.compose
        self._target, self._private, self._engine = target, private, engine
        self._around = private / "compose"  # private; the copy keeps the modes that its containers need
        self.directory = self._around / "project"
        self.name = namespace(private).replace("/", "-")
        self.password = secrets.token_urlsafe(24).replace("-", "x").replace("_", "x")
        self.gateway_port = free_port()
        self.database_port = free_port()
        self.model: Model = {}
        self.override = ""

    # --- creating it -----------------------------------------------------------------------------------

    def create(self) -> None:
        """Copy the project directory, and write its .env and the override.

        Raises:
            RuntimeUnavailableError: there is no such project, Compose refuses it, or it would reach beyond itself.
        """
        origin = self._target.path(self.settings.directory)
        for file in self.settings.files:
            if not (origin / file).is_file():
                raise RuntimeUnavailableError(
                    f"there is no compose file {origin / file}",
                    fix=f"correct directory or files under [compose] in {self._target.file}",
                )
        self._around.mkdir(mode=0o700, exist_ok=True)
        shutil.copytree(origin, self.directory, symlinks=True, ignore=LEFT_OUT)
        (self.directory / ENVIRONMENT).unlink(missing_ok=True)  # the user's: passwords of production systems
        (self.directory / ENVIRONMENT).touch(mode=0o600)
        self.edit_environment(self._initial_environment())
        template = self._config("--no-interpolate", files=self.settings.files)
        model = self._config(files=self.settings.files)
        self._require_services(model)
        require_isolation(model, self.directory)
        self.override = self._override(template, model)
        (self.directory / OVERRIDE).write_text(self.override)
        self.model = self._config()

    def _initial_environment(self) -> dict[str, str | None]:
        password = {self.settings.password_variable: self.password} if self.settings.password_variable else {}
        return {**self.settings.env, **password, self.settings.release_variable: self._target.current}

    def _require_services(self, model: Model) -> None:
        for role, name in (("gateway", self.settings.gateway), ("database", self.settings.database)):
            if name not in model["services"]:
                raise RuntimeUnavailableError(
                    f"there is no service {name!r} in {', '.join(self.settings.files)}",
                    cause=f"it has: {', '.join(sorted(model['services']))}",
                    fix=f"correct compose.{role} in {self._target.file}",
                )

    def _override(self, template: Model, model: Model) -> str:
        """The override file: YAML whose values are written as JSON, which is YAML too."""
        mark = json.dumps(labels(self._private))
        lines = ["# Written by rollback-drills: what a drill changes in your compose file.", "services:"]
        for name, service in model["services"].items():
            lines += [f"  {json.dumps(name)}:", f"    labels: {mark}", f"    ports: !override {self._ports(name)}"]
            if "container_name" in service:
                lines.append("    container_name: !reset null")
            if name == self.settings.gateway and "image" in service:
                lines.append(f"    image: {json.dumps(self._private_image(template['services'][name]['image']))}")
            if name == self.settings.database:
                lines += _fast_database(service)
        for kind in ("volumes", "networks"):
            lines.append(f"{kind}:")
            for name, resource in {**({"default": {}} if kind == "networks" else {}), **model.get(kind, {})}.items():
                lines += [f"  {json.dumps(name)}:", f"    labels: {mark}"]
                if resource.get("external"):
                    lines.append("    external: !reset null")
                if resource.get("name"):
                    lines.append(f"    name: !override {json.dumps(f'{self.name}_{name}')}")
            if lines[-1] == f"{kind}:":
                lines.pop()
        return "\n".join(lines) + "\n"

    def _ports(self, service: str) -> str:
        inner, outer = {
            self.settings.gateway: (self._target.gateway.container_port, self.gateway_port),
            self.settings.database: (DATABASE_PORT, self.database_port),
        }.get(service, (0, 0))
        return json.dumps([f"{self._engine.publish_on}:{outer}:{inner}"] if outer else [])

    def _private_image(self, template: str) -> str:
        """A private name for the user's image, with its placeholders: a build or tag never touches the original."""
        return f"{namespace(self._private)}/{template}"

    # --- using it --------------------------------------------------------------------------------------

    def edit_environment(self, variables: Mapping[str, str | None]) -> None:
        """Change lines of .env, as the runbook does; None removes a variable."""
        file = self.directory / ENVIRONMENT
        lines = file.read_text().splitlines()
        for name, value in variables.items():
            kept = [line for line in lines if not re.match(rf"\s*(export\s+)?{re.escape(name)}\s*=", line)]
            lines = kept if value is None else [*kept, f"{name}={_quoted(value)}"]
        file.write_text("".join(f"{line}\n" for line in lines))

    def compose(
        self,
        *arguments: str,
        timeout: float = COMMAND_TIMEOUT,
        variables: Mapping[str, str] | None = None,
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        """Run ``docker compose …`` in the copy."""
        return self.run(["docker", "compose", *arguments], timeout=timeout, variables=variables, kill_when=kill_when)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = COMMAND_TIMEOUT,
        variables: Mapping[str, str] | None = None,
        files: Sequence[str] = (),
        kill_when: Callable[[], bool] | None = None,
    ) -> CommandResult:
        """Run any command in the copy, in an environment in which `docker compose` means this project."""
        return process.run(
            argv,
            cwd=self.directory,
            env=process.clean_environment(self._private, {**self._variables(files), **(variables or {})}),
            timeout=timeout,
            where="the compose project",
            umask=CALLERS_UMASK,
            kill_when=kill_when,
        )

    def _variables(self, files: Sequence[str]) -> dict[str, str]:
        docker = shutil.which("docker") or "docker"
        known = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
        return {
            # The directory of the docker command's configuration holds its plugins (Compose) and registry credentials.
            "DOCKER_CONFIG": str(Path("~/.docker").expanduser()),
            **known,
            "PATH": f"{Path(docker).parent}:{os.defpath}",
            "COMPOSE_PROJECT_NAME": self.name,
            "COMPOSE_FILE": os.pathsep.join(files or [*self.settings.files, OVERRIDE]),
            "COMPOSE_ANSI": "never",
            "COMPOSE_PROGRESS": "plain",
        }

    def _config(self, *options: str, files: Sequence[str] = (), variables: Mapping[str, str] | None = None) -> Model:
        argv = ["docker", "compose", "config", "--format", "json", *options]
        result = self.run(argv, files=files, variables=variables)
        if not result.ok:
            origin = self._target.path(self.settings.directory)
            raise RuntimeUnavailableError(
                f"Compose refuses {', '.join(str(origin / file) for file in self.settings.files)}",
                cause=result.stderr.replace(str(self.directory), str(origin)),
                fix=f"correct it, or add what is missing to env under [compose] in {self._target.file}",
            )
        return dict(json.loads(result.stdout))

    def image_of(self, release: str) -> str:
        """The name of the gateway's image when the release variable has this value."""
        model = self._config(variables={self.settings.release_variable: release})
        gateway = model["services"][self.settings.gateway]
        return str(gateway.get("image") or f"{self.name}-{self.settings.gateway}:latest")

    @cached_property
    def selection(self) -> ReleaseSelection:
        """What the user's files make of the release variable, set in .env, where services may read it as a file."""
        file = self.directory / ENVIRONMENT
        kept = file.read_text()
        models = []
        try:
            for release in (self._target.current, self._target.previous):
                self.edit_environment({self.settings.release_variable: release})
                models.append(self._config(files=self.settings.files))
        finally:
            file.write_text(kept)
        return selection(self.settings.release_variable, self.settings.gateway, *models)

    def container(self, service: str) -> Container | None:
        """The service's container in its current state, running or not; None if there is none."""
        wanted = [
            f"com.docker.compose.project={self.name}",
            f"com.docker.compose.service={service}",
            "com.docker.compose.oneoff=False",
        ]
        for found in self._engine.client.api.containers(all=True, filters={"label": wanted}):
            with contextlib.suppress(docker.errors.NotFound):  # Compose may be replacing it
                return self._engine.client.containers.get(found["Id"])
        return None

    @property
    def network(self) -> str:
        """The name of a network that the database is on."""
        networks = self.model["services"][self.settings.database].get("networks") or {"default": None}
        return str(self.model["networks"][next(iter(networks))]["name"])

    def credentials(self) -> tuple[str, str, str]:
        """User, password and database, from the variables of PostgreSQL's image.

        Raises:
            RuntimeUnavailableError: the file sets no password.
        """
        environment = self.model["services"][self.settings.database].get("environment") or {}
        user, password, database = (environment.get(name) for name in _CREDENTIALS)
        if not password:
            raise RuntimeUnavailableError(
                f"the service {self.settings.database} has no POSTGRES_PASSWORD",
                fix="configure the service like PostgreSQL's official image, which the compose runtime needs",
            )
        return user or "postgres", password, database or user or "postgres"


def require_compose() -> str:
    """Return the version of Compose.

    Raises:
        RuntimeUnavailableError: it is missing or too old.
    """
    fix = "install Compose 2.24.4 or newer as a plugin of the docker command, or use --drill-runtime=docker"
    docker = shutil.which("docker")
    if docker is None:
        raise RuntimeUnavailableError("there is no docker command in PATH, and Compose is a plugin of it", fix=fix)
    config = os.environ.get("DOCKER_CONFIG") or str(Path("~/.docker").expanduser())
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home()), "DOCKER_CONFIG": config}
    result = process.run([docker, "compose", "version", "--short"], cwd=Path("/"), env=environment, timeout=30)
    version = result.stdout.strip().removeprefix("v")
    numbers = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if not result.ok or numbers is None:
        raise RuntimeUnavailableError("`docker compose` does not work", cause=result.output, fix=fix)
    if tuple(map(int, numbers.groups())) < OLDEST:
        raise RuntimeUnavailableError(f"Compose {version} is too old", fix=fix)
    return version


def _fast_database(service: Model) -> list[str]:
    command = service.get("command")
    if service.get("entrypoint") or (command and command[0] != "postgres"):
        return []
    settings = [part for setting in _DURABILITY for part in ("-c", setting)]
    return [f"    command: !override {json.dumps([*(command or ['postgres']), *settings])}"]


def _quoted(value: str) -> str:
    """For .env: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax"""
    if _PLAIN.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'

"""The compose project as an operator works on it: a shell in its directory, and the engine's view of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.compose.project import ComposeProject
from rollback_drills.runtimes.docker.cleanup import remove_stages
from rollback_drills.runtimes.docker.containers import environment_of
from rollback_drills.runtimes.docker.engine import Engine
from rollback_drills.runtimes.protocols import CommandLog, CommandResult, ReleaseSelection, ServiceState

SHELL_TIMEOUT = 600.0  # seconds for a line of a runbook, a build included


class LiteralProject:
    """Implements `rollback_drills.runtimes.protocols.Project` on the private copy of the compose project."""

    def __init__(self, copy: ComposeProject, engine: Engine, meter: Meter, command_log: CommandLog) -> None:
        self._copy, self._engine, self._meter, self._command_log = copy, engine, meter, command_log

    @property
    def services(self) -> tuple[str, str]:
        return self._copy.settings.gateway, self._copy.settings.database

    @property
    def selection(self) -> ReleaseSelection:
        return self._copy.selection

    def shell(self, command: str, *, variables: Mapping[str, str] | None = None) -> CommandResult:
        with self._meter.target():
            result = self._copy.run(["bash", "-c", command], variables=variables, timeout=SHELL_TIMEOUT)
            remove_stages(self._engine, result.output)
        return self._command_log.add(replace(result, argv=(command,)))

    def service(self, name: str) -> ServiceState | None:
        container = self._copy.container(name)
        if container is None:
            return None
        mounts = container.attrs["Mounts"]
        project = container.attrs["Config"]["Labels"]["com.docker.compose.project"]
        return ServiceState(
            container=str(container.id),
            status=container.status,
            health=container.attrs["State"].get("Health", {}).get("Status", ""),
            image=container.attrs["Image"],
            environment=environment_of(container),
            volumes={
                mount["Destination"]: mount["Name"]
                for mount in mounts
                if mount["Type"] == "volume" and mount["Name"].startswith(project)
            },
            binds={mount["Destination"]: mount["Source"] for mount in mounts if mount["Type"] == "bind"},
        )

    def image(self, release: str) -> str:
        found = self._engine.image(self._copy.image_of(release))
        return str(found.id) if found is not None else ""

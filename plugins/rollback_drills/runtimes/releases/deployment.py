"""What is deployed and how it is configured: the same for every runtime's gateway."""

from __future__ import annotations

from collections.abc import Mapping

from rollback_drills.core.errors import StackError
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.protocols import Stop
from rollback_drills.target.target import Target


class Deployment:
    """The release, whether its start migrates, and the variables that the next creation will have."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._configured: dict[str, str] = {}
        self.release: str | None = None
        self.migrates = False
        self.stops: list[Stop] = []

    def configure(self, variables: Mapping[str, str | None]) -> None:
        """Edit the configuration; None removes a variable."""
        for name, value in variables.items():
            if value is None:
                self._configured.pop(name, None)
            else:
                self._configured[name] = value

    def permit(self, migrate: bool) -> None:
        """Raises StackError when a start is to migrate, and this target's cannot."""
        if migrate and not self._target.gateway.can_migrate:
            raise StackError(
                "this target's gateway cannot migrate when it starts",
                fix=f"set gateway.migrate_on_start or gateway.always_migrates in {self._target.file}",
            )

    def begin(self, release: str, *, migrate: bool) -> None:
        self.release, self.migrates = release, migrate

    def stopped(self, exit_code: int | None, log: str) -> None:
        """Note how the gateway has ended when it was told to."""
        self.stops.append(Stop(self.required(), exit_code, log))

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """The variables that the target file names, filled in, and over them what was configured."""
        templates = dict(self._target.gateway.env)
        if self.migrates:
            templates |= self._target.gateway.migrate_on_start or {}
        return {name: fill(text, values) for name, text in templates.items()} | self._configured

    def required(self) -> str:
        """The release.

        Raises:
            StackError: none has been deployed yet.
        """
        if self.release is None:
            raise StackError("no release has been deployed yet")
        return self.release

"""The deployed release and its configuration, the same for every runtime's gateway."""

from __future__ import annotations

from collections.abc import Mapping

from rollback_drills.core.errors import StackError
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.protocols import Stop
from rollback_drills.target.target import Target


class Deployment:
    """The release, whether its start migrates, and the variables for its next creation."""

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
        """Check that a start may migrate.

        Raises:
            StackError: it is to migrate, and this target's gateway cannot.
        """
        if migrate and not self._target.gateway.can_migrate:
            raise StackError(
                "this target's gateway cannot migrate when it starts",
                fix=f"set gateway.migrate_on_start or gateway.always_migrates in {self._target.file}",
            )

    def begin(self, release: str, *, migrate: bool) -> None:
        self.release, self.migrates = release, migrate

    def stopped(self, exit_code: int | None, log: str, *, left: tuple[str, ...] = (), answering: bool = False) -> None:
        """Record how the gateway ended when it was asked to stop."""
        self.stops.append(Stop(self.required(), exit_code, log, left, answering))

    def environment(self, values: Mapping[str, str]) -> dict[str, str]:
        """The target file's variables, filled in, overridden by the configured ones."""
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

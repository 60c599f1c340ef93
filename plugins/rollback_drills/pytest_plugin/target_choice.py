"""Which target is drilled, and in which runtime: by option, hook, or a project's own fixture `drill_target`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import DrillError, TargetError
from rollback_drills.pytest_plugin.runtime_choice import added_runtimes, choose_runtime
from rollback_drills.pytest_plugin.target_fixture import overridden, require_target

if TYPE_CHECKING:
    from rollback_drills.core.redaction import Redactor
    from rollback_drills.runtimes import Choice
    from rollback_drills.target.target import Target

NO_TARGET = TargetError(
    "no target file is given, so there is no system to drill",
    fix="name one with --drill-target FILE, or with drill_target in pytest's configuration",
)


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption("--drill-target", metavar="FILE", help="target file: the system to drill (ini: drill_target)")
    parser.addini("drill_target", "target file of the drills")


def chosen_target(config: pytest.Config) -> Target | None:
    """What a hook gives, or the named file; None if there is neither.

    Raises:
        TargetError: the file cannot be read, or a hook gave something else.
    """
    given = config.getoption("drill_alembic")
    if given:
        from rollback_drills.lab.bare_alembic import alembic_target

        beside = _load(config) if config.getoption("drill_target") else None
        return alembic_target(Path(config.invocation_params.dir, given), beside)
    found = config.hook.pytest_rollback_drills_target(config=config, load=lambda: _load(config))
    if found is not None:
        return require_target(found, "the hook pytest_rollback_drills_target")
    named = config.getoption("drill_target") or config.getini("drill_target")
    return _load(config) if named else None


def _load(config: pytest.Config) -> Target:
    from rollback_drills.target.target import Target

    given = config.getoption("drill_target")
    if given:
        return Target.load(Path(config.invocation_params.dir, given).resolve())
    default = config.getini("drill_target")
    if not default:
        raise NO_TARGET
    root: Path = config.inipath.parent if config.inipath else config.rootpath
    return Target.load(root / str(default))


class TargetChoice:
    """The target that one process drills, and its runtime.

    A project's own fixture `drill_target` may replace the named target until the first drill settles it. The redactor
    is given every target's secrets.

    Args:
        performs: whether drills will run.
        is_controller_of_workers: whether this process only distributes drills, and so never sees a fixture.

    Raises:
        DrillError: the target file is wrong, the runtime cannot run it, or a hook gave something unusable.
    """

    def __init__(
        self, config: pytest.Config, redactor: Redactor, *, performs: bool, is_controller_of_workers: bool
    ) -> None:
        self._config, self._redactor, self._performs = config, redactor, performs
        self._named = self._target = chosen_target(config)
        self._settled: Target | None = None
        self._by_fixture = False
        self._runtimes = added_runtimes(config)
        self._choice: Choice | None = None
        if self._target is not None:
            self._hide_secrets(self._target)
            self._choice = self._choose(self._target)
        elif is_controller_of_workers:
            raise NO_TARGET

    @property
    def known(self) -> Target | None:
        """The target, or None until a fixture gives one."""
        return self._target

    @property
    def target(self) -> Target:
        """The system under drill.

        Raises:
            pytest.UsageError: nothing names one.
        """
        if self._target is None:
            raise pytest.UsageError(str(NO_TARGET))
        return self._target

    @property
    def runtime(self) -> Choice:
        """The runtime, resolved as soon as the target is known."""
        if self._choice is None:
            self._choice = self._choose(self.target)
        return self._choice

    @property
    def is_settled(self) -> bool:
        """Whether a drill has begun, or a fixture was called while tests were collected."""
        return self._settled is not None

    def settle(self, target: Target) -> None:
        """Drill what the fixture `drill_target` gives: the named target, or a project's own.

        Raises:
            TargetError: another target was drilled before.
        """
        if self._settled is not None and target != self._settled:
            both = f"{self._settled.name} ({self._settled.file}) and {target.name} ({target.file})"
            raise TargetError(
                "the fixture drill_target gives two targets in one run",
                cause=both,
                fix="run the drills of each target on their own: one run is the evidence of one system",
            )
        self._settled = target
        if target != self._target:
            self._target, self._choice, self._by_fixture = target, None, True
            self._hide_secrets(target)

    def see_fixture(self, info: object) -> None:
        """Take, while tests are collected, the target of a project's own fixture `drill_target`.

        Args:
            info: pytest's knowledge of a test's fixtures, or None.

        Raises:
            pytest.UsageError: the fixture gives no target, or another than that of other drills.
        """
        try:
            own = overridden(self._config, info, self._named) if info is not None else None
            if own is not None:
                self.settle(own)
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None

    def _hide_secrets(self, target: Target) -> None:
        for value in target.known_secrets:
            self._redactor.add(value)

    def _choose(self, target: Target) -> Choice:
        try:
            return choose_runtime(
                self._config,
                target,
                self._runtimes,
                performs=self._performs,
                takes_controllers_choice=not self._by_fixture,
            )
        except DrillError as error:
            if self._settled is None:
                raise
            raise pytest.UsageError(str(error)) from None

"""The state of one pytest process that performs drills: its target, its workspace, its drills."""

from __future__ import annotations

import getpass
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances
from rollback_drills.pytest_plugin.baseline import Baseline
from rollback_drills.pytest_plugin.drill_factory import DrillFactory
from rollback_drills.pytest_plugin.gamedays import RandomDays, read_options
from rollback_drills.pytest_plugin.keys import MAY_EXECUTE, RUN
from rollback_drills.pytest_plugin.killed_runs import remove_left_overs
from rollback_drills.pytest_plugin.marks import only_shows_something
from rollback_drills.pytest_plugin.plans import Plans, sections_of
from rollback_drills.pytest_plugin.report_directory import report_directory, require_writable
from rollback_drills.pytest_plugin.selection import SelectedRevisions, selected_revisions
from rollback_drills.pytest_plugin.signals import Signals
from rollback_drills.pytest_plugin.target_choice import TargetChoice
from rollback_drills.pytest_plugin.time_limit import time_limit
from rollback_drills.pytest_plugin.worker import WorkerResources
from rollback_drills.runtimes import Choice
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.target import Target


class DrillSession:
    """One per pytest process: the controller, each worker, or the only one.

    Raises:
        DrillError: an option, a hook or the target file is wrong.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        run = config.stash[RUN]
        self.run, self.clock = run.name, run.clock
        given: dict[str, str] | None = getattr(config, "workerinput", None)
        self.is_worker = given is not None
        worker = given["workerid"] if given else "main"
        option = config.option
        self.performs = not (option.collectonly or option.setupplan or only_shows_something(config))
        self.meter, self.redactor = Meter(), _redactor(config)
        self.baseline = Baseline(config)
        self.targets = TargetChoice(
            config,
            self.redactor,
            performs=self.performs,
            is_controller_of_workers=bool(getattr(option, "numprocesses", None)) and not self.is_worker,
        )
        if self.targets.known is not None:
            read_options(config, self.targets.known)  # a mistake in its options is reported before anything is started
        self.reports = report_directory(config)
        self.directory = self.reports / self.run
        if self.performs and not self.is_worker:
            require_writable(self.reports)
        self.keeps_stacks = bool(config.getoption("drill_keep_stack"))
        self.resources = WorkerResources(
            self.run, worker, keep=self.keeps_stacks, meter=self.meter, redactor=self.redactor
        )
        self.plans = Plans(self.targets, self.redactor, sections=sections_of(config), worker=worker)
        self.drills = DrillFactory(
            self.targets,
            clock=run.clock,
            acceptances=self.acceptances,
            meter=self.meter,
            redactor=self.redactor,
            directory=self.directory,
            worker=worker,
            timeout=time_limit(config),
            sections=self.plans.sections,
        )
        self.worker = worker
        self.clean_up_notes: list[str] = []
        self.signals = Signals()

    @property
    def target(self) -> Target:
        """The system under drill.

        Raises:
            pytest.UsageError: nothing names one.
        """
        return self.targets.target

    @property
    def runtime(self) -> Choice:
        """The runtime, resolved as soon as the target is known."""
        return self.targets.runtime

    @property
    def random_days(self) -> RandomDays | None:
        """The random game days to play; None if no option asks for any."""
        return read_options(self.config, self.target)

    @property
    def revisions(self) -> SelectedRevisions:
        """The migrations to prove, read from the scripts on first use."""
        may_execute = self.performs or self.config.stash.get(MAY_EXECUTE, False)
        return selected_revisions(self.config, self.target, self.worker, may_execute=may_execute)

    def acceptances(self, accepted: Sequence[Accepted], *, writes: bool = True) -> Acceptances:
        """Accepted risks on the day on which this run began, those of the baseline included.

        Args:
            writes: whether everything counts as accepted in a run that writes the baseline.
        """
        today = self.config.stash[RUN].today
        if self.baseline.file is None or (self.baseline.writes and not writes):
            return Acceptances(accepted, today)
        return Acceptances([*accepted, *self.baseline.accepted(self.revisions.scripts)], today)

    def close(self) -> None:
        """End the journal, and remove the workspace and everything that runs from it, unless it is kept."""
        self.drills.close()
        self.resources.close()

    def close_quietly(self) -> None:
        """`close`, for hooks that must go on: the next run removes what could not be removed."""
        try:
            self.close()
        except (OSError, DrillError) as error:
            self.clean_up_notes.append(f"{error}")

    def remove_left_overs(self) -> None:
        """Remove what killed runs have left; the header or the summary says what was done."""
        self.clean_up_notes += remove_left_overs(self.reports, self.run)


def _redactor(config: pytest.Config) -> Redactor:
    """A redactor that shortens the paths of this machine."""
    redactor = Redactor()
    paths = {
        sys.executable: "python",
        sys.prefix: "$VENV",
        str(config.rootpath): "$ROOT",
        _temporary_directory(config): "$TMP",
    }
    for path, name in paths.items():
        redactor.shorten(path, name)
    return redactor


def _temporary_directory(config: pytest.Config) -> str:
    """Where pytest lets drills put their files: the path shows the user's name, and nothing of the procedure."""
    given = config.option.basetemp
    if given:
        return str(Path(given).resolve())
    try:
        user = getpass.getuser()
    except (ImportError, OSError, KeyError):  # this machine does not know its name
        user = "unknown"
    return str(Path(tempfile.gettempdir()).resolve() / f"pytest-of-{user}")

"""The state of one pytest process that performs drills: the target, the lab, where evidence goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import DrillError, TargetError
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.acceptance import Acceptances
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.journal import Journal, read_journals
from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.pytest_plugin.collection import Mark, drill_id, mark_of, only_shows_something, summary_of
from rollback_drills.pytest_plugin.gamedays import RandomDays, wanted
from rollback_drills.pytest_plugin.options import option, reports, seconds, temporary
from rollback_drills.pytest_plugin.signals import Signals
from rollback_drills.pytest_plugin.target_choice import NO_TARGET, added_runtimes, chosen_target, overridden
from rollback_drills.pytest_plugin.worker import WorkerResources
from rollback_drills.pytest_plugin.xdist import RUN, RUNTIME
from rollback_drills.runbook import sections
from rollback_drills.runtimes import Choice, resolve, settled
from rollback_drills.runtimes.workspace.directory import sweep
from rollback_drills.target import capabilities
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.system_tables import Objectives
from rollback_drills.target.target import Target

if TYPE_CHECKING:
    from rollback_drills.pytest_plugin.terminal import Progress

KEY = pytest.StashKey["DrillSession"]()
JOURNALS = "journal"


def session_of(config: pytest.Config) -> DrillSession:
    """The drill session of this process, made on first use.

    Raises:
        pytest.UsageError: an option or the target file is wrong.
    """
    if KEY not in config.stash:
        from rollback_drills.pytest_plugin.lifecycle import register

        try:
            config.stash[KEY] = session = DrillSession(config)
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None
        register(config, session)
    return config.stash[KEY]


class DrillSession:
    """One per pytest process: the controller, each worker, or the only one."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        given: dict[str, str] | None = getattr(config, "workerinput", None)
        self.is_worker = given is not None
        self.worker: str = given["workerid"] if given else "main"
        self.clock, self.run = config.stash[RUN].clock, config.stash[RUN].name
        option = config.option
        self.performs = not (option.collectonly or option.setupplan or only_shows_something(config))
        self.meter = Meter()
        self.redactor = Redactor()
        self._target = chosen_target(config)
        self._named, self._own_target = self._target, False
        self._settled_target: Target | None = None
        self._runtimes = added_runtimes(config)
        self._choice: Choice | None = None
        for path, name in ((sys.executable, "python"), (sys.prefix, "$VENV"), (str(config.rootpath), "$ROOT"),
                           (temporary(config), "$TMP")):  # fmt: skip
            self.redactor.shorten(path, name)
        if self._target is not None:
            self._keep_secrets(self._target)
            self._choice = self._choose()
            wanted(config, self._target)  # a mistake in its options is told before anything is started
        elif getattr(config.option, "numprocesses", None) and not self.is_worker:
            raise NO_TARGET  # what a fixture gives is known in the workers only
        self.timeout = seconds(config)
        self.reports = reports(config)
        self.directory = self.reports / self.run
        self.keep = bool(config.getoption("drill_keep_stack"))
        self.premises = WorkerResources(self.run, self.worker, keep=self.keep, meter=self.meter, redactor=self.redactor)
        self.progress: Progress | None = None
        self.swept: list[str] = []
        self.selected: list[Plan] = []
        self.journal_problem = ""
        self._finished: list[DrillEvidence] = []
        self._journal: Journal | None = None
        self.signals = Signals()

    @property
    def target(self) -> Target:
        """The system under drill.

        Raises:
            pytest.UsageError: nothing says which one that is.
        """
        if self._target is None:
            raise pytest.UsageError(str(NO_TARGET))
        return self._target

    @property
    def choice(self) -> Choice:
        """The runtime, resolved as soon as the target is known."""
        if self._choice is None:
            self._choice = self._choose()
        return self._choice

    @property
    def random_days(self) -> RandomDays | None:
        """None where nobody has asked for any."""
        return wanted(self.config, self.target)

    def drill_on(self, target: Target) -> None:
        """Drill what the fixture `drill_target` gives: somebody's own, or the one that was named.

        Raises:
            DrillError: another one was drilled before, or the runtime cannot run it.
        """
        if self._settled_target is not None and target != self._settled_target:
            both = f"{self._settled_target.name} ({self._settled_target.file}) and {target.name} ({target.file})"
            raise TargetError(
                "the fixture drill_target gives two targets in one run", cause=both,
                fix="run the drills of each target on their own: one run is the evidence of one system",
            )  # fmt: skip
        self._settled_target = target
        if target != self._target:
            self._target, self._choice, self._own_target = target, None, True
            self._keep_secrets(target)

    def see_fixture(self, info: object) -> None:
        """Take up what somebody's own fixture `drill_target` gives, while tests are collected.

        Raises:
            pytest.UsageError: it gives no target, or another than that of other drills.
        """
        try:
            own = overridden(self.config, info, self._named) if info is not None else None
            if own is not None:
                self.drill_on(own)
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None

    @property
    def target_is_settled(self) -> bool:
        return self._settled_target is not None

    def _keep_secrets(self, target: Target) -> None:
        for value in target.known_secrets:
            self.redactor.add(value)

    def _choose(self) -> Choice:
        """In a worker what the controller has chosen, so that all of a run do the same."""
        given = self.config.stash.get(RUNTIME, None)
        if given is not None and not self._own_target:
            return settled(*given, self._runtimes)
        name = given[0] if given is not None else option(self.config, "drill_runtime")
        try:
            choice = resolve(name, self.target, to_run=self.performs, tell=_teller(self.config), added=self._runtimes)
        except DrillError as error:
            if self._settled_target is None:
                raise
            raise pytest.UsageError(str(error)) from None
        if self.performs:
            self.config.stash[RUNTIME] = (choice.name, choice.reason)
        return choice

    # --- before the run --------------------------------------------------------------------------------

    def check_mark(self, nodeid: str, mark: Mark) -> None:
        """Raise UsageError when a drill's marker names something that does not exist."""
        try:
            capabilities.missing_capabilities(self.target, mark.requires)
        except DrillError as error:
            raise pytest.UsageError(f"{nodeid}: {error}") from None
        if mark.runbook not in sections.SECTIONS:
            raise pytest.UsageError(f"{nodeid}: runbook={mark.runbook!r} is none of {', '.join(sections.SECTIONS)}")
        if mark.objective is not None and mark.objective not in Objectives.recovery_times():
            known = ", ".join(Objectives.recovery_times())
            raise pytest.UsageError(f"{nodeid}: objective={mark.objective!r} is none of {known}")

    def select(self, marked: Iterable[tuple[pytest.Item, Mark]]) -> None:
        """Note what this process was told to perform."""
        self.selected = [self.plan(drill_id(item, mark), mark, summary_of(item)) for item, mark in marked]

    def plan_of(self, item: pytest.Item) -> Plan:
        """The plan of a marked test."""
        mark = mark_of(item)
        assert mark is not None, item.nodeid
        return self.plan(drill_id(item, mark), mark, summary_of(item))

    def header(self) -> list[str]:
        """What is drilled and where; what was swept is told once."""
        swept, self.swept = self.swept, []
        if self._target is None:
            lines = ["drill target: what the fixture drill_target gives"]
        else:
            target = self._target
            lines = [
                f"drill target: {target.name}, {target.current} back to {target.previous} ({_relative(target.file)})",
                f"drill runtime: {self.choice.name}, {self.choice.reason}",
            ]
        if self.performs:
            lines.append(f"drill reports: {_relative(self.reports)}")
        return [*lines, *(f"drill clean-up: {line}" for line in swept)]

    # --- what it starts --------------------------------------------------------------------------------

    def close(self) -> None:
        """End the journal, and remove the workspace and everything that runs from it, unless it is kept."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self.premises.close()

    def close_quietly(self) -> None:
        """`close`, for hooks that must go on: what could not be removed is removed by the next run."""
        try:
            self.close()
        except (OSError, DrillError) as error:
            self.swept.append(f"{error}")

    def sweep(self) -> None:
        """Remove what killed runs left behind; what was done is told in the header or the summary."""
        try:
            swept = sweep()
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None
        self.swept += [each.told for each in swept]
        for run in dict.fromkeys(each.run for each in swept if each.run != self.run):
            self.swept += self._unreported(run)

    def _unreported(self, run: str) -> list[str]:
        """What there is of a run that was killed before it had written its report."""
        from rollback_drills.report.filing.filing import EVIDENCE  # imports the renderers, which workers do without

        directory = self.reports / run
        files = sorted((directory / JOURNALS).glob("*.jsonl"))
        if not files or (directory / EVIDENCE).exists():
            return []
        drills = read_journals(files)
        ended = sum(drill.verdict != "incomplete" for drill in drills)
        return [
            f"the killed run {run} has no report: of {len(drills)} drills that it began, {ended} were ended, and the "
            f"rest is incomplete; what was recorded is in {_relative(directory / JOURNALS)}"
        ]

    # --- evidence --------------------------------------------------------------------------------------

    def acceptances(self, accepted: Sequence[Accepted]) -> Acceptances:
        """Accepted risks on the day on which this run began."""
        return Acceptances(accepted, self.config.stash[RUN].today)

    def plan(self, drill_id: str, mark: Mark, summary: str) -> Plan:
        return Plan(
            id=drill_id,
            title=self.redactor.text(mark.title),
            runbook=mark.runbook,
            summary=self.redactor.text(summary),
            objective=mark.objective,
            objective_seconds=self.target.objective(mark.objective) if mark.objective else None,
            worker=self.worker,
        )

    def new_drill(self, plan: Plan) -> Drill:
        """A drill that writes into this run's journal and reports its progress."""
        if self._journal is None and not self.journal_problem:
            try:
                file = self.directory / JOURNALS / f"{self.worker}.jsonl"
                self._journal = Journal(file, lambda error: self._journal_broke(file, error))
            except OSError as error:  # the drill is still worth performing; the end of the run says what is missing
                self.journal_problem = f"{self.directory} cannot be made: {error.strerror}"
        return Drill(
            plan,
            target=self.target,
            meter=self.meter,
            redactor=self.redactor,
            directory=self.directory,
            journal=self._journal,
            timeout=self.timeout,
            on_step=self._on_step,
            acceptances=self.acceptances(self.target.accepted),
            clock=self.clock,
        )

    def _journal_broke(self, file: Path, error: OSError) -> None:
        lost = "had this run been killed, its report would have lacked what followed"
        self.journal_problem = f"{file} ends early ({error.strerror}): {lost}"

    def left_out(self, plan: Plan, reason: str) -> DrillEvidence:
        """The evidence of a drill that was selected, and not begun before the run ended."""
        drill = Drill(
            plan, target=self.target, meter=self.meter, redactor=self.redactor, directory=self.directory,
            clock=self.clock,
        )  # fmt: skip
        return drill.skip(reason).model_copy(update={"verdict": "not run"})

    def finished(self, evidence: DrillEvidence) -> None:
        """Hand over the evidence with the next test report."""
        self._finished.append(evidence)

    def take_finished(self) -> list[DrillEvidence]:
        taken, self._finished = self._finished, []
        return taken

    def _on_step(self, plan: Plan, step: Step) -> None:
        if self.progress is not None:
            self.progress.step(plan, step)


def _teller(config: pytest.Config) -> Callable[[str], None]:
    """Progress before the run begins: obtaining images may take minutes."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        return lambda line: reporter.write_line(f"drill runtime: {line}")
    return lambda line: print(f"drill runtime: {line}", file=sys.stderr, flush=True)


def _relative(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)

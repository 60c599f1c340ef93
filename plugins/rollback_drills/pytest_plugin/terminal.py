"""What a person sees in the terminal: the header, each step when it ends, and the summary."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.closed_output import ForgivingOutput
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.pytest_plugin.keys import EVIDENCE
from rollback_drills.pytest_plugin.run_report import RunReporter
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.report.text import one_line, visible

_SIGNS = {"passed": "ok  ", "failed": "FAIL", "error": "ERR "}


class Header:
    """What will be drilled, where, and why there."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    def pytest_report_header(self) -> list[str]:
        session = self._session
        notes, session.clean_up_notes = session.clean_up_notes, []  # the summary shows only later ones
        target = session.targets.known
        if target is None:
            lines = ["drill target: given by the fixture drill_target"]
        else:
            lines = [
                f"drill target: {target.name}, {target.current} back to {target.previous} ({_relative(target.file)})",
                f"drill runtime: {session.runtime.name}, {session.runtime.reason}",
            ]
        if session.performs:
            lines.append(f"drill reports: {_relative(session.reports)}")
        return [*lines, *(f"drill clean-up: {line}" for line in notes)]


class StepProgress:
    """With ``-v``, every step when it ends; under pytest-xdist, the steps of a drill when it is reported."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._drill = ""

    def step(self, plan: Plan, step: Step) -> None:
        if self._config.get_verbosity() < 1:
            return
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if reporter is None:
            return
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            if self._drill != plan.id:
                reporter.ensure_newline()
                self._drill = plan.id
            reporter.write_line(line_of(step), **{"red": step.outcome != "passed"})


def line_of(step: Step) -> str:
    """One line: outcome, seconds, number and title."""
    return f"  {_SIGNS[step.outcome]} {step.seconds:6.2f} s  {step.number:2d}. {one_line(visible(step.title))}"


class Summary:
    """The end of the run: drill, verdict, recovery against objective, findings, and the path of the report."""

    def __init__(self, config: pytest.Config, session: DrillSession, run_reporter: RunReporter) -> None:
        self._config, self._session, self._run_reporter = config, session, run_reporter
        self._shown = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """`pytest drills | head`, or a closed terminal: the drills go on, and the report is written."""
        writer: Any = getattr(self._config.pluginmanager.getplugin("terminalreporter"), "_tw", None)
        if writer is not None and not isinstance(writer._file, ForgivingOutput):
            writer._file = ForgivingOutput(writer._file)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Workers cannot write to the terminal: their steps are shown when their evidence arrives."""
        if not hasattr(report, "node") or self._config.get_verbosity() < 1:
            return
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        for text in getattr(report, EVIDENCE, ()):
            evidence = DrillEvidence.from_json(text)
            if reporter is not None and evidence.steps:
                reporter.ensure_newline()
                reporter.write_line(f"{evidence.worker}: {one_line(visible(evidence.title))}")
                for step in evidence.steps:
                    reporter.write_line(line_of(step), **{"red": step.outcome != "passed"})

    def pytest_unconfigure(self) -> None:
        """After SIGTERM pytest writes no summary, although the path of the report matters most then."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and not self._shown and not self._config.option.no_summary:
            self.pytest_terminal_summary(reporter)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from rollback_drills.pytest_plugin.revision_table import write_revisions
        from rollback_drills.pytest_plugin.walk_terminal import findings_lines
        from rollback_drills.report.formats.terminal import terminal_lines

        self._shown = True
        done = self._run_reporter
        for line in self._session.clean_up_notes:
            terminalreporter.write_line(f"drill clean-up: {line}")
        if done.reports is not None:
            terminalreporter.section("rollback drills")
            page = _below_here(self._session.directory / "incident.html")
            of_migrations = bool(self._config.getoption("drill_alembic"))
            if of_migrations:
                write_revisions(terminalreporter, done.reports.run)
            run = done.reports.run
            shown = findings_lines(run, page) if of_migrations else terminal_lines(done.reports, page, width=_width())
            for text, style in shown:
                terminalreporter.write_line(text, **dict.fromkeys(style.split(), True))
            if not of_migrations and (self._config.get_verbosity() > 0 or _of_interest(run)):
                write_revisions(terminalreporter, run)
            for note in done.notes:
                terminalreporter.write_line(note, yellow=True)
        for command in done.commands:
            terminalreporter.write_line(command)
        if done.problem:
            terminalreporter.section("rollback drills: the report could not be written", red=True)
            terminalreporter.write_line(done.problem)
        if done.kept:
            terminalreporter.section("rollback drills: stacks that were kept")
        for lines, removal in done.kept:
            for line in lines:
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"remove them with:\n  {removal}")


def _width() -> int:
    """Columns of the terminal, within what its tables are made for."""
    return min(120, max(80, shutil.get_terminal_size((80, 24)).columns))


def _of_interest(run: RunEvidence) -> bool:
    """Whether the table of migrations says more than the one line that the summary has of them."""
    from rollback_drills.report.views.question import of_migrations_only

    return of_migrations_only(run) or any(each.findings for drill in run.drills for each in drill.revisions)


def _relative(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)


def _below_here(path: Path) -> str:
    """Relative to the current directory if it contains the path, absolute otherwise."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

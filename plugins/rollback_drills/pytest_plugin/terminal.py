"""What a person sees in the terminal: the header, the steps as they end, and the summary."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.model import DrillEvidence, Step
from rollback_drills.pytest_plugin.run_report import RunReporter
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.pytest_plugin.xdist import ATTRIBUTE
from rollback_drills.report.text import one_line, visible

_SIGNS = {"passed": "ok  ", "failed": "FAIL", "error": "ERR "}


class Announcer:
    """The header: what will be drilled, where, and why there."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    def pytest_report_header(self) -> list[str]:
        return self._session.header()


class Progress:
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
    """The end of the run: drill, verdict, recovery against objective, findings, and where the report is."""

    def __init__(self, config: pytest.Config, session: DrillSession, ledger: RunReporter) -> None:
        self._config, self._session, self._ledger = config, session, ledger
        self._shown = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Workers cannot write to the terminal: their steps are shown when their evidence arrives."""
        if not hasattr(report, "node") or self._config.get_verbosity() < 1:
            return
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        for text in getattr(report, ATTRIBUTE, ()):
            evidence = DrillEvidence.from_json(text)
            if reporter is not None and evidence.steps:
                reporter.ensure_newline()
                reporter.write_line(f"{evidence.worker}: {one_line(visible(evidence.title))}")
                for step in evidence.steps:
                    reporter.write_line(line_of(step), **{"red": step.outcome != "passed"})

    def pytest_unconfigure(self) -> None:
        """pytest leaves its summary out when it was terminated: just then it matters where the report is."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and not self._shown and not self._config.option.no_summary:
            self.pytest_terminal_summary(reporter)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from rollback_drills.pytest_plugin.revision_table import write_revisions
        from rollback_drills.report.formats.terminal import terminal_lines

        self._shown = True
        for line in self._session.swept:
            terminalreporter.write_line(f"drill clean-up: {line}")
        if self._ledger.reports is not None:
            terminalreporter.section("rollback drills")
            page = _shown(self._session.directory / "incident.html")
            for text, style in terminal_lines(self._ledger.reports, page):
                terminalreporter.write_line(text, **dict.fromkeys(style.split(), True))
            write_revisions(terminalreporter, self._ledger.reports.run)
            for note in self._ledger.notes:
                terminalreporter.write_line(note, yellow=True)
        if self._ledger.problem:
            terminalreporter.section("rollback drills: the report could not be written", red=True)
            terminalreporter.write_line(self._ledger.problem)
        if self._ledger.kept:
            terminalreporter.section("rollback drills: stacks that were kept")
        for lines, removal in self._ledger.kept:
            for line in lines:
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"remove them with:\n  {removal}")


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)

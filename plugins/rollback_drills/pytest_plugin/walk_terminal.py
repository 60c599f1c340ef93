"""What the terminal shows of a run that walks migrations only (``--drill-alembic``): progress, and a short end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Final

import pytest

from rollback_drills.evidence.model import DrillEvidence, Finding
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.formats.card_lines import Line
from rollback_drills.report.formats.columns import clip
from rollback_drills.report.text import one_line, visible

MOST: Final = 10  # findings that are shown
_SHARE: Final = 10  # percent between two lines where the terminal cannot rewrite one
_ITEM: Final = "test_reversibility["
_ORDER: Final = ("critical", "major", "minor", "info")


class WalkProgress:
    """Instead of a letter for each revision: how far the walk is, and how long it will take."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._total = self._done = self._shown = 0
        self._began = 0.0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._total = sum(_ITEM in item.nodeid for item in session.items)
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None and self._config.get_verbosity() == 0:  # its file names would stand between these lines
            reporter.showfspath = reporter._show_progress_info = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        if self._config.get_verbosity() >= 1 or (report.when != "call" and not report.skipped):
            return None
        return report.outcome, "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" or _ITEM not in report.nodeid or self._config.get_verbosity() != 0:
            return
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        self._began = self._began or time.monotonic() - report.duration
        self._done += 1
        total = max(self._total, self._done)
        share = 100 * self._done // total
        if reporter is None or total < 2:
            return
        line = f"{share:3d} % {self._done}/{total} {_revision(report.nodeid)}{self._left(total)}"
        if getattr(reporter, "isatty", False):
            reporter.rewrite(clip(visible(line), 78), erase=True)
        elif share // _SHARE > self._shown // _SHARE:
            reporter.ensure_newline()
            reporter.write_line(visible(line))
        self._shown = share

    def _left(self, total: int) -> str:
        seconds = (time.monotonic() - self._began) / self._done * (total - self._done)
        if self._done == total:
            return ""
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"


def quieten(config: pytest.Config) -> None:
    """Leave pytest's own lists of failures out, unless they were asked for: the end of the run has the findings."""
    given = config.invocation_params.args
    if not any(str(each).startswith("--tb") for each in given) and config.getoption("tbstyle") == "auto":
        config.option.tbstyle = "no"
    if not any(str(each).startswith(("-r", "--report-chars")) for each in given):
        config.option.reportchars = "E"


def findings_lines(run: RunEvidence, page: str, width: int = 100) -> Iterator[Line]:
    """The worst findings, one line each, how many there are, and the path of the document."""
    every = [(drill, finding) for drill in run.drills for finding in drill.findings]
    failing = sorted((each for each in every if each[1].fails), key=lambda each: _ORDER.index(each[1].severity))
    for drill, finding in failing[:MOST]:
        yield clip(_line(drill, finding), width * 2), "red" if finding.severity == "critical" else "yellow"
    if len(failing) > MOST:
        yield f"… and {len(failing) - MOST} more in the report", ""
    yield from ((text, style) for text, style in _unexpected(run.drills))
    yield _count(failing, len(every) - len(failing)), "bold"
    yield visible(f"report: {page}"), "bold"


def _line(drill: DrillEvidence, finding: Finding) -> str:
    detail = finding.detail.removeprefix(f"{finding.subject}: ")
    where = f" {finding.subject}" if finding.subject else ""
    return visible(f"{finding.severity} {finding.code}{where}: {one_line(detail, 300)}")


def _unexpected(drills: Sequence[DrillEvidence]) -> Iterator[Line]:
    """Drills that failed without a finding, once for each reason."""
    told = set[str]()
    for drill in drills:
        if drill.verdict in ("error", "failed") and not drill.findings and drill.reason not in told:
            told.add(drill.reason)
            yield visible(f"{drill.verdict}: {drill.id.rpartition('::')[2]}: {one_line(drill.reason, 300)}"), "red"


def _count(failing: Sequence[tuple[DrillEvidence, Finding]], accepted: int) -> str:
    also = f"; {accepted} accepted" if accepted else ""
    if not failing:
        return f"no finding{also}"
    kinds = [finding.severity for _, finding in failing]
    counted = ", ".join(f"{kinds.count(each)} {each}" for each in _ORDER if each in kinds)
    return f"{len(failing)} finding{'s' if len(failing) != 1 else ''}: {counted}{also}"


def _revision(nodeid: str) -> str:
    return nodeid.partition(_ITEM)[2].partition("]")[0]

"""Turns what pytest sees of a test into the drill's verdict, and sends the evidence along with the test report.

Evidence crosses from an xdist worker to the controller as JSON text in an attribute of the report: plain data, which
is all that pytest-xdist serialises.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

from rollback_drills.drill import CheckFailed, Drill
from rollback_drills.errors import DrillError
from rollback_drills.evidence import DrillEvidence
from rollback_drills.pytest_plugin.collecting import Mark, mark_of
from rollback_drills.pytest_plugin.fixtures import summary_of
from rollback_drills.pytest_plugin.session import Session, session_of

ATTRIBUTE = "rollback_drills_evidence"
_DRILL = pytest.StashKey[Drill]()


def drill_id(item: pytest.Item, mark: Mark) -> str:
    """The node id, without the suffix by which pytest-xdist marks the group of a test."""
    return item.nodeid.removesuffix(f"@{mark.group}") if mark.group else item.nodeid


def begin(item: pytest.Item) -> tuple[Mark, Drill]:
    """Open the drill of a test.

    Raises:
        DrillError: the test is no drill.
    """
    mark = mark_of(item)
    if mark is None:
        raise DrillError(
            f"{item.nodeid} uses a drill's fixtures", fix="mark it with @pytest.mark.drill(title, runbook=…)"
        )
    session = session_of(item.config)
    drill = session.new_drill(session.plan(drill_id(item, mark), mark, summary_of(item)))
    item.stash[_DRILL] = drill.__enter__()
    return mark, drill


class Recorder:
    """Registered in every process that runs tests."""

    def __init__(self, session: Session) -> None:
        self._session = session

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """A drill that went on after a finding has failed all the same."""
        result = yield
        drill = item.stash.get(_DRILL, None)
        if drill is not None and drill.findings_sentence:
            raise CheckFailed(drill.findings_sentence)
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, DrillError) and report.failed:
            report.longrepr = str(error)  # it says what, where and how to fix it: a traceback would bury that
        elif isinstance(error, CheckFailed) and item.config.option.tbstyle == "auto" and call.excinfo is not None:
            report.longrepr = call.excinfo.getrepr(style="short")  # the line of the drill, without its arguments
        mark = mark_of(item)
        if mark is not None:
            evidence = self._evidence(item, mark, report, error)
            if evidence is not None:
                self._session.finished(evidence)
        finished = self._session.take_finished()
        if finished:
            setattr(report, ATTRIBUTE, [each.model_dump_json() for each in finished])
        return report

    def _evidence(
        self, item: pytest.Item, mark: Mark, report: pytest.TestReport, error: BaseException | None
    ) -> DrillEvidence | None:
        if report.when == "setup" and report.passed:
            return None
        if report.when == "teardown" and (report.passed or _DRILL not in item.stash):
            return None
        drill = item.stash.get(_DRILL, None)
        if drill is None:
            plan = self._session.plan(drill_id(item, mark), mark, summary_of(item))
            drill = item.stash[_DRILL] = self._session.new_drill(plan)
        if report.when == "teardown":
            return drill.conclude(error, reason=f"after the drill: {error}")
        if report.skipped:
            return drill.skip(_skip_reason(report))
        return drill.conclude(error)


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)

"""Turns what pytest sees of a test into the drill's verdict, and sends the evidence along with the test report.

Evidence crosses from an xdist worker to the controller as JSON text in an attribute of the report: plain data, which
is all that pytest-xdist serialises.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import pytest

import rollback_drills
from rollback_drills.core.errors import DrillError
from rollback_drills.drill import clients
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    AcceptedRiskError,
    CheckFailedError,
)
from rollback_drills.drill.stops import check_stops
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.pytest_plugin.collection import Mark, mark_of
from rollback_drills.pytest_plugin.fixtures import STACK
from rollback_drills.pytest_plugin.gamedays import NO_DAYS
from rollback_drills.pytest_plugin.junit import record_properties
from rollback_drills.pytest_plugin.session import (
    DrillSession,
    session_of,
)
from rollback_drills.pytest_plugin.target_choice import is_overridden
from rollback_drills.pytest_plugin.xdist import ATTRIBUTE
from rollback_drills.target import capabilities
from rollback_drills.target.target import Target

_DRILL = pytest.StashKey[Drill]()
_LIBRARY = Path(rollback_drills.__file__).parent
_BUILT_IN_DRILLS = _LIBRARY / "drills"


def begin(item: pytest.Item, target: Target) -> Drill:
    """Open the drill of a test on a target; skip it if that cannot offer what it requires.

    Raises:
        DrillError: the test is no drill, or another target was drilled before.
    """
    mark = mark_of(item)
    if mark is None:
        raise DrillError(
            f"{item.nodeid} uses a drill's fixtures", fix="mark it with @pytest.mark.drill(title, runbook=…)"
        )
    session = session_of(item.config)
    session.drill_on(target)
    _skip_if_lacking(session, item, mark)
    drill = session.new_drill(session.plan_of(item))
    item.stash[_DRILL] = drill.__enter__()
    return drill


class EvidencePlugin:
    """Registered in every process that runs tests."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Before any fixture: nothing is started for a drill that can prove nothing."""
        mark = mark_of(item)
        if mark is not None and (not is_overridden(item) or self._session.target_is_settled):
            _skip_if_lacking(self._session, item, mark)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Clients have the last word. A drill that went on after a finding has failed all the same."""
        drill, stack = item.stash.get(_DRILL, None), item.stash.get(STACK, None)
        try:
            result = yield
        except (Exception, pytest.fail.Exception) as error:
            if drill is not None and stack is not None:
                clients.record_clients(stack, drill)
            if isinstance(error, AcceptedRiskError):
                _end(item, error)
            raise
        if drill is not None and stack is not None:
            check_stops(stack, drill)
            clients.account_for_clients(stack, drill)
        if drill is not None and drill.findings_sentence:
            raise CheckFailedError(drill.findings_sentence)
        return result

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        if mark_of(item) is not None:
            evidence = self._evidence(item, report, error)
            if evidence is not None:
                self._session.finished(evidence)
                record_properties(item, report, evidence)
        if mark_of(item) is not None or isinstance(error, DrillError):
            if call.excinfo is not None and report.failed:
                _explain(report, call.excinfo, item.config.option.tbstyle)
            self._redact(item, report)
        finished = self._session.take_finished()
        if finished:
            setattr(report, ATTRIBUTE, [each.model_dump_json() for each in finished])
        return report

    def _redact(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """What pytest and its plugins show and write is no place for a secret either."""
        text = self._session.redactor.text
        report.sections = [(name, text(content)) for name, content in report.sections]
        if isinstance(report.longrepr, tuple):
            file, line, reason = report.longrepr
            if _is_library(Path(file)):  # the drill is meant, not the line of ours that skips it
                file, line = str(item.path), (item.location[1] or 0) + 1
            report.longrepr = (file, line, text(reason))
        elif report.longrepr is not None:
            shown = str(report.longrepr)
            if text(shown) != shown:
                report.longrepr = text(shown)

    def _evidence(
        self, item: pytest.Item, report: pytest.TestReport, error: BaseException | None
    ) -> DrillEvidence | None:
        if report.when == "setup" and report.passed:
            return None
        set_up_only = item.config.option.setuponly and report.passed
        if report.when == "teardown" and not set_up_only and (report.passed or _DRILL not in item.stash):
            return None
        drill = item.stash.get(_DRILL, None)
        if drill is None:
            drill = item.stash[_DRILL] = self._session.new_drill(self._session.plan_of(item))
        if set_up_only:
            return drill.skip("not performed: pytest was called with --setup-only")
        if isinstance(error, pytest.fail.Exception):
            error = CheckFailedError(str(error))
        if report.when == "teardown":
            return drill.conclude(error, reason=f"after the drill: {error}")
        if report.skipped:
            return drill.skip(_skip_reason(report))
        return drill.conclude(error, reason=_unexpected(error) if not drill.findings_sentence else "")


class SetupEnder:
    """Skips a drill that one of its fixtures has ended.

    Not part of `EvidencePlugin`, whose own hook must not wrap others.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        except AcceptedRiskError as end:
            _end(item, end)


def lacking(session: DrillSession, item: pytest.Item, mark: Mark) -> list[str]:
    """The reasons for which a drill would be skipped before anything is started for it."""
    reasons = capabilities.missing(session.target, mark.requires, runtime=session.choice.name)
    if "random_days" in getattr(item, "fixturenames", ()) and session.random_days is None:
        reasons.append(NO_DAYS)
    return reasons


def _skip_if_lacking(session: DrillSession, item: pytest.Item, mark: Mark) -> None:
    if reasons := lacking(session, item, mark):
        pytest.skip("; ".join(reasons))


def _end(item: pytest.Item, end: AcceptedRiskError) -> NoReturn:
    """As far as the drill came nothing failed, or else it has failed; the rest was not proven."""
    drill = item.stash.get(_DRILL, None)
    if drill is not None and drill.findings_sentence:
        raise CheckFailedError(drill.findings_sentence) from None
    pytest.skip(str(end))


def _unexpected(error: BaseException | None) -> str:
    """An exception that was not made to be read needs its name: the text of a KeyError is but the key."""
    if error is None or isinstance(error, AssertionError | DrillError):
        return ""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _explain(report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException], style: str) -> None:
    """The drill's own lines, without those of this library and without their arguments.

    Where a way of showing tracebacks was chosen with ``--tb``, it is left as it is.
    """
    if isinstance(excinfo.value, DrillError):
        report.longrepr = str(excinfo.value)  # it says what, where and how to fix it: a traceback would bury that
    elif style == "auto":
        own = excinfo.traceback.filter(lambda entry: not entry.ishidden(excinfo) and not _is_library(Path(entry.path)))
        if own:
            report.longrepr = excinfo.getrepr(style="short", tbfilter=lambda _: own)
        else:
            report.longrepr = str(excinfo.value)


def _is_library(file: Path) -> bool:
    """Machinery between a drill and what went wrong: this package (but for its drills), pytest and pluggy."""
    if file.is_relative_to(_LIBRARY):
        return not file.is_relative_to(_BUILT_IN_DRILLS)
    return any(part in ("_pytest", "pluggy") for part in file.parts)


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)

"""Turns the outcome of a test into the drill's verdict, and sends the evidence along with the test report.

Evidence crosses from an xdist worker to the controller as JSON text in an attribute of the report: pytest-xdist
serialises only plain data.
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
from rollback_drills.drill.plan import CheckFailedError, UnprovenError
from rollback_drills.drill.stops import check_stops
from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.pytest_plugin.gamedays import NO_DAYS
from rollback_drills.pytest_plugin.junit import record_properties
from rollback_drills.pytest_plugin.keys import EVIDENCE, STACK
from rollback_drills.pytest_plugin.marks import Mark, mark_of
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.pytest_plugin.target_fixture import is_overridden
from rollback_drills.target import capabilities
from rollback_drills.target.target import Target

_DRILL = pytest.StashKey[Drill]()
_LACKS = pytest.StashKey[tuple[str, ...]]()
_LIBRARY = Path(rollback_drills.__file__).parent
_BUILT_IN_DRILLS = _LIBRARY / "drills"


def begin(session: DrillSession, item: pytest.Item, target: Target) -> Drill:
    """Open the drill of a test on a target; skip the test if the target lacks what the drill requires.

    Raises:
        DrillError: the test is no drill, or another target was drilled before.
    """
    mark = mark_of(item)
    if mark is None:
        raise DrillError(
            f"{item.nodeid} uses a drill's fixtures", fix="mark it with @pytest.mark.drill(title, runbook=…)"
        )
    session.targets.settle(target)
    _skip_if_lacking(session, item, mark)
    drill = session.drills.new_drill(session.plans.plan_of(item))
    item.stash[_DRILL] = drill.__enter__()
    return drill


class OutcomeRecorder:
    """Registered in every process that runs tests."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Before any fixture: nothing is started for a drill that cannot prove anything."""
        mark = mark_of(item)
        if mark is not None and (not is_overridden(item) or self._session.targets.is_settled):
            _skip_if_lacking(self._session, item, mark)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """The test passes only if clients saw nothing wrong, and if no finding was recorded without stopping it."""
        drill, stack = item.stash.get(_DRILL, None), item.stash.get(STACK, None)
        try:
            result = yield
        except (Exception, pytest.fail.Exception) as error:
            _let_the_run_end(error)
            if drill is not None and stack is not None:
                check_stops(stack, drill)
                clients.record_clients(stack, drill)
            if isinstance(error, UnprovenError):
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
                self._session.drills.finished(evidence)
                record_properties(item, report, evidence)
        if mark_of(item) is not None or isinstance(error, DrillError):
            if call.excinfo is not None and report.failed:
                _shorten_traceback(report, call.excinfo, item.config.option.tbstyle)
            self._redact(item, report)
        finished = self._session.drills.take_finished()
        if finished:
            setattr(report, EVIDENCE, [each.model_dump_json() for each in finished])
        return report

    def _redact(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Remove secrets from what pytest and its plugins show and write."""
        text = self._session.redactor.text
        report.sections = [(name, text(content)) for name, content in report.sections]
        if isinstance(report.longrepr, tuple):
            file, line, reason = report.longrepr
            if _is_library(Path(file)):  # show the drill instead of the line of this package that skips it
                file, line = str(item.path), (item.location[1] or 0) + 1
            report.longrepr = (file, line, text(reason))
        elif report.longrepr is not None:
            shown = str(report.longrepr)
            if text(shown) != shown:
                report.longrepr = text(shown)

    def _evidence(
        self, item: pytest.Item, report: pytest.TestReport, error: BaseException | None
    ) -> DrillEvidence | None:
        """The evidence as it stands after one phase of a test; None if the phase adds nothing."""
        if report.when == "setup" and report.passed:
            return None
        set_up_only = item.config.option.setuponly and report.passed
        if report.when == "teardown" and not set_up_only and (report.passed or _DRILL not in item.stash):
            return None
        drill = item.stash.get(_DRILL, None)
        if drill is None:
            drill = item.stash[_DRILL] = self._session.drills.new_drill(self._session.plans.plan_of(item))
        if set_up_only:
            return drill.skip("not performed: pytest was called with --setup-only")
        if isinstance(error, pytest.fail.Exception):
            error = CheckFailedError(str(error))
        if report.when == "teardown":
            return drill.conclude(error, reason=f"after the drill: {error}")
        if report.skipped:
            return drill.skip(_skip_reason(report), lacks=item.stash.get(_LACKS, ()))
        return drill.conclude(error, reason=_unexpected(error) if not drill.findings_sentence else "")


class SetupSkipper:
    """Skips a drill that an accepted risk, or an overloaded machine, has ended in one of its fixtures.

    Not part of `OutcomeRecorder`, whose own hook must not wrap others.
    """

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        except UnprovenError as end:
            _end(item, end)
        except Exception as error:
            _let_the_run_end(error)
            raise


def lacking(session: DrillSession, item: pytest.Item, mark: Mark) -> list[str]:
    """Why a drill would be skipped before anything is started for it; empty if it would not."""
    reasons = capabilities.missing_capabilities(session.target, mark.requires, runtime=session.runtime.name)
    if "random_days" in getattr(item, "fixturenames", ()) and session.random_days is None:
        reasons.append(NO_DAYS)
    return reasons


def _skip_if_lacking(session: DrillSession, item: pytest.Item, mark: Mark) -> None:
    if reasons := lacking(session, item, mark):
        item.stash[_LACKS] = tuple(
            name
            for name in mark.requires
            if capabilities.missing_capabilities(session.target, (name,), runtime=session.runtime.name)
        )
        pytest.skip("; ".join(reasons))


def _let_the_run_end(error: BaseException) -> None:
    """Raise the Ctrl-C, or what a signal has raised, that another error has taken the place of.

    Signal handlers raise wherever the program is. Within a lock of `threading`, what leaves the ``with`` statement is
    then "RuntimeError: release unlocked lock": it is no error of the drill, and the run has to end nonetheless.
    """
    hidden = error.__context__
    while hidden is not None:
        if isinstance(hidden, KeyboardInterrupt | pytest.exit.Exception):
            raise hidden from None
        hidden = hidden.__context__


def _end(item: pytest.Item, end: UnprovenError) -> NoReturn:
    """The rest of the drill is not proven: it is skipped, unless an earlier finding fails it."""
    drill = item.stash.get(_DRILL, None)
    if drill is not None and drill.findings_sentence:
        raise CheckFailedError(drill.findings_sentence) from None
    pytest.skip(str(end))


def _unexpected(error: BaseException | None) -> str:
    """An exception that was not written for readers needs its name: the text of a KeyError is only the key."""
    if error is None or isinstance(error, AssertionError | DrillError):
        return ""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def _shorten_traceback(report: pytest.TestReport, excinfo: pytest.ExceptionInfo[BaseException], style: str) -> None:
    """Show the drill's own lines, without arguments and without the lines of this package.

    A style that was chosen with ``--tb`` is left alone.
    """
    if isinstance(excinfo.value, DrillError):
        report.longrepr = str(excinfo.value)  # what, cause and fix: a traceback would bury them
    elif style == "auto":
        own = excinfo.traceback.filter(lambda entry: not entry.ishidden(excinfo) and not _is_library(Path(entry.path)))
        if own:
            report.longrepr = excinfo.getrepr(style="short", tbfilter=lambda _: own)
        else:
            report.longrepr = str(excinfo.value)


def _is_library(file: Path) -> bool:
    """Whether it lies between a drill and what went wrong: this package without its drills, pytest and pluggy."""
    if file.is_relative_to(_LIBRARY):
        return not file.is_relative_to(_BUILT_IN_DRILLS)
    return any(part in ("_pytest", "pluggy") for part in file.parts)


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)

"""Opens the drill session of a process, and registers what a run with drills needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError, TargetError
from rollback_drills.evidence.findings import catalogue
from rollback_drills.evidence.findings.entry import FindingKind
from rollback_drills.pytest_plugin import keys
from rollback_drills.pytest_plugin.html_report import HtmlColumns
from rollback_drills.pytest_plugin.lifecycle import Lifecycle
from rollback_drills.pytest_plugin.recorder import OutcomeRecorder, SetupSkipper
from rollback_drills.pytest_plugin.run_report import RunReporter
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.pytest_plugin.terminal import Header, StepProgress, Summary
from rollback_drills.pytest_plugin.walk_terminal import WalkProgress, quieten
from rollback_drills.pytest_plugin.worker_totals import WorkerReporter

_SESSION = pytest.StashKey[DrillSession]()


def session_of(config: pytest.Config) -> DrillSession:
    """The drill session of this process, opened on first use.

    Raises:
        pytest.UsageError: an option, a hook or the target file is wrong.
    """
    if _SESSION not in config.stash:
        try:
            _register_findings(config)
            config.stash[_SESSION] = session = DrillSession(config)
        except DrillError as error:
            raise pytest.UsageError(str(error)) from None
        _register(config, session)
    return config.stash[_SESSION]


def _register_findings(config: pytest.Config) -> None:
    hook = "pytest_rollback_drills_findings"
    for result in reversed(config.hook.pytest_rollback_drills_findings(config=config)):
        kinds = tuple(result)
        for kind in kinds:
            if not isinstance(kind, FindingKind):
                raise TargetError(
                    f"the hook {hook} gives {kind!r}",
                    fix="let it give FindingKind(code, severity, title, why, remedy) values",
                )
        catalogue.register(kinds)


def _register(config: pytest.Config, session: DrillSession) -> None:
    """Each concern is a plugin of its own."""
    manager = config.pluginmanager
    if session.performs:
        manager.register(OutcomeRecorder(session), keys.RECORDER)
        manager.register(SetupSkipper(), keys.SETUP_SKIPPER)
        lifecycle = Lifecycle(session)
        manager.register(lifecycle, keys.LIFECYCLE)
        if config.stash.get(keys.STARTED, False):
            lifecycle.begin()
    if session.is_worker:
        manager.register(WorkerReporter(session), keys.WORKER)
        return
    manager.register(Header(session), keys.HEADER)
    if not session.performs:
        return
    run_reporter = RunReporter(session)
    manager.register(run_reporter, keys.RUN_REPORTER)
    manager.register(HtmlColumns(session), keys.HTML_COLUMNS)
    if manager.hasplugin("terminalreporter") or not manager.is_blocked("terminal"):
        session.drills.progress = StepProgress(config).step
        summary = Summary(config, session, run_reporter)
        manager.register(summary, keys.SUMMARY)
        if config.stash.get(keys.STARTED, False):
            summary.pytest_sessionstart()
        if config.getoption("drill_alembic"):
            quieten(config)
            manager.register(WalkProgress(config), keys.WALK_PROGRESS)
    _schedule_in_groups(config)
    _write_pytest_html(config, session.directory)


def _schedule_in_groups(config: pytest.Config) -> None:
    """Under ``-n``, keep drills that share measurements on one worker, unless ``--dist`` asks for something else."""
    chosen = any(argument == "-d" or argument.startswith("--dist") for argument in config.invocation_params.args)
    if not chosen and getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"


def _write_pytest_html(config: pytest.Config, directory: Path) -> None:
    """Put the pytest-html report of the run beside the incident document, unless it was asked for elsewhere."""
    if getattr(config.option, "htmlpath", "") is None and not config.stash.get(keys.CONFIGURED, False):
        try:
            directory.mkdir(parents=True)
        except OSError:
            return  # pytest-html would fail on it; the end of the run says why there is no report
        config.option.htmlpath = str(directory / "pytest.html")
        config.option.self_contained_html = True

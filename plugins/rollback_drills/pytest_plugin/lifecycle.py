"""Registers what a run with drills needs, each concern as an object of its own."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from rollback_drills.pytest_plugin import CONFIGURED
from rollback_drills.pytest_plugin.collection import STARTED
from rollback_drills.pytest_plugin.html_report import HtmlBridge
from rollback_drills.pytest_plugin.recorder import (
    EvidencePlugin,
    SetupEnder,
)
from rollback_drills.pytest_plugin.run_report import (
    RunReporter,
    WorkerReporter,
)
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.pytest_plugin.terminal import Announcer, Progress, Summary
from rollback_drills.pytest_plugin.xdist import distribution_of


def register(config: pytest.Config, session: DrillSession) -> None:
    """Called once per process, with the first sign that drills will run."""
    manager = config.pluginmanager
    if session.performs:
        manager.register(EvidencePlugin(session), "rollback-drills-recorder")
        manager.register(SetupEnder(), "rollback-drills-setup-ender")
        lifecycle = Lifecycle(session)
        manager.register(lifecycle, "rollback-drills-lifecycle")
        if config.stash.get(STARTED, False):
            lifecycle.begin()
    if session.is_worker:
        manager.register(WorkerReporter(session), "rollback-drills-worker")
        return
    manager.register(Announcer(session), "rollback-drills-announcer")
    if not session.performs:
        return
    ledger = RunReporter(session)
    manager.register(ledger, "rollback-drills-ledger")
    manager.register(HtmlBridge(session), "rollback-drills-html")
    reporter = manager.getplugin("terminalreporter")
    if reporter is not None or not manager.is_blocked("terminal"):
        session.progress = Progress(config)
        manager.register(Summary(config, session, ledger), "rollback-drills-summary")
    _schedule_in_groups(config)
    _write_pytest_html(config, session.directory)


class Lifecycle:
    """Signals and clean-up: nothing outlives the process, however it ends."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self.begin()

    def begin(self) -> None:
        """To be called by hand where the first drill was found after the session had started."""
        self._session.signals.trap()
        if not self._session.is_worker:
            self._session.sweep()

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self._session.signals.shield_clean_up()
        distribution = distribution_of(self._session.config)
        # Ctrl-C reaches the workers without us, and a second signal would disturb them while they clean up.
        if distribution is not None and isinstance(excinfo.value, pytest.exit.Exception):
            distribution.terminate_workers()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """The first Ctrl-C may come while fixtures are torn down, or the report is written."""
        self._session.signals.shield_clean_up()
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._session.close_quietly()
        self._session.signals.release()


def _schedule_in_groups(config: pytest.Config) -> None:
    """Under ``-n``, keep drills that share measurements on one worker, unless a way was chosen with ``--dist``."""
    chosen = any(argument == "-d" or argument.startswith("--dist") for argument in config.invocation_params.args)
    if not chosen and getattr(config.option, "dist", "no") == "load":
        config.option.dist = "loadgroup"


def _write_pytest_html(config: pytest.Config, directory: Path) -> None:
    """The pytest-html report of the run lands beside ours, unless it was asked for elsewhere."""
    if getattr(config.option, "htmlpath", "") is None and not config.stash.get(CONFIGURED, False):
        try:
            directory.mkdir(parents=True)
        except OSError:
            return  # pytest-html would fail on it; the end of the run says why there is no report
        config.option.htmlpath = str(directory / "pytest.html")
        config.option.self_contained_html = True

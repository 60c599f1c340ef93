"""What a run with pytest-xdist needs before it is known to have drills: light, as every pytest run imports it.

The controller collects no tests. It learns that there are drills from the first report that carries evidence, unless
`rollback_drills.activate` has announced them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import pytest

from rollback_drills.core.clock import Clock
from rollback_drills.pytest_plugin.keys import (
    EVIDENCE,
    LIFECYCLE,
    RUN,
    RUN_REPORTER,
    RUNTIME,
    SUMMARY,
    USAGE_ERROR,
    WORKER_DATA,
    XDIST,
    Run,
)


def register(config: pytest.Config) -> None:
    """Settle which run this process belongs to."""
    given = getattr(config, "workerinput", None)
    if given is None:
        clock = Clock()
        now = clock.started_at
        config.stash[RUN] = Run(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", clock, now.date())
        config.pluginmanager.register(Distribution(config), XDIST)
        return
    # A controller without this plugin gives nothing: its worker is a run of its own.
    run = given.get(WORKER_DATA) or {"name": f"{given['workerid']}-{secrets.token_hex(4)}", "grouped": False}
    clock = _clock(run.get("clock"))
    today = date.fromisoformat(run["today"]) if "today" in run else clock.started_at.date()
    config.stash[RUN] = Run(run["name"], clock, today, run["grouped"])
    if run.get("runtime"):
        config.stash[RUNTIME] = tuple(run["runtime"])
    if run["grouped"]:
        config.option.loadgroup = True  # xdist reads it from the worker's arguments, which do not have it


def _clock(given: Sequence[str | float] | None) -> Clock:
    """The run's own, if the worker is on the same machine: the monotonic clock of another machine differs."""
    if given is None:
        return Clock()
    started_at, began = given
    return Clock(datetime.fromisoformat(str(started_at)), float(began))


class Distribution:
    """Registered on the controller: gives the workers their run, and takes from them what concerns the whole run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._processes: dict[object, int] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # xdist has no types
        run = self._config.stash[RUN]
        runtime = self._config.stash.get(RUNTIME, None)
        data: dict[str, object] = {
            "name": run.name,
            "today": run.today.isoformat(),
            "grouped": getattr(self._config.option, "dist", "no") == "loadgroup",
            "runtime": list(runtime) if runtime else None,
        }
        gateway = node.gateway
        if gateway.spec.popen:
            data["clock"] = [run.clock.started_at.isoformat(), run.clock.began]
            self._processes[node] = gateway._rinfo().pid  # cached: xdist has just asked for it
        node.workerinput[WORKER_DATA] = data

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object) -> None:
        self._processes.pop(node, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        message = getattr(report, USAGE_ERROR, None)
        if message is not None:
            raise pytest.UsageError(message)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Activate the plugin with the first drill, and pass on the report that its new plugins have missed."""
        manager = self._config.pluginmanager
        if hasattr(report, EVIDENCE) and not manager.hasplugin(RUN_REPORTER):
            from rollback_drills.pytest_plugin.activation import session_of

            session_of(self._config)
            for name in (RUN_REPORTER, SUMMARY):
                plugin = manager.getplugin(name)
                if plugin is not None:
                    plugin.pytest_runtest_logreport(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Pass SIGTERM on to the workers: ended by xdist alone, a worker that performs a drill goes on for 5 s.

        Ctrl-C reaches the workers anyway, and a second signal would disturb their clean-up.
        """
        if isinstance(excinfo.value, pytest.exit.Exception) and self._config.pluginmanager.hasplugin(LIFECYCLE):
            for pid in self._processes.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

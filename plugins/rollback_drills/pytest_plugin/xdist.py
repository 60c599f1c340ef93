"""The controller's side of pytest-xdist before it knows of any drill: imports only pytest and the standard library.

The controller collects nothing. It learns that there are drills from the first report that carries evidence, unless
it was told before (`rollback_drills.pytest_plugin.activate`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pytest

from rollback_drills.core.clock import Clock
from rollback_drills.pytest_plugin.collection import USAGE_ERROR

ATTRIBUTE = "rollback_drills_evidence"
"""Of a test report: the evidence of the drills that have ended since the last one, each as JSON text."""

WORKER_INPUT = "rollback_drills"
_NAME = "rollback-drills-distributing"


@dataclass(frozen=True, slots=True)
class Run:
    """What all processes of a run agree on."""

    name: str
    clock: Clock
    today: date
    grouped: bool = False


RUN = pytest.StashKey[Run]()
RUNTIME = pytest.StashKey[tuple[str, str]]()
"""The name of the runtime that was chosen, and why: the workers take the controller's choice."""


def register(config: pytest.Config) -> None:
    """Settle which run this process belongs to."""
    given = getattr(config, "workerinput", None)
    if given is None:
        clock = Clock()
        now = clock.started_at
        config.stash[RUN] = Run(f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", clock, now.date())
        config.pluginmanager.register(Distribution(config), _NAME)
        return
    # A controller without this plugin gives nothing: a worker of that kind is a run of its own.
    run = given.get(WORKER_INPUT) or {"name": f"{given['workerid']}-{secrets.token_hex(4)}", "grouped": False}
    clock = _clock(run.get("clock"))
    today = date.fromisoformat(run["today"]) if "today" in run else clock.started_at.date()
    config.stash[RUN] = Run(run["name"], clock, today, run["grouped"])
    if run.get("runtime"):
        config.stash[RUNTIME] = tuple(run["runtime"])
    if run["grouped"]:
        config.option.loadgroup = True  # xdist itself reads it from the worker's arguments, where it is not


def _clock(given: Sequence[str | float] | None) -> Clock:
    """The run's own, where the worker is on the same machine: only there the monotonic clock is the same."""
    if given is None:
        return Clock()
    started_at, began = given
    return Clock(datetime.fromisoformat(str(started_at)), float(began))


def distribution_of(config: pytest.Config) -> Distribution | None:
    """None in a worker."""
    plugin = config.pluginmanager.getplugin(_NAME)
    return plugin if isinstance(plugin, Distribution) else None


class Distribution:
    """Gives the workers their run, and takes from them what concerns the whole run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._processes: dict[object, int] = {}

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:  # xdist has no types
        run = self._config.stash[RUN]
        grouped = getattr(self._config.option, "dist", "no") == "loadgroup"
        runtime = self._config.stash.get(RUNTIME, None)
        node.workerinput[WORKER_INPUT] = {
            "name": run.name, "today": run.today.isoformat(), "grouped": grouped,
            "runtime": list(runtime) if runtime else None,
        }  # fmt: skip
        gateway = node.gateway
        if gateway.spec.popen:
            node.workerinput[WORKER_INPUT]["clock"] = [run.clock.started_at.isoformat(), run.clock.began]
            self._processes[node] = gateway._rinfo().pid  # xdist has just asked for it; it is kept there

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
        """The first sign of a drill: from now on there is a ledger, which has missed this report."""
        if hasattr(report, ATTRIBUTE) and self._config.pluginmanager.getplugin("rollback-drills-ledger") is None:
            from rollback_drills.pytest_plugin.session import session_of

            session_of(self._config)
            for name in ("rollback-drills-ledger", "rollback-drills-summary"):
                plugin = self._config.pluginmanager.getplugin(name)
                if plugin is not None:
                    plugin.pytest_runtest_logreport(report)

    def terminate_workers(self) -> None:
        """Pass SIGTERM on: told by xdist alone, a worker that performs a drill goes on for five seconds."""
        for pid in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

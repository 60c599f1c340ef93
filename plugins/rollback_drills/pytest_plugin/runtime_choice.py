"""Which runtimes there are, and which one a run takes."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.pytest_plugin.keys import RUNTIME

if TYPE_CHECKING:
    from rollback_drills.runtimes import AddedRuntime, Choice
    from rollback_drills.target.target import Target

_NAME = re.compile(r"[a-z][a-z0-9-]*")


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-runtime",
        metavar="NAME",
        help="where the disposable stack runs: embedded, docker, compose, one that a plugin adds, or auto, which "
        "reports its choice and the reason (ini: drill_runtime; default: auto)",
    )
    parser.addini("drill_runtime", "runtime of the drills", default="auto")


def added_runtimes(config: pytest.Config) -> dict[str, AddedRuntime]:
    """The runtimes that conftest files and plugins add, by name.

    Raises:
        RuntimeUnavailableError: a name is not allowed, or is used twice.
    """
    from rollback_drills.runtimes import AddedRuntime, built_in

    found: dict[str, AddedRuntime] = {}
    for runtime in (each for result in config.hook.pytest_rollback_drills_runtimes(config=config) for each in result):
        if not isinstance(runtime, AddedRuntime) or not _NAME.fullmatch(runtime.name):
            raise RuntimeUnavailableError(
                f"the hook pytest_rollback_drills_runtimes gives {runtime!r}",
                fix="let it give AddedRuntime(name, make) with a name of lower-case letters, digits and hyphens",
            )
        if runtime.name in found or runtime.name in (*built_in(), "auto"):
            raise RuntimeUnavailableError(
                f"there are two runtimes {runtime.name!r}", fix="give the added one another name"
            )
        found[runtime.name] = runtime
    return found


def choose_runtime(
    config: pytest.Config,
    target: Target,
    added: dict[str, AddedRuntime],
    *,
    performs: bool,
    takes_controllers_choice: bool,
) -> Choice:
    """The runtime for a target; in a worker, the one that the controller has chosen.

    Args:
        performs: whether drills will run; otherwise nothing is checked or obtained.
        takes_controllers_choice: False if this process drills another target than the controller knows.

    Raises:
        DrillError: the runtime cannot run the target here.
    """
    from rollback_drills.runtimes import resolve, settled

    given = config.stash.get(RUNTIME, None)
    if given is not None and takes_controllers_choice:
        return settled(*given, added)
    option = config.getoption("drill_runtime")
    wanted = config.getini("drill_runtime") if option is None else option
    name = given[0] if given is not None else str(wanted)
    choice = resolve(name, target, to_run=performs, tell=_progress_of(config), added=added)
    if performs:
        config.stash[RUNTIME] = (choice.name, choice.reason)
    return choice


def _progress_of(config: pytest.Config) -> Callable[[str], None]:
    """Writes progress before the run begins: obtaining images may take minutes."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is not None:
        return lambda line: reporter.write_line(f"drill runtime: {line}")
    return lambda line: print(f"drill runtime: {line}", file=sys.stderr, flush=True)

"""The time limit of one drill."""

from __future__ import annotations

import pytest

from rollback_drills.core.errors import TargetError


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-timeout",
        type=float,
        metavar="SECONDS",
        help="time limit of one drill, checked at every step (ini: drill_timeout; default: 600)",
    )
    parser.addini("drill_timeout", "time limit of one drill in seconds", default="600")


def time_limit(config: pytest.Config) -> float:
    """Seconds that one drill may take.

    Raises:
        TargetError: the option or the configuration gives something else.
    """
    given = config.getoption("drill_timeout")
    text = str(given if given is not None else config.getini("drill_timeout"))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise TargetError(
            f"the time limit for a drill is {text!r}",
            fix="give --drill-timeout (or drill_timeout in pytest's configuration) a number of seconds greater than 0",
        )
    return seconds

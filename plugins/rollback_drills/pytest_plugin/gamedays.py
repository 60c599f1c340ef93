"""The options for random game days."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import DrillError

if TYPE_CHECKING:
    from rollback_drills.gamedays.operations import Operation
    from rollback_drills.target.target import Target

NO_DAYS = "no time was given to random game days: --drill-budget=SECONDS"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-budget",
        type=float,
        metavar="SECONDS",
        help="play random game days for this long (ini: drill_budget; default: 0, none)",
    )
    group.addoption(
        "--drill-replay",
        metavar="DAY",
        help="play one game day again: the line that a failed one has printed (use with -k random_game_days)",
    )
    parser.addini("drill_budget", "seconds for which random game days are played", default="0")


@dataclass(frozen=True, slots=True)
class RandomDays:
    """For how many seconds random game days are played, or the operations of the one to replay."""

    seconds: float
    replay: tuple[Operation, ...] = ()


def wanted(config: pytest.Config, target: Target) -> RandomDays | None:
    """The random game days that the options ask for; None if they ask for none.

    Raises:
        DrillError: an option is wrong.
    """
    replay = config.getoption("drill_replay")
    if replay is not None:
        from rollback_drills.gamedays.operations import parse

        try:
            return RandomDays(0.0, parse(replay, target))
        except DrillError as error:
            raise DrillError(f"--drill-replay: {error.what}", cause=error.cause, fix=error.fix) from None
    given = config.getoption("drill_budget")
    text = config.getini("drill_budget") if given is None else str(given)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not (seconds >= 0 and math.isfinite(seconds)):
        raise DrillError(
            f"the budget for random game days is {text!r}",
            fix="give --drill-budget (or drill_budget in pytest's configuration) a number of seconds, 0 for none",
        )
    return RandomDays(seconds) if seconds else None

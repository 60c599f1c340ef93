"""Shortens a failed day by leaving operations out.

The algorithm is ddmin (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002). Hypothesis's
own shrinker needs hundreds of attempts, and here each attempt takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollback_drills.gamedays.attempt import FailedDay
from rollback_drills.gamedays.operations import Operation


def shorten(
    found: FailedDay, play: Callable[[Sequence[Operation]], FailedDay | None], time_is_up: Callable[[], bool]
) -> FailedDay:
    """The shortest day with the same finding that there was time for.

    Leaves out halves, quarters and at last single operations.

    Args:
        play: performs a day; None where no invariant was violated.
    """
    size = len(found.operations) // 2
    while size and not time_is_up():
        first, shorter = 0, False
        while first < len(found.operations) and not time_is_up():
            tried = play(found.operations[:first] + found.operations[first + size :])
            if tried is not None and tried.finding == found.finding:
                found, shorter = tried, True
            else:
                first += size
        if size > 1 or not shorter:
            size //= 2
    return found

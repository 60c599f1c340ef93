"""The only poll loop: a deadline, a short back-off, and an immediate end when waiting becomes pointless."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rollback_drills.core.errors import StackError

_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.004, 0.05, 1.5  # seconds, seconds, factor


T = TypeVar("T")


def poll_until(
    condition: Callable[[], T | None],
    *,
    what: str,
    timeout: float,
    died: Callable[[], str | None] = lambda: None,
    last_words: Callable[[], str] = lambda: "",
) -> T:
    """Poll ``condition`` until it returns something other than None or False, and return that.

    Args:
        condition: called at once, then after 4 ms, then at intervals that grow to 50 ms.
        what: the awaited event, for the error message.
        timeout: seconds.
        died: returns why waiting is pointless (the process has exited), or None.
        last_words: returns what to quote in the error, for example the end of a log.

    Raises:
        StackError: the time is up, or ``died`` returned a reason.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        answer = condition()
        if answer is not None and answer is not False:
            return answer
        reason = died()
        if reason is not None:
            raise StackError(f"{what}: {reason}", cause=last_words())
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise StackError(
                f"{what}: not within {timeout:g} s",
                cause=last_words(),
                fix="read the quoted log; allow more time in the target file if the system is merely slow",
            )
        time.sleep(min(pause, remaining))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)

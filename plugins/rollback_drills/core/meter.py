"""Splits wall time into the target's (its processes, commands, answers) and the harness's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Meter:
    """One per worker; the time inside ``with meter.target():`` is the target's.

    Nested uses count once. Not thread-safe: drills run in one thread.
    """

    def __init__(self) -> None:
        self._origin = time.monotonic()
        self._depth = 0
        self._entered = 0.0
        self._target = 0.0
        self._times_recovery = False

    def elapsed(self) -> float:
        """Seconds since the meter was created."""
        return time.monotonic() - self._origin

    @property
    def target_seconds(self) -> float:
        """Seconds spent in the target so far, including a stretch that has not ended."""
        running = time.monotonic() - self._entered if self._depth else 0.0
        return self._target + running

    @contextmanager
    def target(self) -> Iterator[None]:
        """Count the time inside as the target's."""
        if self._depth == 0:
            self._entered = time.monotonic()
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._target += time.monotonic() - self._entered

    @property
    def times_recovery(self) -> bool:
        """Whether a recovery time is being measured: then every command runs as an operator would run it."""
        return self._times_recovery

    @contextmanager
    def recovery(self) -> Iterator[None]:
        """Say that the time inside is measured as a recovery time."""
        before, self._times_recovery = self._times_recovery, True
        try:
            yield
        finally:
            self._times_recovery = before

"""The time of day as a run tells it: read once, and carried on by the monotonic clock.

Somebody may set the machine's clock while drills are performed, or NTP may. No moment of a run is then before one
that preceded it, and begin and end differ by what the run took.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The clock of one run; its processes on one machine share it.

    Args:
        started_at: the time of day at its beginning; by default now.
        began: the same moment on the monotonic clock, in seconds; by default now.
    """

    def __init__(self, started_at: datetime | None = None, began: float | None = None) -> None:
        self.started_at = started_at or datetime.now(UTC)
        self.began = time.monotonic() if began is None else began

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def now(self) -> datetime:
        return self.started_at + timedelta(seconds=self.elapsed())

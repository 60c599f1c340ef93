"""The time of day of a run: read once, then advanced by the monotonic clock.

If the machine's clock is set while drills run, by a person or by NTP, the moments of a run still follow each other, and
its begin and end differ by its duration.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The clock of one run; its processes on one machine share it.

    Args:
        started_at: the time of day at which the run began; by default now.
        began: the same moment on the monotonic clock, in seconds; by default now.
    """

    def __init__(self, started_at: datetime | None = None, began: float | None = None) -> None:
        self.started_at = started_at or datetime.now(UTC)
        self.began = time.monotonic() if began is None else began

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def now(self) -> datetime:
        """The time of day."""
        return self.started_at + timedelta(seconds=self.elapsed())

"""The time of day as a run tells it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from rollback_drills.core.clock import Clock


def test_it_goes_on_with_the_monotonic_clock():
    began = time.monotonic() - 90
    clock = Clock(datetime(2026, 11, 23, tzinfo=UTC), began)
    assert timedelta(seconds=90) <= clock.now() - clock.started_at < timedelta(seconds=120)
    assert 90 <= clock.elapsed() < 120


def test_it_is_the_time_of_day_unless_told_otherwise():
    before = datetime.now(UTC)
    assert before <= Clock().now() <= datetime.now(UTC) + timedelta(seconds=1)

"""Target time and harness time add up to wall time."""

from __future__ import annotations

import contextlib

import pytest

from rollback_drills.core import meter as module
from rollback_drills.core.meter import Meter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_only_what_is_waited_for_is_the_targets(clock: Clock):
    meter = Meter()
    clock.now += 1
    with meter.target():
        clock.now += 2
    clock.now += 4
    assert meter.elapsed() == 7
    assert meter.target_seconds == 2


def test_nested_stretches_count_once(clock: Clock):
    meter = Meter()
    with meter.target():
        clock.now += 1
        with meter.target():
            clock.now += 1
        clock.now += 1
    assert meter.target_seconds == 3


def test_an_open_stretch_counts_so_far(clock: Clock):
    meter = Meter()
    with meter.target():
        clock.now += 1
        assert meter.target_seconds == 1
        clock.now += 1
    assert meter.target_seconds == 2


def test_a_stretch_that_fails_is_closed(clock: Clock):
    meter = Meter()
    with contextlib.suppress(KeyError), meter.target():
        clock.now += 1
        raise KeyError
    clock.now += 5
    assert meter.target_seconds == 1

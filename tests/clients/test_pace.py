"""The load follows what a healthy release can take, and a window follows the rate."""

from __future__ import annotations

import pytest

from rollback_drills.clients.traffic.pace import Cost, pace_of
from rollback_drills.target.target import Target


def target_with(target: Target, *, rate: float = 25.0, window: int = 10, ready: float = 30.0) -> Target:
    return target.model_copy(
        update={
            "traffic": target.traffic.model_copy(update={"rate": rate, "window": window}),
            "gateway": target.gateway.model_copy(update={"ready_timeout": ready}),
        }
    )


def test_the_target_files_load_is_kept_where_it_can_be_served(reference_target: Target):
    pace = pace_of(reference_target)
    assert (pace.rate, pace.window, pace.reason) == (25.0, 10, "")
    assert pace.window_seconds == pytest.approx(0.8)


def test_a_release_with_slow_writes_gets_less(reference_target: Target):
    """A write of 0.2 s and a probe of 2 ms, in turn, keep one worker half busy at 4.9 a second."""
    pace = pace_of(reference_target, Cost.of("1.0", [0.002, 0.5, 0.001], [0.2, 0.19, 0.21]))
    assert (pace.rate, pace.window) == (4.9, 10)
    assert pace.reason.startswith("4.9 requests per second instead of 25: a delivery to release 1.0 takes 0.2 s")


@pytest.mark.parametrize(
    ("rate", "ready", "window"),
    [(0.4, 30.0, 3), (0.05, 30.0, 1), (25.0, 30.0, 10), (2.0, 30.0, 10), (1.0, 30.0, 7), (25.0, 1.0, 6)],
)
def test_a_window_takes_at_most_half_of_what_a_start_may(
    reference_target: Target, rate: float, ready: float, window: int
):
    pace = pace_of(target_with(reference_target, rate=rate, ready=ready))
    assert (pace.rate, pace.window) == (rate, window)
    assert pace.window_seconds <= ready / 2 or window == 1
    assert ("a window of" in pace.reason) == (window < 10)


def test_without_traffic_there_is_no_pace(reference_target: Target):
    assert pace_of(target_with(reference_target, rate=0.0)).window_seconds == 0.0


def test_a_release_that_hardly_answers_still_gets_a_request_now_and_then(reference_target: Target):
    pace = pace_of(reference_target, Cost.of("1.0", [60.0], [60.0]))
    assert (pace.rate, pace.window) == (0.01, 1)

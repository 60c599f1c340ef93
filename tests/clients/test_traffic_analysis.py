"""The evaluation of a load's records."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollback_drills.clients.traffic import Request, Span, analyse, held
from rollback_drills.clients.traffic.analysis import MOST_INTERVALS, interval_length, latency

RATE = 25.0
KINDS = ("health", "delivery")


def request(number: int, outcome: str = "good", *, due: float | None = None, seconds: float = 0.01) -> Request:
    due = number / RATE if due is None else due
    status = {"good": 200, "deliberate": 503}.get(outcome)
    return Request(
        number,
        KINDS[number % 2],
        "",
        f"id-{number}",
        due,
        due,
        due + seconds,
        status,
        "" if status else "connection refused",
        outcome,  # type: ignore[arg-type]
    )


OUTCOMES = st.lists(st.sampled_from(["good", "good", "deliberate", "failed"]), min_size=1, max_size=200)


@given(
    stop=st.floats(0.3, 5), down=st.floats(0.2, 20), after=st.floats(0.3, 3), phase=st.floats(0, 0.04, exclude_max=True)
)
def test_downtime_is_that_of_the_gateway_within_one_request_of_each_kind(
    stop: float, down: float, after: float, phase: float
) -> None:
    total = int((stop + down + after) * RATE)
    moments = [(number, phase + number / RATE) for number in range(total)]
    requests = [request(n, "failed" if stop <= due < stop + down else "good", due=due) for n, due in moments]
    seen = analyse(requests, Span(RATE, 0.0, stop + down + after))
    for kind in KINDS:
        assert seen.downtime_seconds[kind] == pytest.approx(down, abs=len(KINDS) / RATE + 0.001)
    assert {(each.kind, each.cause) for each in seen.downtime} == {(kind, "connection refused") for kind in KINDS}
    for each in seen.downtime:
        assert each.began == pytest.approx(stop, abs=len(KINDS) / RATE + 0.001)


@given(OUTCOMES)
def test_every_failed_request_is_in_one_stretch_and_no_other_is(outcomes: list[str]) -> None:
    requests = [request(number, outcome) for number, outcome in enumerate(outcomes)]
    seen = analyse(requests, Span(RATE, 0.0, len(outcomes) / RATE))
    for kind in KINDS:
        stretches = [each for each in seen.downtime if each.kind == kind]
        ends = [math.inf if each.ended is None else each.ended for each in stretches]
        for each in requests:
            if each.kind == kind:
                inside = any(s.began <= round(each.due, 4) < e for s, e in zip(stretches, ends, strict=True))
                assert inside == (each.outcome == "failed")
        assert sum(each.requests for each in stretches) == sum(
            each.kind == kind and each.outcome == "failed" for each in requests
        )
        assert all(first <= second.began for first, (_, second) in zip(ends, pairwise(stretches), strict=False))
        assert all(each.ended is not None for each in stretches[:-1])


def test_a_stretch_that_does_not_end_lasts_to_the_end() -> None:
    seen = analyse([request(0), request(2, "failed"), request(4, "failed")], Span(RATE, 0.0, 2.0))
    assert [(each.began, each.ended, each.requests) for each in seen.downtime] == [(0.08, None, 2)]
    assert seen.downtime_seconds == {"health": 1.92}


def test_a_pause_for_the_suite_s_own_work_is_no_downtime() -> None:
    requests = [request(number, "failed" if 2 <= due < 6 else "good", due=due) for number, due in _halves(20)]
    seen = analyse(requests, Span(RATE, 0.0, 10.0), pauses=[(1.0, 3.0), (5.0, 8.0), (9.0, 9.5)])
    assert seen.downtime_seconds == {kind: pytest.approx(2.0, abs=0.51) for kind in KINDS}


def _halves(count: int) -> list[tuple[int, float]]:
    return [(number, number / 2) for number in range(count)]


def test_a_deliberate_refusal_is_an_answer() -> None:
    seen = analyse([request(n, o) for n, o in ((1, "good"), (3, "failed"), (5, "deliberate"))], Span(RATE, 0, 1))
    assert [(each.began, each.ended) for each in seen.downtime] == [(0.12, 0.2)]


@given(OUTCOMES, st.floats(0, 9), st.none() | st.floats(0, 9))
def test_phases_hold_every_request_once(outcomes: list[str], trigger: float, recovery: float | None) -> None:
    steady = None if recovery is None else trigger + recovery
    end = len(outcomes) / RATE
    assume(trigger <= end)
    requests = [request(number, outcome) for number, outcome in enumerate(outcomes)]
    seen = analyse(requests, Span(RATE, 0.0, end), trigger=trigger, steady=steady)
    assert [phase.name for phase in seen.phases] == ["before", "during", *(["after"] if steady is not None else [])]
    for outcome in ("good", "deliberate", "failed"):
        assert sum(getattr(phase, outcome) for phase in seen.phases) == outcomes.count(outcome)
    assert all(phase.requests == phase.good + phase.deliberate + phase.failed for phase in seen.phases)
    assert all(phase.began <= phase.ended for phase in seen.phases)
    before = [each.outcome for each in requests if each.due < trigger]
    assert (seen.phases[0].requests, seen.phases[0].failed) == (len(before), before.count("failed"))


def test_without_a_rollback_there_are_no_phases() -> None:
    assert analyse([request(0)], Span(RATE, 0.0, 1.0)).phases == ()


def test_no_request_at_all() -> None:
    seen = analyse([], Span(RATE, 0.0, 1.0), trigger=0.5, steady=0.7)
    assert (seen.requests, seen.downtime, seen.latency, seen.intervals) == ({}, (), None, ())


@given(OUTCOMES, st.floats(1, 3600))
def test_intervals_hold_every_request_once(outcomes: list[str], stretch: float) -> None:
    requests = [request(n, o, due=n * stretch / len(outcomes)) for n, o in enumerate(outcomes)]
    seen = analyse(requests, Span(RATE, 0.0, stretch))
    assert len(seen.intervals) <= MOST_INTERVALS + 1
    for outcome in ("good", "deliberate", "failed"):
        assert sum(getattr(each, outcome) for each in seen.intervals) == outcomes.count(outcome)
    assert {round(b.at - a.at, 3) for a, b in pairwise(seen.intervals)} <= {round(seen.interval_seconds, 3)}


@given(st.floats(0.001, 1e6))
def test_an_interval_is_long_enough(seconds: float) -> None:
    assert seconds / interval_length(seconds) <= MOST_INTERVALS + 1e-6


def test_latency_counts_from_the_moment_a_request_was_due() -> None:
    late = Request(0, "health", "", "", due=1.0, sent=1.5, ended=1.75, status=200, error="", outcome="good")
    found = latency([late, request(2, "failed", seconds=9.0)])
    assert found is not None
    assert (found.p50, found.longest) == (0.75, 0.75)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_percentiles_are_by_nearest_rank(times: list[float]) -> None:
    found = latency([request(number, seconds=seconds, due=0.0) for number, seconds in enumerate(times)])
    assert found is not None
    for share, value in ((50, found.p50), (95, found.p95), (99, found.p99)):
        below = sum(round(each, 4) <= value for each in times)
        assert below >= share / 100 * len(times) - 1e-9
        assert sum(round(each, 4) < value for each in times) < share / 100 * len(times) + 1e-9
    assert found.longest == pytest.approx(max(times), abs=1e-4)


@given(OUTCOMES, st.integers(1, 6), st.integers(0, 60), st.sets(st.integers(0, 199)))
def test_the_steady_state_has_held_when_the_last_requests_of_every_kind_were_good(
    outcomes: list[str], window: int, first: int, outstanding: set[int]
) -> None:
    requests = [request(n, o, seconds=0.01 * (n % 7 + 1)) for n, o in enumerate(outcomes) if n not in outstanding]
    moment = held(requests, first / RATE, window, KINDS)
    expected = []
    for kind in range(2):
        known = [each for each in requests if each.number % 2 == kind and each.number >= first]
        last = known[-window:]
        whole = (
            [each.number for each in last] == list(range(last[0].number, last[0].number + 2 * window, 2))
            if last
            else False
        )
        good = whole and all(each.outcome != "failed" for each in last)
        expected.append(max(each.ended for each in last) if good else None)
    assert moment == (None if None in expected else max(e for e in expected if e is not None))


@pytest.mark.parametrize("missing", [4, 5, 8])
def test_a_request_that_is_still_on_its_way_within_the_window_holds_it_up(missing: int) -> None:
    requests = [request(number) for number in range(12) if number != missing]
    assert held(requests, 0.0, 5, KINDS) is None
    assert held([*requests, request(missing, seconds=3.0)], 0.0, 5, KINDS) == missing / RATE + 3.0
    assert held([*requests, request(missing, "failed")], 0.0, 5, KINDS) is None


def test_one_kind_alone_is_no_steady_state() -> None:
    assert held([request(number) for number in (0, 2, 4, 6)], 0.0, 2, KINDS) is None
    assert held([request(number) for number in range(6)], 0.0, 2, KINDS) == pytest.approx(5 / RATE + 0.01)


def test_requests_are_counted_by_status_or_error() -> None:
    seen = analyse([request(0), request(1, "failed"), request(2, "failed"), request(3)], Span(RATE, 0, 1))
    assert seen.requests == {
        "delivery": {"200": 1, "connection refused": 1},
        "health": {"200": 1, "connection refused": 1},
    }
    assert Counter(each.kind for each in seen.downtime) == Counter(KINDS)

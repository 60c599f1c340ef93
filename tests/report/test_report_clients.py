"""What clients saw: charts to scale, the phases, what became of writes; and the differences of definitions in words."""

from __future__ import annotations

import re

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples

from rollback_drills.evidence.model import ClientTraffic, Interval, Writes
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.views.chart import HEIGHT, WIDTH, charts
from rollback_drills.report.views.clients import clients_view, milliseconds, percent, writes_view
from rollback_drills.report.views.integrity import integrity
from rollback_drills.report.views.limits import FULL, LADDER, Limits
from rollback_drills.report.views.report import Reports
from rollback_drills.report.views.values import DiffLine


def corners(path: str) -> list[tuple[int, int]]:
    """The points of an outline of horizontal and vertical lines."""
    start = re.match(r"M(\d+) (\d+)", path)
    assert start is not None
    x, y = int(start[1]), int(start[2])
    points = [(x, y)]
    for command, number in re.findall(r"([HV])(\d+)", path):
        x, y = (int(number), y) if command == "H" else (x, int(number))
        points.append((x, y))
    return points


def test_charts_are_to_scale() -> None:
    throughput, errors = charts(build.traffic(trigger=2.0, down=1.0, total=5.0), 10.0, 96)
    assert [outline.kind for outline in throughput.outlines] == ["failed", "deliberate", "good"]
    everything = corners(throughput.outlines[0].path)  # requests all the time: half of the axis, at full height
    assert everything == [(0, 100), (0, 0), (500, 0), (500, 100)]
    good = corners(throughput.outlines[2].path)
    assert good == [(0, 100), (0, 0), (200, 0), (200, 100), (300, 100), (300, 0), (500, 0), (500, 100)]
    assert corners(errors.outlines[0].path) == [(200, 100), (200, 0), (300, 0), (300, 100), (500, 100), (500, 100)]
    assert (throughput.text, errors.text) == ("up to 40/s", "up to 100 %")
    assert "160 good, 0 refused on purpose, 40 failed" in throughput.alternative
    assert "requests failed between 2 s and 3 s, at worst 100 % of them" in errors.alternative


def test_what_was_refused_on_purpose_is_no_error() -> None:
    throughput, errors = charts(build.traffic(down=0.0, deliberate=4), 6.0, 96)
    assert (errors.outlines, errors.text) == ((), "0 %")
    assert errors.alternative == "Error rate over time: no request failed"
    heights = {outline.kind: min(y for x, y in corners(outline.path) if x > 900) for outline in throughput.outlines}
    assert heights == {"failed": 0, "deliberate": 0, "good": 40}


def test_a_gap_in_the_traffic_is_a_gap() -> None:
    traffic = ClientTraffic(
        rate=10,
        began=0,
        ended=4,
        requests={},
        interval_seconds=1.0,
        intervals=tuple(Interval(at=at, good=10, deliberate=0, failed=0) for at in (0.0, 1.0, 3.0)),
    )
    throughput, _ = charts(traffic, 4.0, 96)
    assert corners(throughput.outlines[2].path) == [
        (0, 100),
        (0, 0),
        (500, 0),
        (500, 100),
        (750, 100),
        (750, 0),
        (1000, 0),
        (1000, 100),
    ]


@pytest.mark.parametrize("limits", LADDER)
def test_a_long_drill_has_no_longer_outlines(limits: Limits) -> None:
    long = build.traffic(trigger=1000.0, down=700.0, total=3600.0)
    for chart in charts(long, 3600.0, limits.buckets):
        for outline in chart.outlines:
            points = corners(outline.path)
            assert len(points) < 6 * limits.buckets
            assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_a_single_failure_in_an_hour_is_still_seen() -> None:
    intervals = [Interval(at=float(at), good=100, deliberate=0, failed=int(at == 1800)) for at in range(3600)]
    traffic = ClientTraffic(
        rate=100, began=0, ended=3600, requests={}, interval_seconds=1.0, intervals=tuple(intervals)
    )
    _, errors = charts(traffic, 3600.0, 24)
    assert errors.text == "up to < 0.1 %"
    assert min(y for _, y in corners(errors.outlines[0].path)) == 97


def test_no_traffic_no_chart() -> None:
    nothing = ClientTraffic(rate=10, began=0, ended=0, requests={})
    assert charts(nothing, 10.0, 96) == ()
    quiet = nothing.model_copy(
        update={"interval_seconds": 1.0, "intervals": (Interval(at=0, good=0, deliberate=0, failed=0),)}
    )
    assert charts(quiet, 10.0, 96) == ()


def test_phases_requests_and_downtime() -> None:
    view = clients_view(build.traffic(), FULL)
    assert view.sentence == (
        "254 requests at 40 per second from 0 s to 6 s; longest downtime of one kind 1.4 s, objective 5 s"
    )
    during = view.phases[1]
    assert (during.name, during.requests, during.failed, during.error_rate, during.ok) == (
        "During the rollback",
        "80",
        "60",
        "75 %",
        False,
    )
    assert during.latencies == ("4 ms", "21 ms", "80 ms")
    assert view.statuses == ("200", "503", "ConnectError")
    assert [(row.name, row.total, row.counts, row.downtime) for row in view.kinds] == [
        ("delivery", "127", ("92", "7", "28"), "1.4 s"),
        ("health", "127", ("92", "7", "28"), "1.4 s"),
    ]
    assert [(row.kind, row.began, row.lasted, row.cause) for row in view.downtimes] == [
        ("delivery", "2.4 s", "1.4 s", "ConnectError"),
        ("health", "2.4 s", "1.4 s", "ConnectError"),
    ]


def test_downtime_that_never_ended_says_so() -> None:
    traffic = build.traffic()
    lasting = traffic.downtime[0].model_copy(update={"ended": None})
    view = clients_view(traffic.model_copy(update={"downtime": (lasting,)}), FULL)
    assert view.downtimes[0].lasted == "3.6 s, to the end"


def test_writes_are_accounted_for() -> None:
    writes = Writes(
        acknowledged=1000,
        lost=("a", "b"),
        lost_more=3,
        expected_lost=4,
        duplicated=("c",),
        unexpected=("d",),
        unexpected_more=1,
        uncertain=6,
        rpo_seconds=2.5,
        rpo_objective_seconds=2.0,
    )
    view = writes_view(writes, Limits(items=1))
    assert [text for _, text in view.facts] == ["1,000", "5", "4", "1", "2", "6"]
    assert (view.rpo, view.met) == ("2.5 s of 2 s", False)
    assert [(each.title, each.ids, each.more) for each in view.lists] == [
        ("Lost", ("a",), 4),
        ("Stored more than once", ("c",), 0),
        ("Stored although refused, or never sent", ("d",), 1),
    ]
    none = writes_view(Writes(acknowledged=3), FULL)
    assert (none.rpo, none.met, none.lists) == ("nothing lost", None, ())


def test_what_was_not_measured_is_never_nought() -> None:
    page = render_html(Reports(build.run(build.drill(steps=[build.step(1, "a", 0.1, 0.5)]))))
    assert "What clients saw: not measured." in page
    assert "Requests per second" not in page


def test_every_relation_that_was_compared_is_in_the_table() -> None:
    table = integrity(samples.failed_database(), FULL)
    assert table is not None
    assert [(row.name, row.change, row.check) for row in table.relations] == [
        ("deliveries", "13 rows gone", "step 3: rows that should survive"),
        ("integrations", "same", "step 3: rows that should survive"),
    ]
    difference = {
        "tables": [
            {"table": "a", "rows_before": 3, "rows_after": 4, "changed": True},
            {"table": "b", "rows_before": 3, "rows_after": 3, "changed": True},
            {"table": "c", "rows_before": None, "rows_after": 3, "changed": False},
        ]
    }
    step = build.step(1, "a", 0.1, 0.5, build.check("no row changes", {"tables": []}, difference))
    table = integrity(build.drill(steps=[step]), FULL)
    assert table is not None
    assert [row.change for row in table.relations] == ["1 row more", "different content", "only on one side"]
    assert table.differ == 3


def test_what_differs_between_two_definitions_is_marked() -> None:
    line = DiffLine("changed", "x", "integer NOT NULL DEFAULT 0", "bigint NOT NULL")
    assert line.before_words == (("integer", True), (" NOT NULL", False), (" DEFAULT 0", True))
    assert line.after_words == (("bigint", True), (" NOT NULL", False))
    assert DiffLine("missing", "x", "integer", "").before_words == (("integer", False),)
    assert DiffLine("changed", "x", "a " * 5000, "b " * 5000).before_words == (("a " * 5000, False),)


def test_small_numbers_are_not_rounded_away() -> None:
    assert [milliseconds(value) for value in (None, 0, 0.0004, 0.0041, 0.5, 2.5)] == [
        "—",
        "0 s",
        "< 1 ms",
        "4 ms",
        "500 ms",
        "2.5 s",
    ]
    assert [percent(value) for value in (0, 0.0001, 0.004, 0.37, 1)] == ["0 %", "< 0.1 %", "0.4 %", "37 %", "100 %"]

"""The gateway's request counters."""

from __future__ import annotations

from typing import Any

import pytest
from support.answering_server import Reply, Server, reply

from rollback_drills.clients.metrics import RequestCounters
from rollback_drills.core.errors import StackError
from rollback_drills.target.target import Target

METRICS = """# HELP http_requests_total requests
# TYPE http_requests_total counter
http_requests_total{status="200",path="/a"} 10
http_requests_total{status="500",path="/a"} 2
http_requests_total{status="503",path="/a"} 5
http_requests_created{status="503",path="/a"} 1.7e9
# TYPE gateway_webhooks_total counter
gateway_webhooks_total{outcome="disabled",integration="x"} 3
gateway_webhooks_total{outcome="disabled",integration="y"} 1
gateway_webhooks_total{outcome="stored",integration="y"} 7
"""


def test_deliberate_refusals_are_not_errors(make: Any, server: Server, reference_target: Target):
    server.reply = reply(200, METRICS, "text/plain; version=0.0.4")
    counters = make().counters()
    assert (counters.requests, counters.errors) == (17, 3)
    metrics = reference_target.metrics.model_copy(update={"deliberate": None})
    assert make(metrics=metrics).counters().errors == 7


def test_counters_between_two_moments():
    between = RequestCounters(30, 6) - RequestCounters(10, 1)
    assert (between.requests, between.errors, between.error_rate) == (20, 5, 0.25)
    assert RequestCounters(0, 0).error_rate == 0


NO_METRICS = [
    reply(500, "x", "text/plain"),
    reply(200, "{}"),
    *(reply(200, text, "text/plain") for text in ("a{b 1\n", "http_requests_total{} x\n", "\x00 \xff")),
]


@pytest.mark.parametrize("answer", NO_METRICS)
def test_an_answer_that_is_not_metrics_is_an_error(make: Any, server: Server, answer: Reply):
    server.reply = answer
    with pytest.raises(StackError, match="/metrics does not return metrics"):
        make().counters()


def test_a_target_without_metrics_has_no_counters(make: Any):
    with pytest.raises(StackError, match="no \\[metrics\\]"):
        make(metrics=None).counters()

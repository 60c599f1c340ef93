"""The gateway's own request counters, in the Prometheus text format."""

from __future__ import annotations

import json
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.decoding import BODY_LIMIT
from rollback_drills.core.errors import StackError
from rollback_drills.target.probe_tables import Metrics


@dataclass(frozen=True, slots=True)
class RequestCounters:
    """The gateway's counters at one moment; the difference of two is what happened between them."""

    requests: float
    errors: float

    def __sub__(self, earlier: RequestCounters) -> RequestCounters:
        return RequestCounters(self.requests - earlier.requests, self.errors - earlier.errors)

    @property
    def error_rate(self) -> float:
        """Errors per request, from 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0


def read_counters(metrics: Metrics, answer: Answer) -> RequestCounters:
    """The counters in an answer of ``metrics.path``.

    Raises:
        StackError: the answer is not metrics.
    """
    if answer.status != 200 or not isinstance(answer.body, str):
        raise StackError(f"{metrics.path} does not return metrics", cause=json.dumps(answer.brief()))
    try:
        samples = [sample for family in text_string_to_metric_families(answer.body) for sample in family.samples]
    except ValueError as error:
        what = f"{metrics.path} does not return metrics: {error}"
        raise StackError(what, cause=answer.body[:BODY_LIMIT]) from None
    requests = errors = 0.0
    for name, labels, value, *_ in samples:
        if name == metrics.requests:
            requests += value
            errors += value if labels.get(metrics.status_label, "").startswith("5") else 0.0
        deliberate = metrics.deliberate
        if deliberate and name == deliberate.counter and deliberate.labels.items() <= labels.items():
            errors -= value
    return RequestCounters(requests, errors)

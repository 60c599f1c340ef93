"""A load against an answering server, and waiting for its requests."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rollback_drills.clients.traffic import Load, Request
from rollback_drills.target.target import Target

PATIENCE = 20.0  # seconds; nothing here takes a tenth of it on an idle machine


def with_load(target: Target, *, rate: float = 25.0, timeout: float = 5.0, **delivery: object) -> Target:
    """A target with this load, and with these changes to its delivery."""
    return target.model_copy(
        update={
            "traffic": target.traffic.model_copy(update={"rate": rate}),
            "gateway": target.gateway.model_copy(update={"request_timeout": timeout}),
            "delivery": target.delivery.model_copy(update=delivery),
        }
    )


def at_least(number: int, kind: str = "") -> Callable[[Sequence[Request]], bool]:
    """Whether so many requests of a kind have ended; for `Load.wait_for`."""
    return lambda requests: sum(not kind or each.kind == kind for each in requests) >= number


def after(load: Load, number: int) -> list[Request]:
    """End a load after this many requests; all of its requests, in order."""
    assert load.wait_for(at_least(number), timeout=PATIENCE)
    load.end()
    return sorted(load.requests, key=lambda request: request.number)

"""Learns, before any drill, what the healthy releases can take of the suite's own traffic."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from rollback_drills.clients.traffic import Request, Sender, begin
from rollback_drills.clients.traffic.analysis import latency
from rollback_drills.clients.traffic.pace import PLAYED, SAMPLES, SPARE, WAITED, Cost, asked_rate
from rollback_drills.core.errors import DrillError
from rollback_drills.lab.stack import Stack


@dataclass(frozen=True, slots=True)
class Played:
    """What became of the load while it was played on a healthy release.

    Attributes:
        slowest: seconds within which 95 % of the requests of its second half were answered; None: none was.
    """

    cost: Cost
    rate: float
    requests: int
    failed: int
    slowest: float | None

    @property
    def served(self) -> bool:
        """Whether the release keeps up: every answer is good, and does not wait for the others."""
        limit = WAITED * max(self.cost.delivery, self.cost.health, self.cost.read or 0.0) + SPARE
        return not self.failed and self.slowest is not None and self.slowest <= limit


def cost_of(stack: Stack) -> Cost:
    """Ask the running, idle release for its health, and deliver, one request after the other."""
    names = stack.target.integrations_of(stack.target.previous)
    stack.client.health()  # the first requests may open connections and pools
    stack.client.deliver(names[0])
    health = [stack.client.health().seconds for _ in range(SAMPLES)]
    delivery = [stack.client.deliver(names[number % len(names)]).answer.seconds for number in range(SAMPLES)]
    reads = stack.target.reads_of(stack.target.previous)
    read = [stack.client.read(reads[number % len(reads)]).seconds for number in range(SAMPLES)] if reads else []
    return Cost.of(stack.gateway.release or "", health, delivery, read)


def play(stack: Stack, sender: Sender, cost: Cost, rate: float) -> Played:
    """Play the drills' own load on a healthy release for `PLAYED` seconds, and at least two requests of each kind.

    Raises:
        StackError: the sender has ended.
    """
    load = begin(sender, stack.target, stack.gateway.base_url, rate=rate, hide=stack.client.hide)
    wanted = max(4, round(PLAYED * rate))
    limit = wanted / rate + stack.target.gateway.request_timeout
    load.wait_for(lambda requests: len(requests) >= wanted, timeout=limit)
    load.end()
    requests = sorted(load.requests, key=lambda request: request.number)
    late: list[Request] = requests[len(requests) // 2 :]
    found = latency(late)
    failed = sum(each.outcome == "failed" for each in requests)
    return Played(cost, rate, len(requests), failed, found.p95 if found is not None else None)


def overtaxed(stack: Stack, sender: Sender) -> Cost | None:
    """The cost of the running release's requests if it cannot take the target file's rate; None if it can."""
    cost, rate = cost_of(stack), asked_rate(stack.target)
    if rate <= cost.rate:
        return None
    return None if play(stack, sender, cost, rate).served else cost


def learn(stack: Stack, release: str, sender: Sender) -> Cost | None:
    """As `overtaxed`, of a release that is started for it. One that does not start is for the drills to tell."""
    with contextlib.suppress(DrillError):
        if stack.gateway.deploy(release).started:
            return overtaxed(stack, sender)
    return None

"""The clients of one drill's stack: the drill's own client, and the load."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.traffic.accounting import DeliveryAttempt
from rollback_drills.clients.traffic.load import Load, begin
from rollback_drills.clients.traffic.pace import Pace, pace_of
from rollback_drills.clients.traffic.records import DELIVERY, Request, fate
from rollback_drills.clients.traffic.sender import Sender
from rollback_drills.core.errors import StackError
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class SteadyWindow:
    """Whether clients saw the steady state for a whole window.

    ``moment``: when the window was complete, in monotonic seconds; None: not in time, and ``seen`` says why.
    """

    moment: float | None
    seen: str = ""


class StackClients:
    """The clients of a stack. They send nothing before `begin`, and nothing at all without a sender or at rate 0.

    Args:
        client: the drill's own client, whose deliveries are accounted for with the load's.
        pace: the load; by default the target file's.
    """

    def __init__(
        self,
        target: Target,
        client: GatewayClient,
        base_url: Callable[[], str],
        sender: Sender | None,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or pace_of(target)
        self._target, self._client, self._base_url, self._sender = target, client, base_url, sender
        self.load: Load | None = None
        self.given_up: list[tuple[float, float]] = []
        self.concluded = False

    def begin(self) -> None:
        """Start the load."""
        if self.load is None and self._sender is not None and self._target.traffic.rate > 0:
            self.load = begin(self._sender, self._target, self._base_url(), rate=self.pace.rate, hide=self._client.hide)

    def end(self) -> None:
        """Stop the load. After a drill that was skipped half-way it still runs, and would continue in the next one."""
        if self.load is not None:
            with suppress(StackError):  # it has ended, and sends nothing
                self.load.end()

    @property
    def asking(self) -> bool:
        return self.load is not None and self.load.running

    def latest_send(self, lately: float) -> float:
        """By how many seconds a request of the last ``lately`` seconds was sent too late, at worst."""
        since = time.monotonic() - lately
        requests = self.load.requests if self.load is not None else ()
        return max((each.sent - each.due for each in requests if each.due >= since), default=0.0)

    @property
    def window(self) -> int:
        """How many consecutive requests of each kind must be good."""
        return self.pace.window

    def hold(self, since: float) -> SteadyWindow:
        """Wait until clients see the steady state for a whole window after ``since`` (monotonic seconds)."""
        if self.load is None or not self.load.running:
            return SteadyWindow(since)
        patience = self._target.gateway.ready_timeout + self.pace.window_seconds
        moment = self.load.hold(since, window=self.window, timeout=patience)
        return SteadyWindow(moment) if moment is not None else SteadyWindow(None, _failures(self.load.requests, since))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause all clients, with no request in flight. The report shows the pause."""
        if self.load is None:
            yield
            return
        with self.load.paused():
            yield

    def give_up(self, since: float, until: float | None = None) -> None:
        """Declare that the procedure loses what was acknowledged between these moments (monotonic seconds)."""
        self.given_up.append((since, time.monotonic() if until is None else until))

    def attempts(self) -> list[DeliveryAttempt]:
        """All deliveries of the load and of the drill."""
        own = [
            DeliveryAttempt(each.id, fate(self._target, each.integration, each.answer), each.at)
            for each in self._client.delivered
        ]
        requests = self.load.requests if self.load is not None else ()
        return own + [
            DeliveryAttempt(each.id, each.fate, each.ended)
            for each in requests
            if each.kind == DELIVERY and each.fate is not None
        ]


def _failures(requests: tuple[Request, ...], since: float) -> str:
    """The last failures, as text."""
    failed = [
        f"{each.kind} {each.problem or each.result}"
        for each in requests
        if each.due >= since and each.outcome == "failed"
    ]
    return (
        f"{len(failed)} failed since then, most recently: {', '.join(failed[-3:])}"
        if failed
        else "too few were answered"
    )

"""The load of one drill, as the harness sees it: the results so far, and waiting for more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from urllib.parse import quote
from uuid import uuid4

from rollback_drills.clients.delivery import PreparedDelivery, new_id, prepare
from rollback_drills.clients.login import credentials_of, login_request, records_nothing
from rollback_drills.clients.traffic.analysis import Span, held
from rollback_drills.clients.traffic.pace import asked_rate
from rollback_drills.clients.traffic.records import DELIVERY, HEALTH, READ, Request, judged
from rollback_drills.clients.traffic.sender import Line, Sender
from rollback_drills.clients.traffic.sender_program import DIGITS, Template
from rollback_drills.clients.under_way import ALLOWED_IN_PATHS
from rollback_drills.core.errors import StackError
from rollback_drills.target.target import Target

MOST_IN_FLIGHT = 500  # more would exceed a process's open files, and no client waits that long
_GRACE = 5.0  # seconds that the sender has to answer, beyond the requests' own limit


class Load:
    """A load that runs until `end` and records its requests."""

    def __init__(
        self,
        sender: Sender,
        target: Target,
        kinds: Sequence[Sequence[Template]],
        base_url: str,
        rate: float,
        hide: Callable[[str], None],
    ) -> None:
        self._sender, self._target, self._hide = sender, target, hide
        self._kinds = tuple(templates[0].kind for templates in kinds)
        self._requests: list[Request] = []
        self._changed = threading.Condition()
        self._said: dict[str, Line] = {}
        self._problem: StackError | None = None
        self._ended: Span | None = None
        self._pauses: list[tuple[float, float]] = []
        self.rate = rate
        sender.listen(self._receive, self._fail)
        self.began = time.monotonic()
        sender.send(
            {
                "do": "begin",
                "base_url": base_url,
                "rate": self.rate,
                "most_in_flight": MOST_IN_FLIGHT,
                "logins": {name: _login(target, name) for name in target.logins},
                "kinds": [[asdict(template) for template in templates] for templates in kinds],
            }
        )

    @property
    def requests(self) -> tuple[Request, ...]:
        """The finished requests."""
        with self._changed:
            return tuple(self._requests)

    @property
    def pauses(self) -> tuple[tuple[float, float], ...]:
        """Intervals in which the drill had paused the load."""
        return tuple(self._pauses)

    @property
    def running(self) -> bool:
        return self._ended is None

    def wait_for(self, condition: Callable[[Sequence[Request]], bool], *, timeout: float) -> bool:
        """Wait until the finished requests satisfy a condition, which is checked after each one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._problem is not None or condition(self._requests), timeout) and (
                self._problem is None
            )

    def hold(self, since: float, *, window: int, timeout: float) -> float | None:
        """When clients had seen the steady state for a whole window after ``since``; None: not in time."""
        self.wait_for(lambda requests: held(requests, since, window, self._kinds) is not None, timeout=timeout)
        return held(self.requests, since, window, self._kinds)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the load, with no request in flight: for comparisons that no write may disturb."""
        if not self.running:
            yield
            return
        self._said.pop("paused", None)
        began = time.monotonic()
        self._ask("pause", "paused")
        try:
            yield
        finally:
            self._pauses.append((began, time.monotonic()))
            self._sender.send({"do": "resume"})

    def end(self) -> Span:
        """Stop sending, wait for requests in flight, and return the measurements; a second call returns the same.

        Raises:
            StackError: the sender has ended, so what clients saw is not known.
        """
        if self._ended is None:
            ended = time.monotonic()
            said = self._ask("end", "ended")
            last = max((request.due for request in self.requests), default=ended)
            self._ended = Span(self.rate, self.began, max(ended, last), said["latest"], said["cpu"])
        return self._ended

    def _ask(self, order: str, answer: str) -> Line:
        timeout = max(self._target.gateway.request_timeout, self._target.timeout_of(self._target.readiness)) + _GRACE
        self._sender.send({"do": order})
        with self._changed:
            self._changed.wait_for(lambda: self._problem is not None or answer in self._said, timeout)
            if self._problem is not None:
                raise StackError("the client traffic has stopped", cause=str(self._problem)) from None
            if answer not in self._said:
                raise StackError(f"the client traffic does not end within {timeout:g} s")
            return self._said[answer]

    def _receive(self, line: Line) -> None:
        request = judged(self._target, line) if isinstance(line, list) else None
        if request is None and "secret" in line:
            self._hide(line["secret"])
            return
        with self._changed:
            if request is not None:
                self._requests.append(request)
            else:
                for name in ("paused", "ended"):
                    if name in line:
                        self._said[name] = line
            self._changed.notify_all()

    def _fail(self, problem: StackError) -> None:
        with self._changed:
            self._problem = problem
            self._changed.notify_all()


def begin(
    sender: Sender,
    target: Target,
    base_url: str,
    *,
    rate: float | None = None,
    hide: Callable[[str], None] = records_nothing,
) -> Load:
    """Start the target file's load, in turn: health probes, deliveries to what both releases have, and reads.

    Args:
        rate: requests per second; by default, the target file's.
        hide: receives each token and cookie that a login gives: it must never be recorded.
    """
    common = target.integrations_of(target.previous)
    kinds = [[_health(target)], [_delivery(target, name) for name in common]]
    if reads := [_read(target, each.name) for each in target.reads_of(target.previous)]:
        kinds.append(reads)
    return Load(sender, target, kinds, base_url, rate or asked_rate(target), hide)


def _health(target: Target) -> Template:
    probe = target.readiness
    path, headers = quote(probe.path, safe=ALLOWED_IN_PATHS), [*probe.headers.items()]
    timeout = target.timeout_of(probe)
    return Template(HEALTH, "", probe.method, path, headers, "", "", None, None, timeout, probe.login or "")


def _delivery(target: Target, integration: str) -> Template:
    # Replaced by each request's id, which is as long and needs no escaping.
    marker = f"{new_id(target, integration, 'load')[:-DIGITS]}{'x' * DIGITS}"
    agreed = target.disabled_answer(integration)
    keep = [*agreed.statuses] if agreed is not None else []
    return _template(target, DELIVERY, integration, prepare(target, integration, marker), marker, keep)


def _read(target: Target, name: str) -> Template:
    return _template(target, READ, name, prepare(target, name, f"read-{uuid4().hex}"), "", [])


def _login(target: Target, name: str) -> dict[str, object]:
    request = _template(target, "login", name, login_request(target, name), "", None)
    return {"template": asdict(request), "credentials": asdict(credentials_of(target, name))}


def _template(
    target: Target, kind: str, name: str, prepared: PreparedDelivery, marker: str, keep: list[int] | None
) -> Template:
    return Template(
        kind=kind,
        integration=name,
        method=prepared.method,
        path=quote(prepared.path, safe=ALLOWED_IN_PATHS),
        headers=prepared.headers,
        body=prepared.body,
        marker=marker,
        keep_body_of=keep,
        signer=prepared.signer,
        timeout=target.gateway.request_timeout,
        login=prepared.login or "",
    )

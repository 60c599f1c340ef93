"""What a client sees of the gateway: answers over HTTP, deliveries, and the error rate in its metrics."""

from __future__ import annotations

import codecs
import contextlib
import json
import math
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import httpx
from prometheus_client.parser import text_string_to_metric_families
from pydantic import JsonValue

from rollback_drills.clients.answers import (
    BODY_LIMIT,
    TEXT_LIMIT,
    Answer,
    is_acknowledged,
    is_agreed,
    matches,
    pointer,
)
from rollback_drills.clients.delivery import (
    PreparedDelivery,
    prepare,
)
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, fill_json
from rollback_drills.target.client_tables import Fingerprint, Probe, Routes
from rollback_drills.target.target import Target

_MOST_BYTES = 16_000_000  # of one answer that are read at all


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was attempted; ``acknowledged``: the gateway has taken responsibility for it."""

    id: str
    integration: str
    answer: Answer
    acknowledged: bool
    at: float


@dataclass(frozen=True, slots=True)
class RequestCounters:
    """Counters of the gateway at one moment; subtract two for what happened between them."""

    requests: float
    errors: float

    def __sub__(self, earlier: RequestCounters) -> RequestCounters:
        return RequestCounters(self.requests - earlier.requests, self.errors - earlier.errors)

    @property
    def error_rate(self) -> float:
        """Errors per request, from 0 to 1; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0


class GatewayClient:
    """A client of the gateway; its requests are the target's time.

    Args:
        delivered: where every delivery is noted; by default in a list of its own.
    """

    def __init__(
        self, target: Target, base_url: Callable[[], str], meter: Meter, delivered: list[Delivered] | None = None
    ) -> None:
        self._target, self._base_url, self._meter = target, base_url, meter
        self.delivered = delivered if delivered is not None else []
        self._last_delivery = -math.inf
        # Neither proxies nor credentials of the caller's, and no connection kept across restarts of the gateway.
        self._http = httpx.Client(
            trust_env=False,
            verify=False,  # plain HTTP to the loopback address: reading the CA bundle would cost 0.1 s a drill
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        json_body: JsonValue = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """One request; a refused connection or a timeout is an answer as well, and no exception.

        Args:
            timeout: seconds for the answer as a whole; by default the target's ``request_timeout``.
        """
        timeout = timeout if timeout is not None else self._target.gateway.request_timeout
        started = time.monotonic()
        url = self._base_url() + path
        limit = _Limit(timeout)
        with self._meter.target():
            try:
                sent = self._http.stream(
                    method, url, headers=dict(headers or {}), json=json_body, content=content, timeout=timeout,
                    extensions={"trace": limit.trace},
                )  # fmt: skip
                with limit, sent as response:
                    received = _read(response)
                limit.check()
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                reason = f"{type(error).__name__}: {error}".strip(": ")
                return Answer(None, None, time.monotonic() - started, limit.passed or reason)
        seconds = time.monotonic() - started
        text = received.decode(_charset(response), errors="replace")
        body = _body(response, received, text)
        return Answer(response.status_code, body, seconds, headers=response.headers, text=text[:TEXT_LIMIT])

    def health(self) -> Answer:
        return self._ask(self._target.health)

    def healthy(self) -> bool:
        return matches(self._target.health, self.health())

    def write_probe(self) -> Answer:
        """The answer to the write probe, sent with an id of its own.

        Raises:
            StackError: the target has none.
        """
        probe = self._target.write_probe
        if probe is None:
            raise StackError("the target has no [write_probe]", fix=f"add it to {self._target.file}")
        values = {"unique": f"probe-{uuid4().hex}"}
        return self.request(
            probe.method,
            fill(probe.path, values),
            json_body=fill_json(probe.json_body, values),
            headers={name: fill(text, values) for name, text in probe.headers.items()},
            timeout=self._target.timeout_of(probe),
        )

    def version(self) -> JsonValue:
        """The version that the gateway reports, or what it answered instead."""
        asked = self._target.version
        answer = self.request("GET", asked.path)
        if answer.status != 200:
            return answer.brief()
        said = answer.headers.get(asked.header) if asked.header is not None else pointer(answer.body, asked.pointer)
        if asked.pattern is None or said is None:
            return said
        found = re.search(asked.pattern, said if isinstance(said, str) else json.dumps(said))
        return found[1 if found.re.groups else 0] if found else None

    def behaviour(self, release: str) -> dict[str, tuple[JsonValue, JsonValue]]:
        """Expected and observed answers that tell this release from the other, by request."""
        answers: dict[str, tuple[JsonValue, JsonValue]] = {}
        for probe in self._target.behaviours:
            if probe.release == release:
                answer = self._ask(probe)
                expected: JsonValue = {"status": probe.status, "body": probe.body}
                observed = expected if matches(probe, answer) else answer.brief()
                answers[f"{probe.method} {probe.path}"] = (expected, observed)
        routes = self._target.version.routes
        if routes is not None and release in routes.releases:
            answers[f"GET {routes.path} at {routes.pointer or '/'}"] = self._routes(routes, routes.releases[release])
        agreed = self._target.delivery.absent
        for name in self._target.absent_from(release) if agreed is not None else ():
            assert agreed is not None
            absent, answer = agreed.of(name), self.deliver(name).answer
            answers[f"a delivery to {name}"] = (
                absent.brief(),
                absent.brief() if is_agreed(absent, answer) else answer.brief(),
            )
        return answers

    def _routes(self, routes: Routes, wanted: Fingerprint) -> tuple[JsonValue, JsonValue]:
        """The entries that a release should have, or their number, and those that this one has."""
        expected: JsonValue = [*sorted(wanted)] if isinstance(wanted, tuple) else wanted
        answer = self.request("GET", routes.path)
        found = pointer(answer.body, routes.pointer)
        if answer.status != 200 or not isinstance(found, dict | list):
            return expected, {"status": answer.status, "there": "neither a list nor an object"}
        entries = sorted(each if isinstance(each, str) else json.dumps(each) for each in found)
        return expected, [*entries] if isinstance(wanted, tuple) else len(entries)

    def _ask(self, probe: Probe) -> Answer:
        return self.request(probe.method, probe.path, timeout=self._target.timeout_of(probe))

    def deliver(self, integration: str, unique: str | None = None) -> Delivered:
        """Deliver one webhook with an id of its own, signed as the target file says."""
        unique = unique or f"drill-{uuid4().hex}"
        prepared = prepare(self._target, integration, unique)
        return self._deliver(integration, unique, prepared)

    def deliver_forged(self, integration: str) -> dict[str, Delivered]:
        """Deliver as somebody would who does not know the secret, and how that was tried.

        Raises:
            StackError: deliveries are not signed.
        """
        signer = prepare(self._target, integration, "").signer
        if signer is None:
            raise StackError("the target's deliveries are not signed", fix="say how under [delivery.signature]")
        other = replace(signer, secret=f"not-{uuid4().hex}")
        tried: dict[str, Delivered] = {}
        for how, by in (("unsigned", None), ("signed with another key", other)):
            unique = f"forged-{uuid4().hex}"
            prepared = replace(prepare(self._target, integration, unique), signer=by)
            tried[how] = self._deliver(integration, unique, prepared)
        return tried

    def _deliver(self, integration: str, unique: str, prepared: PreparedDelivery) -> Delivered:
        self._keep_pace()
        body, headers = prepared.body.encode(), dict(prepared.headers)
        if prepared.signer is not None:
            headers |= prepared.signer.headers(body, unique, int(time.time()))
        answer = self.request(prepared.method, prepared.path, content=body or None, headers=headers)
        acknowledged = is_acknowledged(self._target, integration, answer)
        delivered = Delivered(unique, integration, answer, acknowledged, time.monotonic())
        self.delivered.append(delivered)
        return delivered

    def _keep_pace(self) -> None:
        """Stay below the gateway's limit, of which the load has one half where there is a load."""
        limit = self._target.delivery.rate_limit
        if limit is None:
            return
        pause = (2 if self._target.traffic.rate else 1) / limit
        with self._meter.target():
            time.sleep(max(0.0, self._last_delivery + pause - time.monotonic()))
        self._last_delivery = time.monotonic()

    def traffic(self) -> RequestCounters:
        """The gateway's own counters.

        Raises:
            StackError: the target has no [metrics], or they cannot be read.
        """
        metrics = self._target.metrics
        if metrics is None:
            raise StackError("the target has no [metrics]", fix=f"add them to {self._target.file}")
        answer = self.request("GET", metrics.path)
        if answer.status != 200 or not isinstance(answer.body, str):
            raise StackError(f"{metrics.path} does not give metrics", cause=json.dumps(answer.brief()))
        try:
            samples = [sample for family in text_string_to_metric_families(answer.body) for sample in family.samples]
        except ValueError as error:
            what = f"{metrics.path} does not give metrics: {error}"
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


class _Limit:
    """Ends a request in time, be it by cutting the connection.

    The timeouts of httpx are for each wait of the network: a server that sends the head of its answer byte by byte
    would never exceed one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._socket: socket.socket | None = None
        self.passed = ""

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """As httpcore calls it: the one way to the socket before there is an answer."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"].get_extra_info("socket")

    def check(self) -> None:
        """Raises ReadTimeout when it was cut: to whoever reads, that looks like the end of the body."""
        if self.passed:
            raise httpx.ReadTimeout(self.passed)

    def _cut(self) -> None:
        self.passed = f"ReadTimeout: the answer was not complete within {self._seconds:g} s"
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _read(response: httpx.Response) -> bytes:
    """The body, as far as it is read at all."""
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > _MOST_BYTES:
            raise httpx.ReadError(f"the body is longer than {_MOST_BYTES} bytes")
    return bytes(content)


def _body(response: httpx.Response, content: bytes, text: str) -> JsonValue:
    if "json" in response.headers.get("content-type", ""):
        try:
            parsed: JsonValue = json.loads(content)
        except (ValueError, RecursionError):
            return text[:BODY_LIMIT]
        return parsed
    return text if response.is_success else text[:BODY_LIMIT]


def _charset(response: httpx.Response) -> str:
    try:
        return codecs.lookup(response.charset_encoding or "utf-8").name
    except LookupError:
        return "utf-8"

"""A client of the gateway: health, version, behaviours, deliveries and metrics, as the target file describes them."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from rollback_drills.clients.answers import Answer, is_acknowledged, is_agreed, matches
from rollback_drills.clients.credentials import pointer
from rollback_drills.clients.delivery import Delivered, PreparedDelivery, new_id, prepare
from rollback_drills.clients.http import HttpClient
from rollback_drills.clients.login import Sessions, records_nothing
from rollback_drills.clients.metrics import RequestCounters, read_counters
from rollback_drills.clients.under_way import ALLOWED_IN_PATHS, DeliveryUnderWay
from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.placeholders import fill, fill_json
from rollback_drills.evidence.model import strictly_equal
from rollback_drills.target.probe_tables import Fingerprint, Metrics, Probe, Routes, Version
from rollback_drills.target.request_tables import ClientRequest
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """An answer that distinguishes the releases: what was expected, what was observed in it."""

    answer: Answer
    expected: JsonValue
    observed: JsonValue

    @property
    def equal(self) -> bool:
        return strictly_equal(self.expected, self.observed)


class GatewayClient:
    """A client of the gateway; the meter counts its requests as the target's time.

    Args:
        delivered: the list that records every delivery; by default a new one.
        hide: receives each token and cookie that a login gives: it must never be recorded.
    """

    def __init__(
        self,
        target: Target,
        base_url: Callable[[], str],
        meter: Meter,
        delivered: list[Delivered] | None = None,
        hide: Callable[[str], None] = records_nothing,
    ) -> None:
        self._target, self._meter, self.hide = target, meter, hide
        self.delivered = delivered if delivered is not None else []
        self._last_request = -math.inf
        self._base_url = base_url
        self._http = HttpClient(base_url, meter)
        self._sessions = Sessions(target, self._send, hide)

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
        """Send one request. A refused connection or a timeout is an answer too, not an exception.

        Args:
            timeout: seconds for the answer as a whole; by default the target's ``request_timeout``.
        """
        limit = timeout if timeout is not None else self._target.gateway.request_timeout
        return self._http.request(method, path, timeout=limit, json_body=json_body, content=content, headers=headers)

    def health(self) -> Answer:
        return self._probe(self._target.readiness)

    def healthy(self) -> bool:
        return matches(self._target.readiness, self.health())

    def write_probe(self) -> Answer:
        """Send the write probe with a new id.

        Raises:
            StackError: the target has none.
        """
        probe = self._target.write_probe
        if probe is None:
            raise StackError("the target has no [write_probe]", fix=f"add it to {self._target.file}")
        values = {"unique": f"probe-{uuid4().hex}"}
        headers = {name: fill(text, values) for name, text in probe.headers.items()}
        return self._sessions.authorised(
            probe.login,
            lambda authorisation: self.request(
                probe.method,
                fill(probe.path, values),
                json_body=fill_json(probe.json_body, values),
                headers=headers | dict(authorisation),
                timeout=self._target.timeout_of(probe),
            ),
        )

    def version(self) -> JsonValue:
        """The version that the gateway reports, or its answer if that has none; None without [version]."""
        return self.version_in(self.ask_version()) if self._target.version is not None else None

    def ask_version(self) -> Answer:
        """Ask for the version.

        Raises:
            StackError: the target has no [version].
        """
        return self._get(self._version)

    @property
    def _version(self) -> Version:
        if self._target.version is None:
            raise StackError("the target has no [version]", fix=f"add it to {self._target.file}")
        return self._target.version

    def read(self, request: ClientRequest) -> Answer:
        """Send a request that writes nothing."""
        self._keep_pace()
        return self._ask(request.name, prepare(self._target, request.name, f"read-{uuid4().hex}"))

    def _get(self, asked: Version | Routes | Metrics) -> Answer:
        return self._sessions.authorised(
            asked.login,
            lambda authorisation: self.request("GET", asked.path, headers=asked.headers | dict(authorisation)),
        )

    def version_in(self, answer: Answer) -> JsonValue:
        """The version in an answer of `ask_version`, or the answer if it is none."""
        asked = self._version
        if answer.status != 200:
            return answer.brief()
        said = answer.headers.get(asked.header) if asked.header is not None else pointer(answer.body, asked.pointer)
        if asked.pattern is None or said is None:
            return said
        found = re.search(asked.pattern, said if isinstance(said, str) else json.dumps(said))
        return found[1 if found.re.groups else 0] if found else None

    def behaviour(self, release: str) -> dict[str, tuple[JsonValue, JsonValue]]:
        """Expected and observed answers that distinguish this release from the other, by request."""
        return {request: (shown.expected, shown.observed) for request, shown in self.comparisons(release).items()}

    def comparisons(self, release: str) -> dict[str, ComparedAnswer]:
        """As `behaviour`, with the answers."""
        return dict([*self._behaviours(release), *self._routes(release), *self._absent_integrations(release)])

    def _behaviours(self, release: str) -> Iterator[tuple[str, ComparedAnswer]]:
        for probe in self._target.behaviours:
            if probe.release == release:
                answer = self._probe(probe)
                expected: JsonValue = {"status": probe.status, "body": probe.body}
                observed = expected if matches(probe, answer) else answer.brief()
                yield f"{probe.method} {probe.path}", ComparedAnswer(answer, expected, observed)

    def _routes(self, release: str) -> Iterator[tuple[str, ComparedAnswer]]:
        routes = self._target.version.routes if self._target.version is not None else None
        if routes is not None and release in routes.releases:
            answer = self._get(routes)
            compared = _compare_routes(routes, routes.releases[release], answer)
            yield f"GET {routes.path} at {routes.pointer or '/'}", compared

    def _absent_integrations(self, release: str) -> Iterator[tuple[str, ComparedAnswer]]:
        for name in self._target.absent_from(release):
            agreed = self._target.delivery_to(name).absent
            if agreed is None:
                continue
            absent, answer = agreed.of(name), self.deliver(name).answer
            observed = absent.brief() if is_agreed(absent, answer) else answer.brief()
            yield f"a delivery to {name}", ComparedAnswer(answer, absent.brief(), observed)

    def _probe(self, probe: Probe) -> Answer:
        timeout = self._target.timeout_of(probe)
        return self._sessions.authorised(
            probe.login,
            lambda authorisation: self.request(
                probe.method, probe.path, headers=probe.headers | dict(authorisation), timeout=timeout
            ),
        )

    def deliver(self, integration: str, unique: str | None = None) -> Delivered:
        """Deliver one webhook with a new id, signed as the target file says."""
        unique = unique or new_id(self._target, integration, "drill")
        return self._deliver(integration, unique, prepare(self._target, integration, unique))

    def begin_delivery(self, integration: str) -> DeliveryUnderWay:
        """Send the first half of a delivery; `DeliveryUnderWay.finish` sends the rest, and is counted as delivered."""
        self._keep_pace()
        unique = new_id(self._target, integration, "drill")
        prepared = prepare(self._target, integration, unique)
        body = prepared.body.encode()
        headers = [*prepared.headers, *self._sessions.renewed(prepared.login).items()]
        if prepared.signer is not None:
            headers += prepared.signer.headers(body, unique, int(time.time()))

        def done(answer: Answer) -> None:
            self._note(integration, unique, answer)

        timeout, url = self._target.gateway.request_timeout, self._base_url()
        path = quote(prepared.path, safe=ALLOWED_IN_PATHS)
        return DeliveryUnderWay(url, prepared.method, path, headers, body, timeout, done)

    def deliver_forged(self, integration: str) -> dict[str, Delivered]:
        """Deliver without the secret: unsigned, and signed with another key.

        Returns:
            the deliveries, by what is wrong with them.

        Raises:
            StackError: deliveries are not signed.
        """
        signer = prepare(self._target, integration, "").signer
        if signer is None:
            raise StackError("the target's deliveries are not signed", fix="set [delivery.signature]")
        other = replace(signer, secret=f"not-{uuid4().hex}")
        tried: dict[str, Delivered] = {}
        for how, by in (("unsigned", None), ("signed with another key", other)):
            unique = new_id(self._target, integration, "forged")
            prepared = replace(prepare(self._target, integration, unique), signer=by)
            tried[how] = self._deliver(integration, unique, prepared)
        return tried

    def _deliver(self, integration: str, unique: str, prepared: PreparedDelivery) -> Delivered:
        self._keep_pace()
        body = prepared.body.encode()
        signed = prepared.signer.headers(body, unique, int(time.time())) if prepared.signer is not None else ()
        return self._note(integration, unique, self._ask(integration, prepared, dict(signed)))

    def _ask(self, name: str, prepared: PreparedDelivery, signed: Mapping[str, str] | None = None) -> Answer:
        """Send a request with what its login has given."""
        headers, content = dict(prepared.headers) | dict(signed or {}), prepared.body.encode() or None
        return self._sessions.authorised(
            prepared.login,
            lambda authorisation: self.request(
                prepared.method, prepared.path, content=content, headers=headers | dict(authorisation)
            ),
            name=name,
        )

    def _send(self, login: PreparedDelivery) -> Answer:
        content = login.body.encode() or None
        return self.request(login.method, login.path, content=content, headers=dict(login.headers))

    def _note(self, integration: str, unique: str, answer: Answer) -> Delivered:
        """Remember a delivery, to be accounted for."""
        acknowledged = is_acknowledged(self._target, integration, answer)
        delivered = Delivered(unique, integration, answer, acknowledged, time.monotonic())
        self.delivered.append(delivered)
        return delivered

    def _keep_pace(self) -> None:
        """Stay below the gateway's rate limit; where there is a load, half of it is the load's."""
        limit = self._target.rate_limit
        if limit is None:
            return
        pause = (2 if self._target.traffic.rate else 1) / limit
        with self._meter.target():
            time.sleep(max(0.0, self._last_request + pause - time.monotonic()))
        self._last_request = time.monotonic()

    def counters(self) -> RequestCounters:
        """The gateway's own request counters.

        Raises:
            StackError: the target has no [metrics], or they cannot be read.
        """
        metrics = self._target.metrics
        if metrics is None:
            raise StackError("the target has no [metrics]", fix=f"add them to {self._target.file}")
        return read_counters(metrics, self._get(metrics))


def _compare_routes(routes: Routes, wanted: Fingerprint, answer: Answer) -> ComparedAnswer:
    """The entries that a release should have, or their number, and those in its answer."""
    expected: JsonValue = [*sorted(wanted)] if isinstance(wanted, tuple) else wanted
    found = pointer(answer.body, routes.pointer)
    if answer.status != 200 or not isinstance(found, dict | list):
        there: JsonValue = {"status": answer.status, "there": "neither a list nor an object"}
        return ComparedAnswer(answer, expected, there if answer.answered else answer.brief())
    entries = sorted(each if isinstance(each, str) else json.dumps(each) for each in found)
    return ComparedAnswer(answer, expected, [*entries] if isinstance(wanted, tuple) else len(entries))

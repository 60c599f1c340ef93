"""One HTTP request to the gateway, with a time limit for the answer as a whole."""

from __future__ import annotations

import codecs
import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pydantic import JsonValue

from rollback_drills.clients.answers import BODY_LIMIT, TEXT_LIMIT, Answer
from rollback_drills.core.meter import Meter

_MOST_BYTES = 16_000_000  # of one answer


class HttpClient:
    """Sends requests to wherever the gateway listens; the meter counts their time as the target's."""

    def __init__(self, base_url: Callable[[], str], meter: Meter) -> None:
        self._base_url, self._meter = base_url, meter
        # Neither proxies nor credentials of the caller, and no connection kept across restarts of the gateway.
        self._client = httpx.Client(
            trust_env=False,
            verify=False,  # plain HTTP to the loopback address: reading the CA bundle would cost 0.1 s a drill
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def close(self) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        json_body: JsonValue = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request. A refused connection or a timeout is an answer too, not an exception.

        Args:
            timeout: seconds for the answer as a whole.
        """
        started = time.monotonic()
        limit = _TimeLimit(timeout)
        with self._meter.target():
            try:
                sent = self._client.stream(
                    method,
                    self._base_url() + path,
                    headers=dict(headers or {}),
                    json=json_body,
                    content=content,
                    timeout=timeout,
                    extensions={"trace": limit.trace},
                )
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


class _TimeLimit:
    """Ends a request in time, if necessary by cutting the connection.

    httpx's timeouts apply to each network operation: a server that sends its answer byte by byte never exceeds one.
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
        """Called by httpcore: the only way to the socket before there is an answer."""
        if event == "connection.connect_tcp.complete":
            self._socket = info["return_value"].get_extra_info("socket")

    def check(self) -> None:
        """Raise ReadTimeout if the connection was cut; to the reader, that looks like the end of the body."""
        if self.passed:
            raise httpx.ReadTimeout(self.passed)

    def _cut(self) -> None:
        self.passed = f"ReadTimeout: the answer was not complete within {self._seconds:g} s"
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _read(response: httpx.Response) -> bytes:
    """The body.

    Raises:
        httpx.ReadError: it is too long.
    """
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

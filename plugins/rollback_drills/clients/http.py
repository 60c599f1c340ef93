"""One HTTP request to the gateway, with a time limit for the answer as a whole."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pydantic import JsonValue

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.decoding import ACCEPT_ENCODING, MOST_BYTES, TEXT_LIMIT, text_of, value_of
from rollback_drills.core.meter import Meter

NOT_HTTP = "this cannot be sent: a header or the path has a character that HTTP does not allow"


class HttpClient:
    """Sends requests to wherever the gateway listens; the meter counts their time as the target's."""

    def __init__(self, base_url: Callable[[], str], meter: Meter) -> None:
        self._base_url, self._meter = base_url, meter
        # Neither proxies nor credentials of the caller, and no connection kept across restarts of the gateway.
        self._client = httpx.Client(
            headers={"Accept-Encoding": ACCEPT_ENCODING},
            trust_env=False,
            verify=False,  # nothing but the loopback address: reading the CA bundle would cost 0.1 s a drill
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
                content_type = response.headers.get("content-type", "")
                text = text_of(received, content_type, response.headers.get("content-encoding", ""))
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                return Answer(None, None, time.monotonic() - started, limit.passed or limit.described(error))
        seconds = time.monotonic() - started
        body = value_of(text, response.status_code, content_type)
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
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")

    def check(self) -> None:
        """Raise ReadTimeout if the connection was cut; to the reader, that looks like the end of the body."""
        if self.passed:
            raise httpx.ReadTimeout(self.passed)

    def described(self, error: Exception) -> str:
        """Why there is no answer."""
        if isinstance(error, httpx.TimeoutException):
            return f"{type(error).__name__}: {self._missed}"
        if isinstance(error, httpx.LocalProtocolError):  # its message quotes the header, and the token in it
            return f"{type(error).__name__}: {NOT_HTTP}"
        return f"{type(error).__name__}: {error}".strip(": ")

    @property
    def _missed(self) -> str:
        return f"the answer was not complete within {self._seconds:g} s"

    def _cut(self) -> None:
        self.passed = f"ReadTimeout: {self._missed}"
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _read(response: httpx.Response) -> bytes:
    """The body as it came, perhaps compressed.

    Raises:
        httpx.ReadError: it is too long.
    """
    content = bytearray()
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > MOST_BYTES:
            raise httpx.ReadError(f"the body is longer than {MOST_BYTES} bytes")
    return bytes(content)

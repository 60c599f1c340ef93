"""A delivery that is sent in two halves, with something else in between."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import h11

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.decoding import ACCEPT_ENCODING, text_of, value_of
from rollback_drills.clients.http import NOT_HTTP
from rollback_drills.core.tls import unverified

CONTINUE = 0.25  # seconds in which a server says that it reads the body; one that never says so reads it all the same
ALLOWED_IN_PATHS = "/?:@!$&'()*+,;=%~"  # RFC 3986, section 3.3, plus the characters that start or escape a query
_CHUNK = 1 << 16


class DeliveryUnderWay:
    """The first half is sent, and the server has begun to read the body if it says so at all (RFC 9110, 10.1.1).

    Args:
        done: called with the answer.
    """

    def __init__(
        self,
        base_url: str,
        method: str,
        path: str,
        headers: list[tuple[str, str]],
        body: bytes,
        timeout: float,
        done: Callable[[Answer], None],
    ) -> None:
        address = urlsplit(base_url)
        self._body, self._timeout, self._done = body, timeout, done
        self._began = time.monotonic()
        self._connection = h11.Connection(h11.CLIENT)
        self._response: h11.Response | None = None
        self._content = bytearray()
        self._link: socket.socket | None = None
        named = any(name.lower() == "host" for name, _ in headers)
        fixed = [
            *([] if named else [("Host", address.netloc)]),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            ("Accept-Encoding", ACCEPT_ENCODING),
            ("Expect", "100-continue"),
        ]
        self._problem = ""
        try:
            head = h11.Request(
                method=method,
                target=path.encode(),
                headers=[(name.encode(), value.encode()) for name, value in (*fixed, *headers)],
            )
            self._link = socket.create_connection((address.hostname or "", address.port or 80), timeout=timeout)
            if address.scheme == "https":
                self._link = unverified().wrap_socket(self._link)
            self._send(head)
            self._await_continue()
            self._send(h11.Data(body[: len(body) // 2]))
        except (OSError, h11.ProtocolError) as error:
            self._problem = _described(error)

    def finish(self) -> Answer:
        """Send the rest, and wait for the answer."""
        if not self._problem:
            try:
                if self._response is None:
                    self._send(h11.Data(self._body[len(self._body) // 2 :]))
                    self._send(h11.EndOfMessage())
                self._read(until=time.monotonic() + self._timeout)
            except (OSError, h11.ProtocolError) as error:
                self._problem = _described(error)
        if self._link is not None:
            self._link.close()
        answer = self._answer()
        self._done(answer)
        return answer

    def _send(self, event: h11.Event) -> None:
        assert self._link is not None
        data = self._connection.send(event)
        if data:
            self._link.sendall(data)

    def _await_continue(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._read(until=time.monotonic() + CONTINUE, informational=True)

    def _read(self, *, until: float, informational: bool = False) -> None:
        """Read to the end of the answer, or to its informational one."""
        assert self._link is not None
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._link.settimeout(max(0.001, until - time.monotonic()))
                self._connection.receive_data(self._link.recv(_CHUNK))
            elif isinstance(event, h11.InformationalResponse):
                if informational:
                    return
            elif isinstance(event, h11.Response):
                self._response = event
                if informational:
                    return
            elif isinstance(event, h11.Data):
                self._content += event.data
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise ConnectionResetError

    def _answer(self) -> Answer:
        seconds = time.monotonic() - self._began
        if self._problem or self._response is None:
            return Answer(None, None, seconds, self._problem or "no answer")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._response.headers}
        content_type = headers.get("content-type", "")
        try:
            text = text_of(bytes(self._content), content_type, headers.get("content-encoding", ""))
        except ValueError as error:
            return Answer(None, None, seconds, str(error))
        status = self._response.status_code
        return Answer(status, value_of(text, status, content_type), seconds, headers=headers, text=text)


def _described(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError | h11.RemoteProtocolError):
        return "the connection was closed without an answer"
    return f"{type(error).__name__}: {NOT_HTTP}"  # its message quotes the header, and the token in it

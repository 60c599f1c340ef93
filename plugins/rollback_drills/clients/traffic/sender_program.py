"""The load itself: a program that sends requests at a constant rate, whatever their results.

It runs in its own Python process, so that harness and requests do not delay each other, and needs only h11,
`signing`, `credentials` and `decoding`. Orders come as lines of JSON on standard input (`begin`, `pause`, `resume`,
`end`); the result of each request is written as a line of JSON as soon as it is known, and so is each token and
cookie (`secret`), so that it can be hidden. The program ends when its input ends.

Open loop: request number ``i`` is due at ``begin + i / rate`` on the monotonic clock, and waits for no other request.
Each has its own connection, as clients have after a gateway's restart.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

from rollback_drills.clients.credentials import Credentials, Futile
from rollback_drills.clients.decoding import ACCEPT_ENCODING, text_of
from rollback_drills.clients.signing import Signer
from rollback_drills.core.tls import unverified

LIMIT = 1 << 24  # bytes of one order
MOST_BYTES = 1 << 20  # of one answer; a longer one is an error
DIGITS = 8  # hexadecimal, of the number at the end of an id
CHUNK = 1 << 16
NOT_SENT = "not sent: too many in flight"
REFUSED = "connection refused"

Write = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class Template:
    """A request that is complete except for its id: ``marker``, as long as the id, stands in its place."""

    kind: str
    integration: str
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    marker: str
    keep_body_of: list[int] | None  # statuses; None: of every answer
    signer: Signer | None
    timeout: float  # seconds
    login: str = ""  # whose header it sends

    def id_of(self, number: int) -> str:
        return f"{self.marker[:-DIGITS]}{number:0{DIGITS}x}" if self.marker else ""

    def event(self, number: int, host: str, authorised: Sequence[tuple[str, str]]) -> tuple[h11.Request, bytes]:
        """The head and the body of the request with this number, with what its login has given."""
        body = self._named(self.body, number).encode()
        headers = [(name, self._named(value, number)) for name, value in self.headers]
        if self.signer is not None:
            headers += self.signer.headers(body, self.id_of(number), int(time.time()))
        fixed = [("Connection", "close"), ("Content-Length", str(len(body)))]
        given = {name.lower() for name, _ in headers}
        if "host" not in given:
            fixed.append(("Host", host))
        if "accept-encoding" not in given:
            fixed.append(("Accept-Encoding", ACCEPT_ENCODING))
        head = h11.Request(
            method=self.method,
            target=self._named(self.path, number).encode(),
            headers=[(name.encode(), value.encode()) for name, value in (*fixed, *headers, *authorised)],
        )
        return head, body

    def may_be_off(self, answer: Received) -> bool:
        """Whether an answer has the status of the one that is agreed on while it is turned off."""
        return self.keep_body_of is not None and answer.status in self.keep_body_of

    def _named(self, text: str, number: int) -> str:
        return text.replace(self.marker, self.id_of(number)) if self.marker else text


def template(order: dict[str, Any]) -> Template:
    """Parses a request from standard input."""
    return Template(**order | {"signer": Signer(**order["signer"]) if order["signer"] is not None else None})


@dataclass(frozen=True, slots=True)
class Received:
    """What came back: an answer, with its text where that is wanted, or why there is none."""

    status: int | None = None
    error: str = ""
    text: str = ""
    content_type: str = ""
    set_cookie: str = ""


def received(response: h11.Response, body: bytes, keep_body_of: list[int] | None) -> Received:
    """The answer, decoded as probes are.

    Raises:
        ValueError: it is not compressed as it says.
    """
    if keep_body_of is not None and response.status_code not in keep_body_of:
        return Received(response.status_code)
    said = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    content_type = said.get("content-type", "")
    cookies = [value.decode("latin-1") for name, value in response.headers if name == b"set-cookie"]
    return Received(
        response.status_code,
        text=text_of(body, content_type, said.get("content-encoding", "")),
        content_type=content_type,
        set_cookie=", ".join(cookies),
    )


class Session:
    """A login, and what it has given; requests that need it at the same time wait for one and the same."""

    def __init__(self, order: dict[str, Any], write: Write) -> None:
        self._template, self._credentials = template(order["template"]), Credentials(**order["credentials"])
        self._write = write
        self._header: tuple[str, str] | None = None
        self._lock = asyncio.Lock()
        self.futile = Futile()

    def asks_again(self, template: Template, answer: Received) -> bool:
        """Whether an answer to a request means that another login is needed."""
        futile = self.futile.holds(template.integration, answer.status)
        return self._credentials.asks_again(answer.status, deliberate=futile)

    async def header(
        self, used: tuple[str, str] | None, exchange: Callable[[Template], Awaitable[Received]]
    ) -> tuple[str, str] | Received:
        """What the login gives, unless that is ``used``, which was refused; or why it gives nothing.

        A login that fails changes nothing: what the last one gave may still be good, or good again.
        """
        async with self._lock:
            if self._header is None or self._header == used:
                answer = await exchange(self._template)
                header = self._credentials.read(answer.status, answer.text, answer.set_cookie)
                if header is None:
                    return Received(answer.status, error=self._credentials.problem(answer.status, answer.error))
                self._write({"secret": self._credentials.secret(header)})
                self._header = header
            return self._header


class SenderLoad:
    """The load of one drill."""

    def __init__(self, order: dict[str, Any], write: Write) -> None:
        self._kinds = [[template(each) for each in templates] for templates in order["kinds"]]
        self._sessions = {name: Session(each, write) for name, each in order["logins"].items()}
        self._rate, self._most = order["rate"], order["most_in_flight"]
        address = urlsplit(order["base_url"])
        self._host, self._port, self._netloc = address.hostname or "", address.port or 80, address.netloc
        self._tls = unverified() if address.scheme == "https" else None
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._in_flight: set[asyncio.Task[None]] = set()
        self._latest = 0.0
        self._cpu = time.process_time()
        self.resume()

    def resume(self) -> None:
        """Send the next request now, and from then on at the rate."""
        if self._timer is None:
            self._origin = self._loop.time() - self._number / self._rate
            self._next()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def pause(self) -> None:
        self.stop()
        await self._settle()
        self._write({"paused": self._number})

    async def end(self) -> None:
        """Stop sending, wait for requests in flight (each has its own time limit), and report the cost."""
        self.stop()
        await self._settle()
        self._write({"ended": self._number, "latest": self._latest, "cpu": time.process_time() - self._cpu})

    async def _settle(self) -> None:
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    def _next(self) -> None:
        number, due = self._number, self._origin + self._number / self._rate
        self._number += 1
        self._timer = self._loop.call_at(self._origin + self._number / self._rate, self._next)
        templates = self._kinds[number % len(self._kinds)]
        template = templates[number // len(self._kinds) % len(templates)]
        if len(self._in_flight) >= self._most:
            self._report(template, number, due, due, Received(error=NOT_SENT))
            return
        task = self._loop.create_task(self._send(template, number, due))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _send(self, template: Template, number: int, due: float) -> None:
        sent = time.monotonic()
        self._latest = max(self._latest, sent - due)
        try:
            async with asyncio.timeout_at(sent + template.timeout):
                received = await self._ask(template, number)
        except (OSError, h11.ProtocolError, ValueError) as problem:
            received = Received(error=described(problem))
            for session in self._sessions.values():  # the gateway may be restarting, and forget them
                session.futile.forget()
        self._report(template, number, due, sent, received)

    def _report(self, template: Template, number: int, due: float, sent: float, received: Received) -> None:
        ended = due if received.error == NOT_SENT else time.monotonic()
        name, answer = template.id_of(number), [received.status, received.error, received.text, received.content_type]
        self._write([number, template.kind, template.integration, name, due, sent, ended, *answer])

    async def _ask(self, template: Template, number: int) -> Received:
        """Send a request, after its login; once more if that has expired."""
        if not template.login:
            return await self._exchange(template, number)
        session = self._sessions[template.login]
        header = await session.header(None, self._log_in)
        if isinstance(header, Received):
            return header
        first = await self._exchange(template, number, [header])
        if not session.asks_again(template, first):
            return first
        header = await session.header(header, self._log_in)
        failed = isinstance(header, Received)
        answer = header if isinstance(header, Received) else await self._exchange(template, number, [header])
        if failed and template.may_be_off(first):
            answer = first
        if answer.status == first.status and not answer.error:
            session.futile.note(template.integration, first.status)
        return answer

    async def _log_in(self, template: Template) -> Received:
        return await self._exchange(template, 0)

    async def _exchange(self, template: Template, number: int, authorised: Sequence[tuple[str, str]] = ()) -> Received:
        """A complete answer; anything else raises."""
        head, content = template.event(number, self._netloc, authorised)
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        try:
            connection = h11.Connection(h11.CLIENT)
            data = [connection.send(head), connection.send(h11.Data(content)), connection.send(h11.EndOfMessage())]
            writer.write(b"".join(part for part in data if part))
            response, body = None, bytearray()
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(CHUNK))
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > MOST_BYTES:
                        raise ValueError("the answer is too long")
                elif isinstance(event, h11.EndOfMessage) and response is not None:
                    return received(response, bytes(body), template.keep_body_of)
                elif not isinstance(event, h11.InformationalResponse):
                    raise ConnectionResetError
        finally:
            writer.close()


def described(problem: Exception) -> str:
    """A short reason without addresses or values, so that equal problems are counted together."""
    match problem:
        case TimeoutError():
            return "timeout"
        case ConnectionRefusedError():
            return REFUSED
        case ConnectionError():
            return "connection reset"
        case h11.RemoteProtocolError():
            return "connection closed without an answer"
        case h11.ProtocolError():
            return "not a valid request"
        case OSError():
            return "no connection"
        case _:
            return "not a valid answer"


async def serve() -> None:
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader(limit=LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    # Through the event loop: a busy reader must not delay the next request.
    output, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)

    def write(what: object) -> None:
        output.write(json.dumps(what).encode() + b"\n")

    load: SenderLoad | None = None
    waiting: set[asyncio.Task[None]] = set()
    while line := await orders.readline():
        order = json.loads(line)
        match order["do"], load:
            case "begin", _:
                load = SenderLoad(order, write)
            case "resume", SenderLoad():
                load.resume()
            case "pause", SenderLoad():
                waiting.add(loop.create_task(load.pause()))
            case "end", SenderLoad():
                waiting.add(loop.create_task(load.end()))


if __name__ == "__main__":
    gc.freeze()
    asyncio.run(serve())

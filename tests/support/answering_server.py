"""A real HTTP server that answers as a test says, and remembers the requests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[BaseHTTPRequestHandler], None]


def reply(status: int = 200, body: bytes | str = b"", content_type: str = "application/json", **headers: str) -> Reply:
    content = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", content_type)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def good(handler: BaseHTTPRequestHandler) -> None:
    """A healthy gateway: 200 to a probe, 202 to a delivery."""
    answer = reply(200, '{"status": "ok"}') if handler.command == "GET" else reply(202, "{}")
    answer(handler)


def late(handler: BaseHTTPRequestHandler) -> None:
    """A good answer, when the server is released."""
    silent(handler)
    good(handler)


def silent(handler: BaseHTTPRequestHandler) -> None:
    """No answer, and an open connection until the server is released."""
    assert isinstance(handler.server, Server)
    handler.server.released.wait(30)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply: Reply = good
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that disconnect are part of these tests."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, dict(self.headers), body))
        self.server.reply(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[Server]:
    """A running server."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(5)

"""Whether a gateway answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.target.target import Target

Serve = Callable[[socket.socket, threading.Event], None]


@pytest.fixture
def port_of() -> Iterator[Callable[[Serve], int]]:
    """Starts a server for one connection, which behaves as it is told once the request has come; returns its port."""
    end = threading.Event()
    with contextlib.ExitStack() as resources:

        def start(serve: Serve) -> int:
            listener = resources.enter_context(socket.create_server(("127.0.0.1", 0)))

            def attend() -> None:
                link, _ = listener.accept()
                with link, contextlib.suppress(OSError):
                    link.recv(65536)
                    serve(link, end)

            thread = threading.Thread(target=attend, daemon=True)
            thread.start()
            resources.callback(thread.join)
            resources.callback(end.set)
            return int(listener.getsockname()[1])

        yield start


def drip(text: bytes) -> Serve:
    def serve(link: socket.socket, end: threading.Event) -> None:
        link.sendall(text)
        while not end.wait(0.02):
            link.sendall(b"x")

    return serve


@pytest.fixture
def impatient(reference_target: Target) -> Target:
    gateway = reference_target.gateway.model_copy(update={"request_timeout": 0.2})
    health = reference_target.health.model_copy(update={"timeout": None})
    return reference_target.model_copy(update={"gateway": gateway, "health": health})


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found", b"503 Service Unavailable"])
def test_every_status_is_an_answer(status: bytes, port_of: Callable[[Serve], int], impatient: Target):
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 " + status + b"\r\nContent-Length: 999\r\n\r\n"
    assert answers(impatient, "127.0.0.1", port_of(drip(head)))


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: "], ids=["first line", "header"])
def test_an_answer_byte_by_byte_is_not_waited_for(head: bytes, port_of: Callable[[Serve], int], impatient: Target):
    began = time.monotonic()
    assert not answers(impatient, "127.0.0.1", port_of(drip(head)))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_server_that_does_not_speak_http_does_not_answer(
    said: bytes, port_of: Callable[[Serve], int], impatient: Target
):
    assert not answers(impatient, "127.0.0.1", port_of(lambda link, end: link.sendall(said)))

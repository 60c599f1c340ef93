"""Whether a gateway answers: every runtime waits for this after a start."""

from __future__ import annotations

import socket
import time
from urllib.parse import quote

import h11

from rollback_drills.core.tls import unverified
from rollback_drills.target.target import Target

_ALLOWED_IN_PATHS = "/?:@!$&'()*+,;=%~"  # RFC 3986, section 3.3, with the characters that begin or escape a query
_CHUNK = 1 << 16


def answers(target: Target, host: str, port: int) -> bool:
    """Whether a server answers the health request in time, with any status."""
    health = target.readiness
    # Without an HTTP library: neither the caller's proxy nor a redirect may lead anywhere else.
    path = quote(health.path, safe=_ALLOWED_IN_PATHS).encode()
    deadline = time.monotonic() + target.timeout_of(health)
    named = any(name.lower() == "host" for name in health.headers)
    fixed = {} if named else {"Host": f"[{host}]:{port}" if ":" in host else f"{host}:{port}"}
    headers = [*(fixed | health.headers).items(), ("Connection", "close"), ("Content-Length", "0")]
    client = h11.Connection(h11.CLIENT)
    request = h11.Request(method=health.method, target=path, headers=headers)
    try:
        with _connected(target, host, port, target.timeout_of(health)) as link:
            link.sendall((client.send(request) or b"") + (client.send(h11.EndOfMessage()) or b""))
            while not isinstance(event := client.next_event(), h11.Response | h11.ConnectionClosed):
                if event is h11.NEED_DATA:
                    client.receive_data(_received(link, deadline))
    except (OSError, h11.ProtocolError):
        return False
    return isinstance(event, h11.Response)


def _connected(target: Target, host: str, port: int, timeout: float) -> socket.socket:
    link = socket.create_connection((host, port), timeout=timeout)
    return unverified().wrap_socket(link) if target.gateway.scheme == "https" else link


def _received(link: socket.socket, deadline: float) -> bytes:
    """The next bytes. The deadline is that of the whole answer, whose head may come byte by byte."""
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise TimeoutError
    link.settimeout(remaining)
    return link.recv(_CHUNK)

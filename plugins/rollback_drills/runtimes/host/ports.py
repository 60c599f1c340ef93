"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket

from rollback_drills.core.errors import StackError

# Below the range of Linux's and macOS's ephemeral ports (ip(7), ip_local_port_range: from 32768), so that no client
# takes the port while its server is being restarted.
FIRST, LAST = 20_000, 32_000
_TRIES = 200


def free_port(host: str = "127.0.0.1") -> int:
    """A port that no program listens on at this moment.

    Raises:
        StackError: none was found in 200 tries.
    """
    for _ in range(_TRIES):
        port = random.randint(FIRST, LAST)
        if is_free(port, host):
            return port
    raise StackError(f"no free port on {host} between {FIRST} and {LAST}", fix="end the programs that listen there")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether no program listens there; recently closed connections do not count."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((host, port))
        except OSError:
            return False
    return True

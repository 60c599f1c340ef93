"""Whether a gateway answers at all: what every runtime waits for after a start."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

from rollback_drills.target import Target

_ALLOWED_IN_PATHS = "/?:@!$&'()*+,;=%~"  # RFC 3986, section 3.3, and what begins or escapes a query


def answers(target: Target, host: str, port: int) -> bool:
    """Whether somebody answers the health request there, with whatever status."""
    health = target.health
    # Directly: neither a proxy of the caller's nor a redirect may lead anywhere else.
    connection = HTTPConnection(host, port, timeout=target.timeout_of(health))
    try:
        connection.request(health.method, quote(health.path, safe=_ALLOWED_IN_PATHS))
        connection.getresponse()
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
    return True

"""The signature of a delivery: an HMAC over the bytes sent (RFC 2104), in a header.

Uses the standard library only, since the load's own process imports this, too.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """Signs as a target file says; ``payload`` and ``prefix`` are templates."""

    header: str
    secret: str
    algorithm: str
    encoding: str
    prefix: str
    payload: str
    timestamp_header: str | None

    def headers(self, body: bytes, unique: str, timestamp: int) -> list[tuple[str, str]]:
        """The signature headers of a body.

        Args:
            timestamp: seconds since 1970, for gateways that reject old signatures.
        """
        values = {"timestamp": str(timestamp), "unique": unique}
        signed = self.payload.format(body=body.decode(), **values).encode()
        digest = hmac.digest(self.secret.encode(), signed, self.algorithm)
        text = digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()
        stamped = [(self.timestamp_header, values["timestamp"])] if self.timestamp_header is not None else []
        return [(self.header, self.prefix.format(**values) + text), *stamped]

"""TLS to a gateway that the suite has started itself."""

from __future__ import annotations

import ssl


def unverified() -> ssl.SSLContext:
    """Whatever certificate is accepted: that of a disposable copy is nobody's, and the address is the loopback's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context

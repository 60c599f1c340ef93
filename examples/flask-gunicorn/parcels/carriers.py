"""The carriers that report to us, each with a switch of its own: FEATURE_DHL=off turns DHL off."""

from __future__ import annotations

import os
from collections.abc import Mapping

CARRIERS = ("dhl", "ups", "gls", "fedex", "dpd", "inpost")


def enabled(environment: Mapping[str, str] = os.environ) -> frozenset[str]:
    """The carriers that are not switched off.

    Raises:
        SystemExit: a switch is neither on nor off; a typing error must not turn a carrier on or off by accident.
    """
    found = set()
    for carrier in CARRIERS:
        variable = f"FEATURE_{carrier.upper()}"
        value = environment.get(variable, "on")
        if value not in ("on", "off"):
            raise SystemExit(f"{variable} must be on or off, not {value!r}")
        if value == "on":
            found.add(carrier)
    return frozenset(found)

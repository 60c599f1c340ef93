"""How the gateway ended each time it was stopped, judged at the end of a drill."""

from __future__ import annotations

from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import Stop

FINDING = "stop-not-normal"
_LOG = 600  # characters of the log's end that the finding quotes


def check_stops(stack: Stack, drill: Drill) -> None:
    """Record a finding for every stop whose exit code is not one of ``gateway.normal_exits``."""
    gateway = stack.target.gateway
    for stop in stack.gateway.stops:
        if stop.exit_code is not None and stop.exit_code not in gateway.normal_exits:
            drill.find(FINDING, _describe(stop, gateway.stop_timeout), subject=stop.release)


def _describe(stop: Stop, timeout: float) -> str:
    how = f"with exit code {stop.exit_code}"
    if stop.exit_code == -9:
        how = f"by being killed: it had not ended within {timeout:g} s (or the system killed it)"
    end = stop.log.strip()[-_LOG:]
    return f"when stopped, release {stop.release} ended {how}; its log ends: {end or '(empty)'}"

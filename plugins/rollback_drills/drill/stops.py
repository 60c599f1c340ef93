"""How the gateway ended each time it was stopped, judged at the end of a drill."""

from __future__ import annotations

from rollback_drills.core.last_words import decisive
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.protocols import Stop

FINDING = "stop-not-normal"
KILLED = (-9, 137)
_LOG = 600  # characters of the log's end that the finding quotes


def check_stops(stack: Stack, drill: Drill) -> None:
    """Record a finding for every stop whose exit code is not one of ``gateway.normal_exits``, or that leaves processes.

    What the same release does at every stop is told once.
    """
    gateway = stack.target.gateway
    told: set[tuple[str, object]] = set()
    for stop in stack.gateway.stops:
        if stop.left and (stop.release, stop.answering) not in told:
            told.add((stop.release, stop.answering))
            code, detail = left_behind(stop)
            drill.find(code, detail, subject=stop.release)
        if stop.exit_code is None or stop.exit_code in gateway.normal_exits:
            continue
        if (stop.release, stop.exit_code) in told:
            continue
        told.add((stop.release, stop.exit_code))
        overload = drill.overload() if stop.exit_code in KILLED else ""
        if overload:
            drill.not_proven(f"Release {stop.release} ends within {gateway.stop_timeout:g} s: {overload}.")
        else:
            drill.find(FINDING, _describe(stop, gateway.stop_timeout), subject=stop.release)


def left_behind(stop: Stop) -> tuple[str, str]:
    """Code and text of the finding on the processes that outlived a stop."""
    processes = "; ".join(stop.left)
    if stop.answering:
        what = f"release {stop.release} has ended with exit code {stop.exit_code}, and still answers on its port"
        return "stopped-release-answers", f"{what}: {processes}"
    return "stop-leaves-processes", f"release {stop.release} has ended, and leaves processes running: {processes}"


def _describe(stop: Stop, timeout: float) -> str:
    how = f"with exit code {stop.exit_code}"
    if stop.exit_code == -9:
        how = f"by being killed: it had not ended within {timeout:g} s (or the system killed it)"
    end = stop.log.strip()[-_LOG:]
    words = decisive(stop.log)
    said = f": {words}" if words and words != end else ""
    return f"when stopped, release {stop.release} ended {how}{said}; its log ends: {end or '(empty)'}"

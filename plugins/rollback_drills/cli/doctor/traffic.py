"""Whether a healthy release can serve the drills' own traffic, and at which rate they will send it."""

from __future__ import annotations

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.clients.traffic import Sender
from rollback_drills.clients.traffic.pace import asked_rate, pace_of
from rollback_drills.core.machine import measure
from rollback_drills.lab.pace import Played, cost_of, play
from rollback_drills.lab.stack import Stack


def examine_traffic(stack: Stack, sender: Sender, release: str) -> Diagnosis:
    """Play some seconds of it on the running release."""
    title, target = f"{release}: traffic", stack.target
    played = play(stack, sender, cost_of(stack), asked_rate(target))
    if not played.served:
        pace = pace_of(target, played.cost)
        machine = measure()
        busy = f"\nthe machine is busy: {machine}" if machine.overloaded else ""
        fix = f"set rate = {pace.rate:g} under [traffic], or let a faster gateway be drilled"
        return Diagnosis(title, "note", f"{_brief(played)}\nthe drills will send {pace.reason}{busy}", fix)
    pace = pace_of(target)
    note = f"; the drills will use {pace.reason}" if pace.reason else ""
    return Diagnosis(title, "ok", f"{_brief(played)}{note}")


def _brief(played: Played) -> str:
    within = f", 95 % within {played.slowest:.2f} s" if played.slowest is not None else ""
    good = played.requests - played.failed
    return f"{good} of {played.requests} requests are good at {played.rate:g} per second{within}"

"""What a target, or this machine, must offer for a drill; what it lacks is reported as not proven, with the reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable

from rollback_drills.core.errors import DrillError
from rollback_drills.target.target import Target


def _tells_previous(target: Target) -> bool:
    """Whether something is asked that only the previous release answers as it does."""
    routes = target.version.routes
    return (
        any(probe.release == target.previous for probe in target.behaviours)
        or (routes is not None and target.previous in routes.releases)
        or (target.delivery.absent is not None and bool(target.absent_from(target.previous)))
    )


def _installed(program: str) -> bool:
    """Whether the commands of a drill find it: they have the system's PATH, and not the caller's."""
    return shutil.which(program, path=os.defpath) is not None


_CAPABILITIES: dict[str, tuple[Callable[[Target], bool], str]] = {
    "flags": (lambda target: target.flags is not None, "the target has no feature flags ([flags])"),
    "symptom": (
        lambda target: target.flags is not None and target.flags.symptom is not None,
        "the target does not say how a faulty integration is simulated (flags.symptom)",
    ),
    "metrics": (
        lambda target: target.metrics is not None,
        "the target has no error rate to read ([metrics])",
    ),
    "behaviours": (
        _tells_previous,
        "the target names no answer that tells the previous release from the current one "
        "([[behaviours]], [version.routes] or delivery.absent)",
    ),
    "migrate-on-start": (
        lambda target: target.gateway.can_migrate,
        "the target's gateway does not migrate when it starts (gateway.migrate_on_start)",
    ),
    "start-without-migration": (
        lambda target: not target.gateway.always_migrates,
        "every start of the target's gateway migrates (gateway.always_migrates): a restart would apply again what was "
        "rolled back",
    ),
    "seed": (
        lambda target: bool(target.database.seed or target.database.seed_command),
        "the target has no seed rows (database.seed)",
    ),
    "curl": (lambda target: _installed("curl"), "there is no curl on this machine to type the runbook's checks with"),
    "git": (lambda target: _installed("git"), "there is no git on this machine to type the runbook's checkout with"),
}


COMPOSE = "compose"
_ALL_UNGATED = "no integration of the target has a feature flag (each is declared to be ungated)"
_NO_COMPOSE = "the runbook's commands to the letter need --drill-runtime=compose"


def missing(target: Target, required: Iterable[str], *, runtime: str = "") -> list[str]:
    """The reasons why a drill that requires these capabilities can prove nothing on this target.

    Args:
        runtime: where it runs; `COMPOSE` is that runtime's alone.

    Raises:
        DrillError: there is no such capability.
    """
    reasons = []
    for name in required:
        if name == COMPOSE:
            if runtime != COMPOSE:
                reasons.append(_NO_COMPOSE)
            continue
        if name not in _CAPABILITIES:
            known = ", ".join([*_CAPABILITIES, COMPOSE])
            raise DrillError(f"no capability {name!r}", fix=f"use one of {known}")
        present, reason = _CAPABILITIES[name]
        if not present(target):
            reasons.append(reason)
        elif name == "flags" and not target.gated_of(target.current):
            reasons.append(_ALL_UNGATED)
    return reasons

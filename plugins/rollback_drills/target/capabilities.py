"""What a drill requires of the target or the machine; what is missing is reported as not proven, with the reason."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable

from rollback_drills.core.errors import DrillError
from rollback_drills.target.target import Target


def tells_previous(target: Target) -> bool:
    """Whether the target file names an answer that only the previous release gives."""
    routes = target.version.routes if target.version is not None else None
    return (
        any(probe.release == target.previous for probe in target.behaviours)
        or (routes is not None and target.previous in routes.releases)
        or any(target.delivery_to(name).absent is not None for name in target.absent_from(target.previous))
    )


def _installed(program: str) -> bool:
    """Whether a drill's commands find the program; they have the system's PATH, not the caller's."""
    return shutil.which(program, path=os.defpath) is not None


GATEWAY = "gateway"

_CAPABILITIES: dict[str, tuple[Callable[[Target], bool], str]] = {
    GATEWAY: (lambda target: target.serves, "the target has migrations only, and no gateway ([gateway])"),
    "flags": (
        lambda target: target.flags is not None and bool(target.gated_of(target.current)),
        "the target has no feature flags ([flags])",
    ),
    "symptom": (
        lambda target: target.flags is not None and target.flags.symptom is not None,
        "the target does not say how to simulate a faulty integration (flags.symptom)",
    ),
    "metrics": (
        lambda target: target.metrics is not None,
        "the target has no metrics to read an error rate from ([metrics])",
    ),
    "behaviours": (
        tells_previous,
        "the target names no answer that tells the previous release from the current one "
        "([[behaviours]], [version.routes] or delivery.absent)",
    ),
    "health": (lambda target: target.health is not None, "the target has no health request ([health])"),
    "migrate-on-start": (
        lambda target: target.gateway.can_migrate,
        "the target's gateway does not migrate when it starts (gateway.migrate_on_start)",
    ),
    "start-without-migration": (
        lambda target: not target.gateway.always_migrates,
        "every start of the target's gateway migrates (gateway.always_migrates): a restart would undo the downgrade",
    ),
    "seed": (
        lambda target: bool(target.database.seed or target.database.seed_command),
        "the target has no seed (database.seed)",
    ),
    "curl": (
        lambda target: _installed("curl") and target.gateway.scheme == "http",
        "this machine has no curl, or the gateway speaks TLS with a certificate that curl does not know",
    ),
    "git": (lambda target: _installed("git"), "this machine has no git, which the runbook's checkout uses"),
}


COMPOSE = "compose"
_ALL_UNGATED = "no integration of the target has a feature flag (the target file declares each one ungated)"
_NO_COMPOSE = "running the runbook's literal commands needs --drill-runtime=compose"


def missing_capabilities(target: Target, required: Iterable[str], *, runtime: str = "") -> list[str]:
    """The reasons why a drill with these requirements can prove nothing on this target.

    Args:
        runtime: where the drill runs; only the compose runtime has `COMPOSE`.

    Raises:
        DrillError: a name is not a capability.
    """
    reasons = []
    for name in required:
        if name == COMPOSE:
            if runtime != COMPOSE:
                reasons.append(_NO_COMPOSE)
            continue
        if name not in _CAPABILITIES:
            known = ", ".join([*_CAPABILITIES, COMPOSE])
            raise DrillError(f"there is no capability {name!r}", fix=f"use one of {known}")
        present, reason = _CAPABILITIES[name]
        if not present(target):
            reasons.append(reason)
        elif name == "flags" and not target.gated_of(target.current):
            reasons.append(_ALL_UNGATED)
    return reasons

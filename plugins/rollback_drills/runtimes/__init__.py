"""Where a stack runs: the only place that knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollback_drills.errors import RuntimeUnavailable
from rollback_drills.lab import Runtime
from rollback_drills.meter import Meter
from rollback_drills.runtimes.embedded import EmbeddedRuntime
from rollback_drills.runtimes.workspace import Workspace
from rollback_drills.target import Target


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, why it was chosen, and how to make it."""

    name: str
    reason: str
    make: Callable[[Target, Workspace, Meter], Runtime]


def resolve(name: str, target: Target, *, to_run: bool = True) -> Choice:
    """The runtime to use.

    Args:
        to_run: whether it has to be able to run here; False where drills are only listed.

    Raises:
        RuntimeUnavailable: there is none of this name, or it cannot run here.
    """
    if name == "auto":
        reason = "chosen by auto: private processes of this machine, no container engine needed"
    elif name == "embedded":
        reason = "asked for: private processes of this machine"
    else:
        raise RuntimeUnavailable(f"there is no runtime {name!r}", fix="use auto or embedded")
    if to_run:
        EmbeddedRuntime.require(target)
    return Choice("embedded", reason, EmbeddedRuntime)

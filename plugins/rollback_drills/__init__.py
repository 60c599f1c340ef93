"""Rehearse every rollback of a runbook on a disposable gateway and PostgreSQL, and file the proof.

The public face: what drills, conftest files and plugins import. Each name is imported when it is first used (PEP 562),
because the pytest entry point imports this package on every pytest run.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if not os.path.isdir(os.path.join(__path__[0], "drills")):  # a checkout, which has the drills at its top
    __path__.append(os.path.dirname(os.path.dirname(__path__[0])))

__all__ = [
    "AddedRuntime",
    "BackupRefusedError",
    "CommandLog",
    "CommandResult",
    "Commands",
    "ComposeRuntime",
    "DatabaseAccount",
    "DatabaseServer",
    "DockerRuntime",
    "Drill",
    "DrillError",
    "DrillTimeoutError",
    "EmbeddedRuntime",
    "FindingKind",
    "Gateway",
    "Integration",
    "Lab",
    "Meter",
    "Outcome",
    "Project",
    "ReleaseCommand",
    "RunbookSection",
    "Runtime",
    "RuntimeUnavailable",
    "RuntimeUnavailableError",
    "SharedDrills",
    "Stack",
    "StackError",
    "Target",
    "TargetError",
    "ToolCommand",
    "Workspace",
    "account_for_clients",
    "activate",
    "poll_until",
]

_MODULES = {
    "core.errors": "BackupRefusedError DrillError DrillTimeoutError RuntimeUnavailable RuntimeUnavailableError "
    "StackError TargetError",
    "core.meter": "Meter",
    "core.polling": "poll_until",
    "drill.clients": "account_for_clients",
    "drill.drill": "Drill",
    "evidence.findings.entry": "FindingKind",
    "lab.lab": "Lab",
    "lab.stack": "Stack",
    "pytest_plugin": "activate",
    "pytest_plugin.shared_drills": "SharedDrills",
    "runbook.sections": "RunbookSection",
    "runtimes": "AddedRuntime",
    "runtimes.compose.runtime": "ComposeRuntime",
    "runtimes.docker.runtime": "DockerRuntime",
    "runtimes.embedded.runtime": "EmbeddedRuntime",
    "runtimes.protocols": "CommandLog CommandResult Commands DatabaseAccount DatabaseServer Gateway Outcome Project "
    "ReleaseCommand Runtime ToolCommand",
    "runtimes.workspace.directory": "Workspace",
    "target.integration_tables": "Integration",
    "target.target": "Target",
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names.split()}

if TYPE_CHECKING:
    from rollback_drills.core.errors import (
        BackupRefusedError,
        DrillError,
        DrillTimeoutError,
        RuntimeUnavailable,
        RuntimeUnavailableError,
        StackError,
        TargetError,
    )
    from rollback_drills.core.meter import Meter
    from rollback_drills.core.polling import poll_until
    from rollback_drills.drill.clients import account_for_clients
    from rollback_drills.drill.drill import Drill
    from rollback_drills.evidence.findings.entry import FindingKind
    from rollback_drills.lab.lab import Lab
    from rollback_drills.lab.stack import Stack
    from rollback_drills.pytest_plugin import activate
    from rollback_drills.pytest_plugin.shared_drills import SharedDrills
    from rollback_drills.runbook.sections import RunbookSection
    from rollback_drills.runtimes import AddedRuntime
    from rollback_drills.runtimes.compose.runtime import ComposeRuntime
    from rollback_drills.runtimes.docker.runtime import DockerRuntime
    from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime
    from rollback_drills.runtimes.protocols import (
        CommandLog,
        CommandResult,
        Commands,
        DatabaseAccount,
        DatabaseServer,
        Gateway,
        Outcome,
        Project,
        ReleaseCommand,
        Runtime,
        ToolCommand,
    )
    from rollback_drills.runtimes.workspace.directory import Workspace
    from rollback_drills.target.integration_tables import Integration
    from rollback_drills.target.target import Target
else:

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

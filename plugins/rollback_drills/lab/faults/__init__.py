"""Faults as values: what goes wrong with a stack, or in the middle of a command or a start."""

from rollback_drills.lab.faults.commands import (
    CommandFault,
    ConnectionCut,
    HeldCommand,
    Hold,
    KillWhen,
    OperatorKilled,
    held_migration,
    held_restore,
)
from rollback_drills.lab.faults.fault import Fault, injected
from rollback_drills.lab.faults.gateway import GatewayKilled, GatewayKilledStarting
from rollback_drills.lab.faults.postgres import PostgresFrozen, PostgresKilled

COMMAND_FAULTS: tuple[CommandFault, ...] = (OperatorKilled(), ConnectionCut(), PostgresKilled())
"""Every fault that strikes a held command."""

__all__ = [
    "COMMAND_FAULTS",
    "CommandFault",
    "ConnectionCut",
    "Fault",
    "GatewayKilled",
    "GatewayKilledStarting",
    "HeldCommand",
    "Hold",
    "KillWhen",
    "OperatorKilled",
    "PostgresFrozen",
    "PostgresKilled",
    "held_migration",
    "held_restore",
    "injected",
]

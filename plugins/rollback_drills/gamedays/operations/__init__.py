"""The operations of a game day, one class each."""

from rollback_drills.gamedays.operations.clients import Deliver
from rollback_drills.gamedays.operations.database import (
    DowngradeDatabase,
    RestoreBackup,
    TakeBackup,
    UpgradeDatabase,
)
from rollback_drills.gamedays.operations.faults import Crash, Freeze
from rollback_drills.gamedays.operations.flags import TurnOff, TurnOn
from rollback_drills.gamedays.operations.gateway import (
    Deploy,
    DeployMigrating,
    KillGateway,
    RecreateGateway,
    RestartGateway,
    StopGateway,
)
from rollback_drills.gamedays.operations.operation import Drawn, Operation

# The simplest first: Hypothesis tries that one most.
OPERATIONS: tuple[type[Operation], ...] = (
    Deliver,
    TurnOff,
    RecreateGateway,
    TurnOn,
    RestartGateway,
    Deploy,
    DowngradeDatabase,
    UpgradeDatabase,
    TakeBackup,
    RestoreBackup,
    KillGateway,
    StopGateway,
    DeployMigrating,
    Crash,
    Freeze,
)

__all__ = ["OPERATIONS", "Drawn", "Operation"]

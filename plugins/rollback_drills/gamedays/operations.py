"""What an operator, a client or an accident may do on a random game day; and a day, written as one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rollback_drills.core.errors import DrillError
from rollback_drills.target.target import Target

# Kind → the words for it; {} is the argument: a release for `deploy`, an integration for `on`, `off` and `deliver`.
TITLES = {
    "deploy": "Deploy release {}",
    "deploy-migrating": "Deploy release {}, letting its start migrate",
    "restart": "Restart the gateway: it keeps the environment that it was created with",
    "recreate": "Re-create the gateway: it reads its configuration anew",
    "stop": "Stop the gateway",
    "kill": "Kill the gateway (SIGKILL)",
    "upgrade": "Upgrade the database with the scripts of release {}",
    "downgrade": "Downgrade the database to the head of release {}, with the newer scripts",
    "on": "Turn the flag of {} on, in the configuration",
    "off": "Turn the flag of {} off, in the configuration",
    "deliver": "Deliver a webhook to {}",
    "backup": "Back up the database",
    "restore": "Restore the last backup into a new database, and put that in the live one's place",
    "crash": "Kill a process of PostgreSQL (SIGKILL): all sessions end, and the server recovers from its log",
    "freeze": "Freeze PostgreSQL, ask for health, and thaw it",
}
ALONE = frozenset({"restart", "recreate", "stop", "kill", "backup", "restore", "crash", "freeze"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that is done."""

    kind: str
    argument: str = ""

    @property
    def title(self) -> str:
        return TITLES[self.kind].format(self.argument)

    def __str__(self) -> str:
        return f"{self.kind}={self.argument}" if self.argument else self.kind


def token(operations: Sequence[Operation]) -> str:
    """A day in one line, which the shell takes as it is: ``off=github,recreate,deliver=github``."""
    return ",".join(map(str, operations))


def parse(text: str, target: Target) -> tuple[Operation, ...]:
    """The day that `token` wrote.

    Raises:
        DrillError: an operation that does not exist, or that names what the target does not have.
    """
    releases, integrations = (target.previous, target.current), tuple(target.integrations)
    gated = target.gated_of(target.current)
    arguments = {
        "deploy": releases, "deploy-migrating": releases, "upgrade": releases, "downgrade": releases,
        "on": gated, "off": gated, "deliver": integrations,
    }  # fmt: skip
    operations = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, _, argument = part.partition("=")
        if kind not in TITLES:
            raise DrillError(f"there is no operation {kind!r}", fix=f"use {', '.join(TITLES)}")
        if kind in ALONE and argument:
            raise DrillError(f"the operation {kind!r} takes no argument", fix=f"write {kind}")
        if kind not in ALONE and argument not in arguments[kind]:
            raise DrillError(
                f"{part!r} names nothing that the target {target.name!r} has",
                fix=f"write {kind}= and one of {', '.join(arguments[kind])}",
            )
        operations.append(Operation(kind, argument))
    if not operations:
        raise DrillError("the day to replay has no operations", fix="copy the line that the failed drill has printed")
    return tuple(operations)

"""A day as one line of text, such as ``off=github,recreate,deliver=github``."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.core.errors import DrillError
from rollback_drills.gamedays.operations import OPERATIONS, Operation
from rollback_drills.gamedays.operations.operation import written
from rollback_drills.target.target import Target

_BY_KIND = {operation.kind: operation for operation in OPERATIONS}


def format_day(operations: Sequence[Operation]) -> str:
    """The line for a day; a shell takes it as it is, without quotes."""
    return ",".join(map(str, operations))


def parse_day(text: str, target: Target) -> tuple[Operation, ...]:
    """The day that `format_day` wrote.

    Raises:
        DrillError: an operation is unknown, or names something that the target does not have.
    """
    operations = tuple(_parse_operation(part, target) for part in map(str.strip, text.split(",")) if part)
    if not operations:
        raise DrillError("the day to replay has no operations", fix="copy the line that the failed drill has printed")
    return operations


def _parse_operation(text: str, target: Target) -> Operation:
    kind, _, argument = text.partition("=")
    operation = _BY_KIND.get(kind)
    if operation is None:
        raise DrillError(f"there is no operation {kind!r}", fix=f"use {', '.join(_BY_KIND)}")
    arguments = operation.arguments(target)
    if arguments is None and argument:
        raise DrillError(f"the operation {kind!r} takes no argument", fix=f"write {kind}")
    known = {written(each): each for each in arguments or ()}
    if arguments is not None and argument not in known:
        raise DrillError(
            f"{text!r} names nothing that the target {target.name!r} has",
            fix=f"write {kind}= and one of {', '.join(known)}",
        )
    return operation(known.get(argument, argument))

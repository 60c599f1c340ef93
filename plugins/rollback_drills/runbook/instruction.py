"""A command of a runbook that a rule has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow


@dataclass(frozen=True, slots=True)
class Instruction:
    """A command of a runbook; ``line`` and ``column`` are counted from 1, and ``detail`` says what is wrong with it."""

    line: int
    text: str
    detail: str = ""
    column: int = 1


Rule = Callable[[Flow, Context], Iterator[Instruction]]


def at(call: Call, detail: str = "") -> Instruction:
    """A call as an instruction."""
    return Instruction(call.line, call.text, detail, call.column)

"""What every fault has: a title, when it is possible, how it is injected and healed (after Jepsen's nemesis)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rollback_drills.lab.stack import Stack


class Fault(Protocol):
    """Something that goes wrong with a stack from outside of the procedure."""

    @property
    def title(self) -> str:
        """A clause for steps and reports: "PostgreSQL is killed"."""

    def possible(self, stack: Stack) -> bool:
        """Whether the fault can befall the stack in its present state."""

    def inject(self, stack: Stack) -> None:
        """Let it happen.

        Raises:
            StackError: it cannot be injected.
        """

    def heal(self, stack: Stack) -> None:
        """End what does not end by itself; healing a stack without the fault changes nothing."""


@contextmanager
def injected(fault: Fault, stack: Stack) -> Iterator[None]:
    """Inject a fault for the length of a block, and heal it however the block ends."""
    fault.inject(stack)
    try:
        yield
    finally:
        fault.heal(stack)

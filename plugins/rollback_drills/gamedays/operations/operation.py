"""What an operation of a game day is. Everything about one operation stands in one class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rollback_drills.gamedays.context import DayContext
from rollback_drills.gamedays.model import ExpectedState
from rollback_drills.target.target import Target


@dataclass(frozen=True, slots=True)
class Drawn:
    """Random values for an operation of any kind, which uses what it can.

    Attributes:
        release: the current or the previous one.
        integrations: at least one, and none twice.
    """

    release: str
    integrations: Sequence[str]


def written(argument: str) -> str:
    """An argument in the written form of a day, which a shell takes without quotes: names of requests have blanks."""
    return argument.replace(" ", "_")


@dataclass(frozen=True)
class Operation(ABC):
    """What an operator, a client or an accident does on a game day.

    To add one, write a subclass and list it in `rollback_drills.gamedays.operations.OPERATIONS`.

    Attributes:
        argument: the release or the integration that it acts on; empty where it takes none.
    """

    argument: str = ""

    kind: ClassVar[str]
    """Its name in the written form of a day."""
    title_template: ClassVar[str]
    """Its name for people; ``{}`` stands for the argument."""
    weight: ClassVar[int] = 1
    """How often it is drawn: more often where it leads to more states."""
    moves_schema: ClassVar[bool] = False
    starts_gateway: ClassVar[bool] = False
    judged: ClassVar[bool] = True
    """Whether the invariants are checked after it; not where it changes only what the gateway has yet to read."""

    @property
    def title(self) -> str:
        return self.title_template.format(self.argument)

    def __str__(self) -> str:
        return f"{self.kind}={written(self.argument)}" if self.argument else self.kind

    @classmethod
    def arguments(cls, target: Target) -> tuple[str, ...] | None:
        """The releases or integrations of the target that it can act on; None: it takes no argument."""
        return None

    @classmethod
    def draw(cls, drawn: Drawn, state: ExpectedState) -> Sequence[str]:
        """The arguments to perform it with, one after the other."""
        return [""]

    @classmethod
    def possible(cls, state: ExpectedState) -> bool:
        """Whether it makes sense in this state."""
        return True

    @abstractmethod
    def perform(self, day: DayContext) -> None:
        """Perform it on the stack, and record in the model what it must have led to.

        Raises:
            StackError: it could not be performed at all, which is no finding.
        """

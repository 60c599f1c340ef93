"""Options and operands of a command line (POSIX utility syntax, GNU long options)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What was given to a program.

    Args:
        given: each option by its name (``-f`` for every letter of a cluster), in order.
        values: the value of each option that has one; of several, all.
        operands: the other arguments.
    """

    given: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    operands: tuple[str, ...]

    def has(self, *names: str) -> bool:
        return any(name in self.given for name in names)

    def all_of(self, *names: str) -> list[str]:
        """The values of an option that may be repeated."""
        return [value for name, value in self.values if name in names]

    def value(self, *names: str) -> str | None:
        """The last value of an option; None if it was not given."""
        found = self.all_of(*names)
        return found[-1] if found else None


def read_options(arguments: Sequence[str], valued: str = "", long: str = "", *, stop: bool = False) -> Options:
    """Split arguments into options and operands.

    Args:
        valued: the letters of short options that take a value.
        long: the long options that take a value, separated by spaces, without hyphens.
        stop: whether the first operand ends the options, as for a program that runs another one.
    """
    given, values, operands = list[str](), list[tuple[str, str]](), list[str]()
    long_ones = set(long.split())
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            operands += waiting
            break
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            given.append(name)
            if equals:
                values.append((name, value))
            elif name[2:] in long_ones and waiting:
                values.append((name, waiting.pop(0)))
        elif word.startswith("-") and len(word) > 1:
            _cluster(word[1:], valued, waiting, given, values)
        else:
            operands.append(word)
            if stop:
                operands += waiting
                break
    return Options(tuple(given), tuple(values), tuple(operands))


def _cluster(letters: str, valued: str, waiting: list[str], given: list[str], values: list[tuple[str, str]]) -> None:
    for place, letter in enumerate(letters):
        given.append(f"-{letter}")
        if letter in valued:
            value = letters[place + 1 :] or (waiting.pop(0) if waiting else "")
            values.append((f"-{letter}", value))
            return

"""Splits a line of shell into its commands, as far as a runbook needs it (POSIX, "Shell Grammar")."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_TOKEN = re.compile(
    r"""(?P<redirection>\d*(?:<<<|<<-?|[<>]&|>>|>\||[<>])|&>)"""
    r"""|(?P<operator>\|\||\|&|&&|;;|[;&|()])"""
    r"""|(?P<word>(?:\\.|'[^']*'|"(?:\\.|[^"\\])*"|[^\s;&|()<>])+)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class ShellCommand:
    """A simple command. ``after`` is the operator that follows it; ``substituted``: its output is used."""

    words: tuple[str, ...]
    after: str
    substituted: bool

    def arguments_of(self, program: str) -> tuple[str, ...] | None:
        """The arguments of a program, even if another one runs it (`docker compose exec db dropdb`); or None."""
        for place, word in enumerate(self.words):
            if PurePosixPath(word).name == program:
                return self.words[place + 1 :]
        return None


def commands_in(line: str) -> Iterator[ShellCommand]:
    """The simple commands of a line. A quotation that continues in the next line is split at its spaces."""
    words, substituted = list[str](), False
    for token in (*_TOKEN.finditer(line), None):
        if token is not None and not token["operator"]:
            words.append(token["redirection"] or _unquoted(token["word"]))
            continue
        operator = token["operator"] if token is not None else ";"
        opens = operator == "(" and bool(words) and words[-1].endswith("$")
        if words:
            yield ShellCommand(tuple(words), operator, substituted)
        words, substituted = [], opens


def _unquoted(word: str) -> str:
    try:
        return "".join(shlex.split(word))
    except ValueError:
        return word


def options_of(arguments: tuple[str, ...], *, valued: str = "") -> frozenset[str]:
    """The options among the arguments, one by one: `-fsS` is three, `--max-time=3` is ``--max-time``.

    Args:
        valued: letters whose value may follow without a space, like the `F` of `pg_dump -Fc`.
    """
    found = set[str]()
    for argument in arguments:
        if argument.startswith("--"):
            found.add(argument.partition("=")[0])
        elif argument.startswith("-"):
            for letter in argument[1:]:
                found.add(f"-{letter}")
                if letter in valued:
                    break
    return frozenset(found)

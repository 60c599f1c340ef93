"""What a runbook tells its reader to type, and which of it leaves a false green.

Only fenced code counts (CommonMark, "Fenced code blocks"): a command that is mentioned in a sentence, to warn of it
for instance, is no instruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

_FENCE = re.compile(r"\s{0,12}(?P<mark>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_SHELLS = {"", "bash", "sh", "shell", "console", "zsh", "shell-session"}
_PROMPT = re.compile(r"^\s*[$>]\s+(?=\S)")
_COMPOSE = r"\bdocker[ -]compose\b[^|;&]*?\s"
_ASSIGNMENT = re.compile(r"^\s*(export\s+)?[A-Z][A-Z0-9_<>]*=\S*\s*$|\bsed\b.*\.env\b")
_EXPORT = re.compile(r"^\s*export\s+[A-Z][A-Z0-9_]*=\S+")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One command of a runbook, continued lines joined; ``line`` is counted from 1."""

    line: int
    text: str


Block = tuple[Instruction, ...]


def blocks_in(markdown: str) -> Iterator[Block]:
    """The commands of every fenced block of shell; comments and prompts are left out."""
    fence, shell, found = "", False, list[Instruction]()
    pending, begun = "", 0
    for number, line in enumerate(markdown.splitlines(), 1):
        opening = _FENCE.match(line)
        if not fence:
            if opening:
                fence, shell, found = opening["mark"], opening["language"].lower() in _SHELLS, []
            continue
        if opening and opening["mark"].startswith(fence) and not opening["language"]:
            if shell and found:
                yield tuple(found)
            fence, pending = "", ""
            continue
        begun = begun if pending else number
        text = pending + _PROMPT.sub("", line).strip()
        if text.endswith("\\"):
            pending = text[:-1]
            continue
        pending = ""
        command = re.sub(r"(^|\s)#.*$", "", text).strip()
        if command:
            found.append(Instruction(begun, command))


def instructions(code: str, markdown: str, *, gateway: str, database: str) -> list[Instruction]:
    """The commands of a runbook that the finding ``code`` warns of.

    Args:
        gateway: how its service is called in the compose file.
        database: likewise.

    Raises:
        KeyError: there is no such literal command.
    """
    find = LITERAL[code]
    return [each for block in blocks_in(markdown) for each in find(block, re.escape(gateway), re.escape(database))]


def _restarts(block: Block, gateway: str, database: str) -> Iterator[Instruction]:
    """After a variable was set: a restart alone is no harm."""
    edited = False
    for each in block:
        edited = edited or bool(_ASSIGNMENT.search(each.text))
        if edited and re.search(rf"{_COMPOSE}restart\b", each.text):
            yield each


def _exports(block: Block, gateway: str, database: str) -> Iterator[Instruction]:
    exported = [each for each in block if _EXPORT.search(each.text)]
    if any(re.search(rf"{_COMPOSE}(up|restart)\b", each.text) for each in block):
        yield from exported


def _matching(pattern: str) -> Callable[[Block, str, str], Iterator[Instruction]]:
    def find(block: Block, gateway: str, database: str) -> Iterator[Instruction]:
        expression = re.compile(pattern.format(gateway=gateway, database=database))
        return (each for each in block if expression.search(each.text))

    return find


def _restores(block: Block, gateway: str, database: str) -> Iterator[Instruction]:
    for each in block:
        fed = re.search(r"\bcat\b.*\||<\s*\S", each.text)
        if fed and re.search(r"\bpsql\b", each.text) and "ON_ERROR_STOP" not in each.text:
            yield each


def _does_not_wait(block: Block, gateway: str, database: str) -> Iterator[Instruction]:
    """Something is asked of the database right after it was started."""
    for each, after in pairwise(block):
        started = re.search(rf"{_COMPOSE}up\b.*\s{database}\b", each.text)
        if started and "--wait" not in each.text and re.search(r"\bexec\b|\bpsql\b", after.text):
            yield each


LITERAL: dict[str, Callable[[Block, str, str], Iterator[Instruction]]] = {
    "restart-keeps-environment": _restarts,
    "rollback-lives-in-a-shell": _exports,
    "exec-needs-running-gateway": _matching(_COMPOSE + r"exec\b[^|;&]*\s{gateway}\s+(\S*/)?alembic\b"),
    "blind-downgrade": _matching(r"\balembic\b.*\bdowngrade\s+-\d"),
    "restore-over-live-database": _restores,
    "down-destroys-evidence": _matching(_COMPOSE + r"down\b"),
    "database-not-waited-for": _does_not_wait,
    "build-replaces-release": _matching(_COMPOSE + r"build\b"),
}
"""By finding: where a runbook's literal command leads to it."""

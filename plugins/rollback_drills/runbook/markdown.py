"""The commands that a runbook tells its reader to type.

Only fenced code counts (CommonMark, "Fenced code blocks"): a command in a sentence, for example in a warning, is no
instruction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(r"\s{0,12}(?P<mark>`{3,}|~{3,})\s*(?P<language>[\w+-]*)")
_SHELLS = {"", "bash", "sh", "shell", "console", "zsh", "shell-session"}
_PROMPT = re.compile(r"^\s*[$>]\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One command of a runbook, continued lines joined; ``line`` is counted from 1."""

    line: int
    text: str


Block = tuple[Instruction, ...]


def shell_blocks(markdown: str) -> Iterator[Block]:
    """The commands of every fenced shell block, without comments and prompts."""
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


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a block of commands.

    ``gateway`` and ``database`` are services of the compose file, ``webhook`` is the path of a delivery with the
    placeholder ``{integration}``, ``flag`` the variable of a flag with its placeholder (both may be empty), and
    ``above`` has the commands of the preceding blocks.
    """

    gateway: str
    database: str
    webhook: str = ""
    flag: str = ""
    above: Block = ()

"""Whether every start of the image migrates: its command, or a script that it runs, upgrades unconditionally."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

_UPGRADE = re.compile(r"alembic\b[^\n;&|]*\bupgrade\b")
_COMMAND = re.compile(r"^\s*(?:CMD|ENTRYPOINT)\s+(?P<rest>(?:[^\n\\]|\\\n|\\.)*)", re.MULTILINE | re.IGNORECASE)
_OPENS = re.compile(r"^(if|case|while|until|for)\b|\{$")
_CLOSES = re.compile(r"^(fi|esac|done|\})")


def always_migrates(dockerfile: str, commands: Iterable[str], scripts: dict[str, str]) -> str | None:
    """The script or command that migrates at every start; None if there is none.

    Args:
        commands: command and entry point of the compose service.
        scripts: the project's shell scripts, by path.
    """
    given = [*commands, *(match["rest"] for match in _COMMAND.finditer(dockerfile))]
    for command in given:
        if _UPGRADE.search(re.sub(r"[\"',\[\]]+", " ", command)):
            return "the command of the image"
        for path, text in scripts.items():
            if re.search(rf"(?<![\w.-]){re.escape(PurePosixPath(path).name)}(?![\w.-])", command) and _upgrades(text):
                return path
    return None


def _upgrades(script: str) -> bool:
    """Whether a line outside of any condition runs ``alembic upgrade``."""
    depth = 0
    for line in (each.strip() for each in script.splitlines()):
        if _CLOSES.match(line):
            depth -= 1
        found = _UPGRADE.search(line)
        if (
            depth <= 0
            and found
            and not line.startswith("#")
            and not re.search(r"\[|\btest\b|\|\|", line[: found.start()])
        ):
            return True
        if _OPENS.search(line) and not re.search(r";\s*(fi|esac|done)\s*$", line):
            depth += 1
    return False

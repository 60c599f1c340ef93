"""Which commands of a runbook leave a false green, or do something else than their reader believes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

from rollback_drills.runbook import rules
from rollback_drills.runbook.markdown import (
    Block,
    Context,
    Instruction,
    shell_blocks,
)

_COMPOSE = r"\bdocker[ -]compose\b[^|;&]*?\s"
_ASSIGNMENT = re.compile(r"^\s*(export\s+)?[A-Z][A-Z0-9_<>]*=\S*\s*$|\bsed\b.*\.env\b")
_EXPORT = re.compile(r"^\s*export\s+[A-Z][A-Z0-9_]*=\S+")

Finder = Callable[[Block, Context], Iterator[Instruction]]


def find(code: str, markdown: str, context: Context) -> list[Instruction]:
    """The commands of a runbook that the finding ``code`` warns of.

    Raises:
        KeyError: there is no such literal command.
    """
    found = list[Instruction]()
    for block in shell_blocks(markdown):
        found += LITERAL[code](block, context)
        context = replace(context, above=(*context.above, *block))
    return found


def _restarts(block: Block, context: Context) -> Iterator[Instruction]:
    """After a variable was set: a restart alone is no harm."""
    edited = False
    for each in block:
        edited = edited or bool(_ASSIGNMENT.search(each.text))
        if edited and re.search(rf"{_COMPOSE}restart\b", each.text):
            yield each


def _exports(block: Block, context: Context) -> Iterator[Instruction]:
    exported = [each for each in block if _EXPORT.search(each.text)]
    if any(re.search(rf"{_COMPOSE}(up|restart)\b", each.text) for each in block):
        yield from exported


def _matching(pattern: str) -> Finder:
    def find(block: Block, context: Context) -> Iterator[Instruction]:
        named = pattern.format(gateway=re.escape(context.gateway), database=re.escape(context.database))
        expression = re.compile(named)
        return (each for each in block if expression.search(each.text))

    return find


def _restores(block: Block, context: Context) -> Iterator[Instruction]:
    for each in block:
        fed = re.search(r"\bcat\b.*\||<\s*\S", each.text)
        if fed and re.search(r"\bpsql\b", each.text) and "ON_ERROR_STOP" not in each.text:
            yield each


def _does_not_wait(block: Block, context: Context) -> Iterator[Instruction]:
    """Something is asked of the database right after it was started."""
    for each, after in pairwise(block):
        started = re.search(rf"{_COMPOSE}up\b.*\s{re.escape(context.database)}\b", each.text)
        if started and "--wait" not in each.text and re.search(r"\bexec\b|\bpsql\b", after.text):
            yield each


LITERAL: dict[str, Finder] = {
    "restart-keeps-environment": _restarts,
    "rollback-lives-in-a-shell": _exports,
    "exec-needs-running-gateway": _matching(_COMPOSE + r"exec\b[^|;&]*\s{gateway}\s+(\S*/)?alembic\b"),
    "blind-downgrade": _matching(r"\balembic\b.*\bdowngrade\s+-\d"),
    "restore-over-live-database": _restores,
    "down-destroys-evidence": _matching(_COMPOSE + r"down\b"),
    "database-not-waited-for": _does_not_wait,
    "build-replaces-release": _matching(_COMPOSE + r"build\b"),
    "check-ignores-status": rules.ignores_status,
    "flag-checked-by-get": rules.checks_flag_by_get,
    "flag-check-fails-when-off": rules.fails_when_off,
    "clean-leaves-younger-tables": rules.cleans,
    "dropdb-while-connected": rules.drops_while_connected,
    "checkout-not-checked": rules.goes_on_after_checkout,
    "placeholder-redirects": rules.has_placeholders,
}
"""By finding: where a runbook's literal command leads to it."""

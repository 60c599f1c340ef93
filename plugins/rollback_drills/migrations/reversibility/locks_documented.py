"""Locks of commands that cannot run in a transaction, whose locks therefore cannot be observed.

Source: PostgreSQL's manual, "Explicit Locking" and the pages of the commands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rollback_drills.migrations.reversibility.proof import Work
from rollback_drills.migrations.walker.client import Statement
from rollback_drills.postgres.schema.tracker import Refresh, Relation

_NAME = r'(?P<name>(?:"[^"]+"|\w+)(?:\.(?:"[^"]+"|\w+))?)'
_MILD, _ALL = "ShareUpdateExclusiveLock", "AccessExclusiveLock"
_COMMANDS: tuple[tuple[str, str, Work], ...] = (
    (
        rf"create\s+(?:unique\s+)?index\s+concurrently\s+(?:(?:if\s+not\s+exists\s+)?\S+\s+)?on\s+(?:only\s+)?{_NAME}",
        _MILD,
        "scan",
    ),
    (rf"drop\s+index\s+concurrently\s+(?:if\s+exists\s+)?{_NAME}", _MILD, ""),
    (rf"reindex\s+(?:\([^)]*\)\s*)?(?:table|index)\s+concurrently\s+{_NAME}", _MILD, "scan"),
    (rf"alter\s+table\s+(?:if\s+exists\s+)?{_NAME}\s+detach\s+partition\s+\S+\s+concurrently", _MILD, ""),
    (rf"refresh\s+materialized\s+view\s+concurrently\s+{_NAME}", "ExclusiveLock", "scan"),
    (rf"vacuum\s+(?:full|\([^)]*\bfull\b[^)]*\))\s+(?:freeze\s+|verbose\s+|analyze\s+)*{_NAME}", _ALL, "rewrite"),
    (rf"vacuum\s+(?:\([^)]*\)\s*)?(?!full\b)(?:freeze\s+|verbose\s+|analyze\s+)*{_NAME}", _MILD, "scan"),
)
_COMPILED = tuple((re.compile(r"^\s*" + pattern, re.IGNORECASE), mode, work) for pattern, mode, work in _COMMANDS)
_INDEXED = re.compile(r" ON (?:ONLY )?(\S+) USING ")


@dataclass(frozen=True, slots=True)
class Documented:
    """A lock that a statement takes according to the manual."""

    relation: Relation
    mode: str
    work: Work
    statement: Statement


def documented_locks(
    statements: tuple[Statement, ...], refresh: Refresh, before: Mapping[int, Relation]
) -> Iterator[Documented]:
    """Locks on relations that existed before the step."""
    for statement in statements:
        if not statement.autocommit or statement.locks:
            continue
        for pattern, mode, work in _COMPILED:
            match = pattern.match(statement.sql)
            if match:
                relation = _find(match["name"], refresh, before)
                if relation is not None:
                    yield Documented(relation, mode, work, statement)
                break


def _find(name: str, refresh: Refresh, before: Mapping[int, Relation]) -> Relation | None:
    """The table of that name, or the table of the index of that name."""
    wanted = _plain(name)
    known = [each for each in before.values() if each.kind in ("r", "p", "m")]
    for key, (was, now) in refresh.delta.objects.items():
        indexed = _INDEXED.search(was or now or "") if key.startswith("index ") else None
        if indexed and _plain(key.removeprefix("index ")).endswith(wanted):
            wanted = _plain(indexed[1])
    matching = [each for each in known if _plain(each.name) == wanted or _plain(each.name).endswith(f".{wanted}")]
    return matching[0] if matching else None


def _plain(name: str) -> str:
    return name.replace('"', "")

"""Catalogue queries that a session plans once: planning takes longer than reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from rollback_drills.postgres.connection import Connection, Row, read_pinned

_numbers = count(1)
# One plan for the session, by index: the planner cannot know that the arrays are small.
_PLAN: Final = tuple(
    f"SET LOCAL {name}"
    for name in (
        "plan_cache_mode = force_generic_plan",
        "enable_seqscan = off",
        "enable_hashjoin = off",
        "enable_mergejoin = off",
    )
)
_PLAN_ALL: Final = tuple(f"SET LOCAL {name} = on" for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"))


class PreparedQuery:
    """One query of one session.

    Args:
        types: of its parameters, comma-separated.
        whole: whether it reads whole catalogues, and not the few rows that its parameters select.
    """

    def __init__(self, name: str, types: str, query: str, *, whole: bool = False) -> None:
        self._name = f"rollback_drills_{name}_{next(_numbers)}"
        self._prepare = f"PREPARE {self._name}{f' ({types})' if types else ''} AS {query}"
        self._plan = _PLAN_ALL if whole else ()
        self._known = False

    def call(self, arguments: Sequence[str]) -> list[str]:
        """The statements that execute it, preceded by its preparation at the first call."""
        prepare = [] if self._known else [self._prepare]
        self._known = True
        return [*self._plan, *prepare, f"EXECUTE {self._name}" + (f" ({', '.join(arguments)})" if arguments else "")]


def read_prepared(conn: Connection, queries: Sequence[tuple[PreparedQuery, Sequence[str]]]) -> list[list[Row]]:
    """The rows of each query, in one round trip and one snapshot; queries that read whole catalogues have to come last.

    Raises:
        psycopg.Error: as `read_pinned`.
    """
    if not queries:
        return []
    return read_pinned(conn, [*_PLAN, *(each for prepared, given in queries for each in prepared.call(given))])


def oid_array(given: Iterable[int]) -> str:
    """SQL: a literal of type ``oid[]``."""
    return "'{" + ",".join(str(oid) for oid in sorted(given)) + "}'::oid[]"

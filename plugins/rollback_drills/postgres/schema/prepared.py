"""Queries of the catalogue that a session plans once: planning them takes longer than reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

from rollback_drills.postgres.connection import Connection, Row, read_pinned

_numbers = count(1)
# One plan for the session, and for few rows: by index, whatever the planner thinks of an array it has not seen.
_PLAN: Final = tuple(
    f"SET LOCAL {name}" for name in (
        "plan_cache_mode = force_generic_plan", "enable_seqscan = off", "enable_hashjoin = off",
        "enable_mergejoin = off",
    )
)  # fmt: skip
_PLAN_ALL: Final = tuple(f"SET LOCAL {name} = on" for name in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"))


class PreparedQuery:
    """One query of one session.

    Args:
        whole: whether it reads all there is, and not the few rows that its parameters name.
    """

    def __init__(self, name: str, types: str, query: str, *, whole: bool = False) -> None:
        self._name = f"rollback_drills_{name}_{next(_numbers)}"
        self._prepare = f"PREPARE {self._name}{f' ({types})' if types else ''} AS {query}"
        self._plan = _PLAN_ALL if whole else ()
        self._known = False

    def call(self, arguments: Sequence[str]) -> list[str]:
        prepare = [] if self._known else [self._prepare]
        self._known = True
        return [*self._plan, *prepare, f"EXECUTE {self._name}" + (f" ({', '.join(arguments)})" if arguments else "")]


def read_prepared(conn: Connection, queries: Sequence[tuple[PreparedQuery, Sequence[str]]]) -> list[list[Row]]:
    """The rows of each, all in one round trip and one snapshot; those that read the whole come last.

    Raises:
        psycopg.Error: as `read_pinned`.
    """
    if not queries:
        return []
    return read_pinned(conn, [*_PLAN, *(each for prepared, given in queries for each in prepared.call(given))])


def oid_array(given: Iterable[int]) -> str:
    return "'{" + ",".join(str(oid) for oid in sorted(given)) + "}'::oid[]"

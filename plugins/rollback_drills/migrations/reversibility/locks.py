"""What the locks of a step would mean in production, where tables are large and in use."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rollback_drills.migrations.reversibility.locks_documented import documented_locks
from rollback_drills.migrations.reversibility.proof import BLOCKS_WRITES, Known, Lock, Work
from rollback_drills.migrations.walker.client import Statement, StepOutcome, strongest
from rollback_drills.postgres import Connection
from rollback_drills.postgres.schema.tracker import Refresh, Relation

_DATA = re.compile(r"^\s*(?:select|insert|update|delete|merge|with|copy)\b", re.IGNORECASE)
_CALIBRATION_ROWS = 100_000


class Speed:
    """Seconds per row that this server takes for a rewrite and for a scan, measured on first use."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._seconds: dict[str, float] | None = None

    def per_row(self, work: str) -> float:
        if self._seconds is None:
            self._seconds = self._measure()
        return self._seconds[work]

    def _measure(self) -> dict[str, float]:
        statements = {
            "rewrite": "ALTER TABLE drill_speed ALTER a TYPE numeric",
            "scan": "ALTER TABLE drill_speed ADD CHECK (length(b) >= 0)",
        }
        self._conn.execute(
            f"CREATE TEMPORARY TABLE drill_speed AS SELECT n AS a, 'row ' || n AS b"
            f" FROM generate_series(1, {_CALIBRATION_ROWS}) AS n".encode()
        )
        seconds = {}
        for work, statement in statements.items():
            row = self._conn.execute(b"SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            self._conn.execute(statement.encode())
            end = self._conn.execute(b"SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
            seconds[work] = (end[0] - row[0]) / _CALIBRATION_ROWS if row and end else 0.0
        self._conn.execute(b"DROP TABLE drill_speed")
        return seconds


def locks_of(
    outcome: StepOutcome,
    refresh: Refresh,
    before: Mapping[int, Relation],
    sizes: Mapping[str, int],
    speed: Speed,
    direction: str = "upgrade",
) -> list[Lock]:
    """The strongest lock on each existing relation, blocking ones first; row-level modes are left out."""
    rewritten = set(refresh.rewritten)
    found = []
    for oid in outcome.locked & before.keys():
        relation = before[oid]
        if relation.kind not in ("r", "p", "m"):
            continue
        mode, first = _strongest(outcome, oid)
        if mode in ("AccessShareLock", "RowShareLock", "RowExclusiveLock"):
            continue
        scanned = any(oid in each.scans and not _DATA.match(each.sql) for each in outcome.statements)
        work: Work = "rewrite" if relation.name in rewritten else "scan" if scanned else ""
        seconds = _seconds(relation.name, work, sizes, speed)
        held = round(_held(outcome, first), 5)
        found.append(
            Lock(relation.name, mode, first.sql[:300], first.line, work, seconds, held=held, direction=direction)
        )
    seen = {lock.relation: lock for lock in found}
    for each in documented_locks(outcome.statements, refresh, before):
        name = each.relation.name
        if name not in seen or strongest([each.mode, seen[name].mode]) != seen[name].mode:
            seconds = _seconds(name, each.work, sizes, speed)
            first = each.statement
            known: Known = "by PostgreSQL's documentation"
            seen[name] = Lock(
                name, each.mode, first.sql[:300], first.line, each.work, seconds, known, direction=direction
            )
    return sorted(seen.values(), key=lambda lock: (not lock.blocks, lock.relation))


def _held(outcome: StepOutcome, first: Statement) -> float:
    """From the statement that took the lock to the end of its transaction."""
    if first.autocommit or first.transaction is None:
        return first.seconds
    later = outcome.statements[outcome.statements.index(first) :]
    return sum(each.seconds for each in later if each.transaction == first.transaction)


def _seconds(relation: str, work: Work, sizes: Mapping[str, int], speed: Speed) -> float | None:
    """Extrapolated to the rows of production; None where the target file does not give them."""
    rows = sizes.get(relation.replace('"', ""), sizes.get(relation))
    return None if rows is None else speed.per_row(work) * rows if work else 0.0


def without_timeout(outcome: StepOutcome, locks: list[Lock], before: Mapping[int, Relation]) -> list[str]:
    """Relations that a statement locked against clients without a lock_timeout: it might have waited for ever."""
    strong = {lock.relation for lock in locks if lock.mode in BLOCKS_WRITES}
    found = set()
    held: set[tuple[int, str]] = set()  # relation and mode, in the current transaction
    for statement in outcome.statements:
        held = set() if statement.autocommit else held
        for oid, modes in statement.locks.items():
            fresh = {(oid, mode) for mode in modes} - held
            held |= fresh
            name = before[oid].name if oid in before else ""
            if fresh and name in strong and statement.lock_timeout == "0" and strongest(modes) in BLOCKS_WRITES:
                found.add(name)
    return sorted(found)


def _strongest(outcome: StepOutcome, oid: int) -> tuple[str, Statement]:
    """The strongest mode, and the statement that took it first."""
    holding = [(strongest(each.locks[oid]), each) for each in outcome.statements if oid in each.locks]
    mode = strongest([mode for mode, _ in holding])
    return mode, next(each for held, each in holding if held == mode)

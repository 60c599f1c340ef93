"""The schema fingerprint: everything in a database that a migration can change, as comparable text.

An exit code does not prove a rollback; an equal fingerprint does, for the schema. The server computes one line per
object from its catalogue in a single round trip, which takes milliseconds and no process such as pg_dump.

Left out by design: the order of columns (separate, `SchemaFingerprint.column_order`), which PostgreSQL cannot restore;
members of extensions (the extension and its version are included); roles (but what they set for their sessions is
included), tablespaces and other objects that all databases of a server share; subscriptions; large objects (they are
data: see `rollback_drills.postgres.data`); planner statistics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres.connection import Connection, Row, read_pinned
from rollback_drills.postgres.relations import VERSION_TABLE
from rollback_drills.postgres.schema import relations_sql

OLDEST_SUPPORTED: Final = 130000  # server_version_num of PostgreSQL 13
_ORDER: Final = "#order"


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """An object that exists on one side only; an example of ``key`` is ``column public.orders.status``."""

    key: str
    definition: str

    def to_json(self) -> dict[str, str]:
        return {"key": self.key, "definition": self.definition}


@dataclass(frozen=True, slots=True)
class Change:
    """An object that exists on both sides with different definitions."""

    key: str
    before: str
    after: str

    def to_json(self) -> dict[str, str]:
        return {"key": self.key, "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class SchemaDiff:
    """The difference between two fingerprints; false when there is none."""

    left_over: tuple[SchemaEntry, ...] = ()
    missing: tuple[SchemaEntry, ...] = ()
    changed: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.left_over or self.missing or self.changed)

    def lines(self) -> list[str]:
        """The difference as text: ``+`` should not exist, ``-`` should exist, ``~`` should be different."""
        return list(self._lines())

    def _lines(self) -> Iterator[str]:
        for sign, entries in (("+ left over", self.left_over), ("- missing", self.missing)):
            for entry in entries:
                yield f"{sign} {entry.key}"
                yield f"    {_indented(entry.definition)}"
        for change in self.changed:
            yield f"~ changed {change.key}"
            yield f"    was {_indented(change.before)}"
            yield f"    is  {_indented(change.after)}"

    def to_json(self) -> dict[str, list[dict[str, str]]]:
        """Plain JSON values, as the evidence holds them."""
        return {
            "left_over": [entry.to_json() for entry in self.left_over],
            "missing": [entry.to_json() for entry in self.missing],
            "changed": [change.to_json() for change in self.changed],
        }


@dataclass(frozen=True)
class SchemaFingerprint:
    """Every object of a database by a readable key, with its definition in DDL-like text."""

    objects: Mapping[str, str]
    column_order: Mapping[str, tuple[str, ...]]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the sorted objects, without the order of columns; equal exactly when `diff` is empty.

        Comparable between databases of one major version only: PostgreSQL prints definitions differently in the next.
        """
        text = json.dumps(sorted(self.objects.items()), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def of_database(self) -> SchemaFingerprint:
        """Without what roles set for their sessions: that is the server's, and no dump of one database contains it."""
        own = {key: text for key, text in self.objects.items() if not key.startswith("role setting ")}
        return SchemaFingerprint(MappingProxyType(own), self.column_order)

    def diff(self, after: SchemaFingerprint) -> SchemaDiff:
        """What is left over, missing or changed in ``after``."""
        before, now = self.objects, after.objects
        return SchemaDiff(
            left_over=tuple(SchemaEntry(key, now[key]) for key in sorted(now.keys() - before.keys())),
            missing=tuple(SchemaEntry(key, before[key]) for key in sorted(before.keys() - now.keys())),
            changed=tuple(
                Change(key, before[key], now[key])
                for key in sorted(before.keys() & now.keys())
                if before[key] != now[key]
            ),
        )

    def reordered(self, after: SchemaFingerprint) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """By table, both orders of columns, where the columns are the same in another order."""
        return {
            table: (columns, other)
            for table, columns in self.column_order.items()
            if (other := after.column_order.get(table, columns)) != columns and set(other) == set(columns)
        }


def schema_fingerprint(conn: Connection, *, ignore_tables: Sequence[str] = (VERSION_TABLE,)) -> SchemaFingerprint:
    """Fingerprint the current database's user schemas in one round trip.

    The server takes short ACCESS SHARE locks on some relations, so the call waits (for ``lock_timeout`` at most) for
    transactions that hold an ACCESS EXCLUSIVE lock. Inside a transaction, its uncommitted DDL is included.

    Args:
        ignore_tables: tables to leave out with their dependents, as ``name`` (in every schema) or ``schema.name``.

    Raises:
        DrillError: the server is older than PostgreSQL 13.
        psycopg.Error: the query fails.
    """
    version = conn.info.server_version
    if version < OLDEST_SUPPORTED:
        raise DrillError(
            f"the server is PostgreSQL {version // 10000}",
            cause="the schema fingerprint reads catalogue columns that appeared in PostgreSQL 13",
            fix="drill with PostgreSQL 13 or newer",
        )
    rows = _read_prepared(conn, relations_sql.statement(version, tuple(ignore_tables)))
    objects: dict[str, str] = {}
    order: dict[str, tuple[str, ...]] = {}
    for kind, name, definition in rows:
        if kind == _ORDER:
            order[name] = tuple(json.loads(definition))
            continue
        key = f"{kind} {name}"
        # Two objects under one key must not hide each other, although no two kinds are known to collide.
        objects[key] = definition if key not in objects else "\n".join(sorted((objects[key], definition)))
    return SchemaFingerprint(MappingProxyType(objects), MappingProxyType(order))


def _read_prepared(conn: Connection, query: str) -> list[Row]:
    """Read ``query`` through a named prepared statement of the session, since planning takes as long as reading.

    The plan covers system catalogues only, so a change of the user's schema does not invalidate it. Whether the session
    has the statement is asked of the server.
    """
    name = "rollback_drills_" + hashlib.sha256(query.encode()).hexdigest()[:12]
    known = conn.execute(b"SELECT FROM pg_catalog.pg_prepared_statements WHERE name = %s", (name,)).rowcount
    prepare = [] if known else [f"PREPARE {name} AS {query}"]
    (rows,) = read_pinned(conn, [*prepare, f"EXECUTE {name}"])
    return rows


def _indented(text: str) -> str:
    return text.replace("\n", "\n        ")

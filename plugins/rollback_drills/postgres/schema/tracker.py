"""Tracks the schema fingerprint of a database step by step, at the cost of what each step touched.

`SchemaTracker` reads everything once. Afterwards it asks the server what was written since (`changes_sql`), and
re-reads only those relations, the ones that refer to them, and the rest of the catalogue if anything in it was written.
`verify` compares with a full fingerprint, to be called at the end.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rollback_drills.core.errors import DrillError
from rollback_drills.postgres.connection import Connection
from rollback_drills.postgres.relations import VERSION_TABLE
from rollback_drills.postgres.schema import changes_sql, relations_sql
from rollback_drills.postgres.schema.fingerprint import (
    Change,
    SchemaDiff,
    SchemaEntry,
    SchemaFingerprint,
    schema_fingerprint,
)
from rollback_drills.postgres.schema.prepared import PreparedQuery, oid_array, read_prepared

_ORDER: Final = "#order"
_REST: Final = 0  # in place of a relation's OID: everything that depends on none
_FIRST_TRANSACTION: Final = "3"  # the first ordinary transaction id


@dataclass(frozen=True, slots=True)
class Relation:
    """A row of pg_class: qualified and quoted name, relkind, relfilenode."""

    name: str
    kind: str
    filenode: int

    @property
    def holds_rows(self) -> bool:
        return self.kind in ("r", "p")


@dataclass(frozen=True)
class SchemaChange:
    """What a step changed: by key, the definition before and after, None where the object does not exist."""

    objects: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)
    order: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)

    def then(self, later: SchemaChange) -> SchemaChange:
        """Both steps as one."""
        return SchemaChange(_compose(self.objects, later.objects), _compose(self.order, later.order))

    def __bool__(self) -> bool:
        return bool(self.objects)

    def diff(self) -> SchemaDiff:
        """The difference as between two full fingerprints."""
        pairs = sorted(self.objects.items())
        return SchemaDiff(
            left_over=tuple(SchemaEntry(key, now) for key, (was, now) in pairs if was is None and now is not None),
            missing=tuple(SchemaEntry(key, was) for key, (was, now) in pairs if was is not None and now is None),
            changed=tuple(Change(key, was, now) for key, (was, now) in pairs if was is not None and now is not None),
        )

    def reordered(self) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
        """Tables with the same columns in another order."""
        found = {}
        for table, (was, now) in self.order.items():
            if was is not None and now is not None:
                before, after = tuple(json.loads(was)), tuple(json.loads(now))
                if before != after and set(before) == set(after):
                    found[table] = (before, after)
        return found


@dataclass(frozen=True)
class Refresh:
    """How a step changed the schema; the relations that it may have touched, by OID, before and after it."""

    delta: SchemaChange
    before: Mapping[int, Relation]
    after: Mapping[int, Relation]

    @property
    def rewritten(self) -> tuple[str, ...]:
        """Tables and materialised views that were rewritten or truncated: their relfilenode changed."""
        return tuple(
            relation.name
            for oid, relation in self.after.items()
            if relation.kind in ("r", "m") and oid in self.before and relation.filenode != self.before[oid].filenode
        )

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables that exist after the step and that it may have touched."""
        return frozenset(relation.name for relation in self.after.values() if relation.kind == "r")


@dataclass(frozen=True, slots=True)
class _Changes:
    """What was written since the last look. ``counts`` and ``rest_written`` are of everything but relations."""

    touched: Mapping[int, Relation | None]
    counts: str
    rest_written: bool


class SchemaTracker:
    """Tracks the schema of one database: ``known`` are its relations by OID.

    ``rest_changes`` counts how often anything but relations was read again.

    Args:
        conn: a connection for the tracker alone.
    """

    def __init__(self, conn: Connection, *, ignore_tables: Sequence[str] = (VERSION_TABLE,)) -> None:
        self._conn, self._ignored = conn, tuple(ignore_tables)
        version = conn.info.server_version
        self._probe = PreparedQuery("probe", "oid[], xid, boolean", changes_sql.statement(version))
        self._relations = PreparedQuery("relations", "oid[]", relations_sql.relations_statement(version, self._ignored))
        self._rest = PreparedQuery("rest", "", relations_sql.rest_statement(version, self._ignored), whole=True)
        self._groups: dict[int, dict[str, str]] = {}
        self._orders: dict[int, dict[str, str]] = {}
        self._since = _FIRST_TRANSACTION
        self._counts = ""
        self.known: dict[int, Relation] = {}
        self.rest_changes = 0
        self.refresh(())

    def refresh(self, locked: Collection[int], *, grants: bool = False, everything: bool = False) -> Refresh:
        """Read again what was touched since the last refresh.

        Args:
            locked: OIDs of the relations that were locked since.
            grants: whether privileges may have been granted or revoked since.
            everything: read everything again, where the locks are not known.

        Raises:
            psycopg.Error: as `schema_fingerprint`.
        """
        if everything:
            locked, self._since, self._counts = {*locked, *self.known}, _FIRST_TRANSACTION, ""
        changes = self._probe_changes(locked, grants=grants or everything)
        before = {oid: self.known[oid] for oid in changes.touched if oid in self.known}
        after = {oid: relation for oid, relation in changes.touched.items() if relation is not None}
        rest = everything or changes.rest_written or changes.counts != self._counts or _any_renamed(before, after)
        self._counts = changes.counts
        delta = self._reread(changes.touched, rest=rest)
        if not rest and any(_renames_columns(*orders) for orders in delta.order.values()):
            delta = delta.then(self._reread({}, rest=True))
        for oid in changes.touched:
            self.known.pop(oid, None)
        self.known.update(after)
        if rest and not everything and _may_rename(delta):
            delta = delta.then(self.refresh((), everything=True).delta)
        return Refresh(delta, before, after)

    def fingerprint(self) -> SchemaFingerprint:
        """The fingerprint as tracked."""
        order = {name: tuple(json.loads(text)) for group in self._orders.values() for name, text in group.items()}
        return SchemaFingerprint(_merge(self._groups.values()), order)

    def verify(self) -> SchemaFingerprint:
        """A full fingerprint, read now.

        Raises:
            DrillError: it differs from the tracked one.
        """
        full = schema_fingerprint(self._conn, ignore_tables=self._ignored)
        wrong = full.diff(self.fingerprint())
        if wrong:
            raise DrillError(
                "the schema was not tracked correctly from step to step",
                cause="\n".join(wrong.lines()),
                fix="report this as a bug: the proofs of the revisions are not reliable",
            )
        return full

    def definition(self, oid: int) -> frozenset[tuple[str, str]]:
        """All entries of one relation, which identify its definition; types in it are counted by ``rest_changes``."""
        return frozenset(self._groups.get(oid, {}).items())

    def _probe_changes(self, locked: Collection[int], *, grants: bool) -> _Changes:
        """Ask the server what was written since the last time, and remember this time."""
        arguments = (oid_array(locked), f"'{self._since}'::xid", str(grants))
        (rows,) = read_prepared(self._conn, [(self._probe, arguments)])
        touched: dict[int, Relation | None] = {}
        counts, rest_written = "", False
        for what, oid, name, kind, filenode in rows:
            if what == "since":
                self._since = name
            elif what == "rest":
                counts, rest_written = name, kind == "true"
            else:
                touched[int(oid)] = Relation(name, kind, int(filenode)) if name is not None else None
        return _Changes(touched, counts, rest_written)

    def _reread(self, touched: Mapping[int, Relation | None], *, rest: bool) -> SchemaChange:
        """Replace the entries of these relations and of the rest; the change."""
        groups = set(touched) | ({_REST} if rest else set())
        old, old_order = self._gather(groups)
        queries: list[tuple[PreparedQuery, tuple[str, ...]]] = []
        self.rest_changes += rest
        alive = [oid for oid, relation in touched.items() if relation is not None]
        if alive:
            queries.append((self._relations, (oid_array(alive),)))
        if rest:
            queries.append((self._rest, ()))
        for oid in groups:
            self._groups.pop(oid, None)
            self._orders.pop(oid, None)
        for (prepared, _), rows in zip(queries, read_prepared(self._conn, queries), strict=True):
            for row in rows:
                self._put(int(row[3]) if prepared is self._relations else _REST, *row[:3])
        new, new_order = self._gather(groups)
        return SchemaChange(_changes(old, new), _changes(old_order, new_order))

    def _put(self, group: int, kind: str, name: str, definition: str) -> None:
        if kind == _ORDER:
            self._orders.setdefault(group, {})[name] = definition
            return
        entries, key = self._groups.setdefault(group, {}), f"{kind} {name}"
        entries[key] = definition if key not in entries else "\n".join(sorted((entries[key], definition)))

    def _gather(self, groups: Iterable[int]) -> tuple[dict[str, str], dict[str, str]]:
        chosen = list(groups)
        return (
            _merge(self._groups[oid] for oid in chosen if oid in self._groups),
            _merge(self._orders[oid] for oid in chosen if oid in self._orders),
        )


def _any_renamed(before: Mapping[int, Relation], after: Mapping[int, Relation]) -> bool:
    """Whether a relation was renamed: the rest of the catalogue may mention its name."""
    return any(oid in before and before[oid].name != relation.name for oid, relation in after.items())


def _merge(groups: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """As in the full fingerprint, two objects under one key must not hide each other."""
    merged: dict[str, str] = {}
    for group in groups:
        for key, text in group.items():
            merged[key] = text if key not in merged else "\n".join(sorted((merged[key], text)))
    return merged


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    return {key: (old.get(key), new.get(key)) for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def _compose(
    first: Mapping[str, tuple[str | None, str | None]], second: Mapping[str, tuple[str | None, str | None]]
) -> dict[str, tuple[str | None, str | None]]:
    both = {key: (before, second.get(key, (None, after))[1]) for key, (before, after) in first.items()}
    both |= {key: change for key, change in second.items() if key not in first}
    return {key: (before, after) for key, (before, after) in both.items() if before != after}


def _may_rename(delta: SchemaChange) -> bool:
    """Whether a schema, type, function or similar may have been renamed: definitions of relations mention its name."""
    named = ("schema ", "enum ", "domain ", "type ", "function ", "collation ", "operator ")
    removed = any(now is None for key, (_, now) in delta.objects.items() if key.startswith(named))
    added = any(was is None for key, (was, _) in delta.objects.items() if key.startswith(named))
    return removed and added


def _renames_columns(was: str | None, now: str | None) -> bool:
    if was is None or now is None:
        return False
    before, after = set(json.loads(was)), set(json.loads(now))
    return bool(before - after) and bool(after - before)

"""The definitions of a database's tables, re-read only where a step changed them."""

from __future__ import annotations

from collections.abc import Sequence

from rollback_drills.migrations.reversibility.generate.catalogue import Catalogue, CatalogueTable
from rollback_drills.postgres import Connection
from rollback_drills.postgres.relations import VERSION_TABLE
from rollback_drills.postgres.schema.tracker import Refresh, Relation, SchemaTracker

_DOMAIN_CONSTRAINT = "domain constraint "


class TrackedTables:
    """Every ordinary and partitioned table but alembic's own, ``by_name`` (qualified and quoted).

    Args:
        bookkeeping: names of alembic's own tables, in every schema, or as ``schema.name``.
    """

    def __init__(self, conn: Connection, schema: SchemaTracker, bookkeeping: Sequence[str] = (VERSION_TABLE,)) -> None:
        self._schema, self._bookkeeping = schema, bookkeeping
        self._catalogue = Catalogue(conn)
        self.by_name: dict[str, CatalogueTable] = {}
        self._cache: dict[tuple[object, ...], CatalogueTable] = {}
        self._cached_under = 0  # the tracker's rest_changes for which the cache holds

    def read_all(self) -> None:
        """Read every table again."""
        oids = [oid for oid, relation in self._schema.known.items() if relation.holds_rows]
        found = self._catalogue.tables(oids)
        self.by_name = {name: table for name, table in found.items() if not self._is_bookkeeping(name)}

    def update(self, refresh: Refresh) -> None:
        """Take over what a step did to tables."""
        for relation in refresh.before.values():
            self.by_name.pop(relation.name, None)
        unknown = []
        for oid, relation in refresh.after.items():
            if relation.kind == "r" and not self._is_bookkeeping(relation.name):
                table = self._cache.get(self._definition(oid, relation))  # a downgrade restores a known definition
                if table is None:
                    unknown.append(oid)
                else:
                    self.by_name[relation.name] = table
            elif relation.kind == "p":  # never cached: its partitions are part of its definition
                unknown.append(oid)
        self.by_name |= self._catalogue.tables(unknown)
        for oid in unknown:
            relation = refresh.after[oid]
            if relation.name in self.by_name and relation.kind == "r":
                self._cache[self._definition(oid, relation)] = self.by_name[relation.name]

    def with_changed_types(self, refresh: Refresh) -> set[str]:
        """Re-read the tables with a column whose ENUM, domain or type changed, which locks no table; their names."""
        changed = {name for key in refresh.delta.objects if (name := _type_in(key))}
        found = {
            table.name
            for table in self.by_name.values()
            if any(name in column.type.signature for column in table.columns for name in changed)
        }
        self.by_name |= self._catalogue.tables(
            [oid for oid, relation in self._schema.known.items() if relation.name in found]
        )
        return found

    def _is_bookkeeping(self, table: str) -> bool:
        plain = table.replace('"', "")
        return plain in self._bookkeeping or plain.rpartition(".")[2] in self._bookkeeping

    def _definition(self, oid: int, relation: Relation) -> tuple[object, ...]:
        """Identifies a table as defined now. Types are tracked with the rest of the schema, which empties the cache."""
        if self._schema.rest_changes != self._cached_under:
            self._cache, self._cached_under = {}, self._schema.rest_changes
        return oid, relation.name, self._schema.definition(oid)


def _type_in(key: str) -> str:
    """The type that a key of the schema fingerprint is about; empty for other objects."""
    if key.startswith(_DOMAIN_CONSTRAINT):
        return key.removeprefix(_DOMAIN_CONSTRAINT).rpartition(".")[0]
    kind, _, name = key.partition(" ")
    return name if kind in ("enum", "domain", "type") else ""

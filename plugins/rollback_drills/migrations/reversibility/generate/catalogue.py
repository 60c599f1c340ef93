"""What tables demand of their rows, read from the catalogue: columns, types and constraints."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollback_drills.postgres import Connection
from rollback_drills.postgres.schema.prepared import PreparedQuery, oid_array, read_prepared

FIRST_NORMAL_OID = 16384


@dataclass(frozen=True, slots=True)
class Type:
    """A type, and all that decides which values it accepts. ``name`` is qualified, without the modifier."""

    oid: int
    name: str
    kind: str  # pg_type.typtype
    labels: tuple[str, ...] = ()
    inner: Type | None = None  # an array's element, a domain's base, a range's subtype
    modifier: int = -1  # a domain's
    checks: tuple[str, ...] = ()
    not_null: bool = False
    is_array: bool = False
    attributes: tuple[tuple[Type, int], ...] = ()  # a composite's

    @property
    def signature(self) -> str:
        inner = f"[{self.inner.signature}]" if self.inner else ""
        attributes = ",".join(f"{kind.signature}{modifier}" for kind, modifier in self.attributes)
        return f"{self.name}{self.kind}{inner}{self.modifier}{self.labels}{self.checks}{self.is_array}({attributes})"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    modifier: int
    type_text: str  # with its modifier
    not_null: bool
    has_default: bool
    identity: bool
    generated: bool


@dataclass(frozen=True, slots=True)
class ForeignKey:
    name: str
    columns: tuple[str, ...]
    table: str
    referred: tuple[str, ...]
    deferrable: bool


@dataclass(frozen=True, slots=True)
class CheckConstraint:
    name: str
    columns: tuple[str, ...]
    expression: str


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """One table. ``key`` is the primary key.

    ``unique`` holds the columns of each unique constraint and index, ``excludes`` those of each exclusion constraint.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    unique: tuple[tuple[str, ...], ...]
    excludes: tuple[tuple[str, ...], ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[CheckConstraint, ...]
    partitioned: bool = False
    partition: bool = False
    bounds: tuple[str, ...] = ()  # of its partitions, as FOR VALUES …

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


_TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname),
  (SELECT coalesce(json_agg(json_build_array(a.attname, a.atttypid::bigint, a.atttypmod,
      format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef, a.attidentity <> '', a.attgenerated <> '')
      ORDER BY a.attnum), '[]')
   FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
  (SELECT coalesce(json_agg(json_build_array(k.contype, k.conname,
      (SELECT array_agg(a.attname ORDER BY p.n) FROM unnest(k.conkey) WITH ORDINALITY AS p (num, n)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.num),
      CASE k.contype WHEN 'c' THEN pg_get_expr(k.conbin, k.conrelid)
        WHEN 'f' THEN (SELECT quote_ident(fn.nspname) || '.' || quote_ident(f.relname) FROM pg_class f
          JOIN pg_namespace fn ON fn.oid = f.relnamespace WHERE f.oid = k.confrelid) END,
      (SELECT array_agg(a.attname ORDER BY p.n) FROM unnest(k.confkey) WITH ORDINALITY AS p (num, n)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.num),
      k.condeferrable) ORDER BY k.conname), '[]')
   FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'f', 'p', 'u', 'x')),
  (SELECT coalesce(json_agg((SELECT coalesce(json_agg(a.attname), '[]') FROM unnest(i.indkey[0:i.indnkeyatts - 1])
        AS num JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = num)), '[]')
   FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique),
  c.relkind = 'p', c.relispartition,
  (SELECT coalesce(json_agg(pg_get_expr(p.relpartbound, p.oid)), '[]') FROM pg_inherits h
   JOIN pg_class p ON p.oid = h.inhrelid AND p.relispartition WHERE h.inhparent = c.oid AND c.relkind = 'p'),
  (SELECT coalesce(json_agg(pg_get_partition_constraintdef(p.relid)), '[]')
   FROM pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) p WHERE p.isleaf AND p.relid <> c.oid),
  (SELECT coalesce(json_agg(json_build_array(a.attname, pg_get_expr(d.adbin, d.adrelid))), '[]')
   FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND a.attnotnull AND NOT a.attisdropped)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.oid = ANY ($1) ORDER BY 1"""

_TYPES = """
SELECT t.oid::bigint, quote_ident(n.nspname) || '.' || quote_ident(t.typname), t.typtype::text,
  (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
  coalesce(nullif(t.typbasetype, 0), (SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = t.oid), %s,
    CASE WHEN t.typcategory = 'A' THEN nullif(t.typelem, 0) END)::bigint,
  t.typtypmod, t.typnotnull, t.typcategory = 'A',
  (SELECT array_agg(pg_get_expr(k.conbin, 0) ORDER BY k.conname) FROM pg_constraint k
   WHERE k.contypid = t.oid AND k.contype = 'c'),
  (SELECT json_agg(json_build_array(a.atttypid::bigint, a.atttypmod) ORDER BY a.attnum) FROM pg_attribute a
   WHERE a.attrelid = t.typrelid AND t.typtype = 'c' AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = ANY ($1)"""
_MULTIRANGE = "(SELECT r.rngtypid FROM pg_range r WHERE r.rngmultitypid = t.oid)"


class Catalogue:
    """Reads tables; built-in types are read once."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._rows: dict[int, tuple[Any, ...]] = {}
        multirange = _MULTIRANGE if conn.info.server_version >= 140000 else "NULL"
        self._tables = PreparedQuery("tables", "oid[]", _TABLES)
        self._types = PreparedQuery("types", "oid[]", _TYPES % multirange)

    def tables(self, oids: Collection[int]) -> dict[str, CatalogueTable]:
        """The ordinary and partitioned tables among these relations, by qualified, quoted name."""
        if not oids:
            return {}
        (rows,) = read_prepared(self._conn, [(self._tables, [oid_array(oids)])])
        self._rows = {oid: row for oid, row in self._rows.items() if oid < FIRST_NORMAL_OID}
        self._read_types({int(column[1]) for row in rows for column in row[1]})
        return {row[0]: self._table(*row) for row in rows}

    def _read_types(self, oids: set[int]) -> None:
        wanted = {oid for oid in oids if oid not in self._rows}
        while wanted:
            (rows,) = read_prepared(self._conn, [(self._types, [oid_array(wanted)])])
            self._rows.update({int(row[0]): row for row in rows})
            inner = {int(row[4]) for row in rows if row[4]}
            inner |= {int(oid) for row in rows for oid, _ in row[9] or ()}
            wanted = inner - self._rows.keys()

    def _type(self, oid: int) -> Type:
        _, name, kind, labels, inner, modifier, not_null, is_array, checks, attributes = self._rows[oid]
        return Type(
            oid,
            name,
            kind,
            tuple(labels or ()),
            self._type(int(inner)) if inner else None,
            modifier,
            tuple(checks or ()),
            not_null,
            is_array,
            tuple((self._type(int(each)), mod) for each, mod in attributes or ()),
        )

    def _table(
        self,
        name: str,
        columns: Any,
        constraints: Any,
        indexes: Any,
        partitioned: bool,
        partition: bool,
        bounds: Any,
        partitions: Any,
        generated: Any,
    ) -> CatalogueTable:
        by_kind: Mapping[str, list[Any]] = {kind: [] for kind in "cfpux"}
        for constraint in constraints:
            by_kind[constraint[0]].append(constraint)
        return CatalogueTable(
            name=name,
            columns=tuple(
                Column(column, self._type(int(oid)), modifier, text, not_null, default, identity, generated)
                for column, oid, modifier, text, not_null, default, identity, generated in columns
            ),
            key=tuple(by_kind["p"][0][2]) if by_kind["p"] else (),
            unique=tuple(dict.fromkeys(tuple(sorted(names)) for names in indexes if names)),
            excludes=tuple(tuple(each[2] or ()) for each in by_kind["x"]),
            foreign_keys=tuple(
                ForeignKey(each[1], tuple(each[2]), each[3], tuple(each[4]), each[5]) for each in by_kind["f"]
            ),
            checks=(
                *(CheckConstraint(each[1], tuple(each[2] or ()), each[3]) for each in by_kind["c"]),
                *_implied([column[0] for column in columns], partitions, generated),
            ),
            partitioned=partitioned,
            partition=partition,
            bounds=tuple(bounds),
        )


def _implied(columns: Sequence[str], partitions: Sequence[str | None], generated: Any) -> Iterator[CheckConstraint]:
    """What a row must satisfy besides its CHECKs: a partition takes it, and no NOT NULL column is generated as NULL."""
    bounds = [each for each in partitions if each is not None]
    if bounds and len(bounds) == len(partitions):
        expression = " OR ".join(f"({each})" for each in bounds)
        yield CheckConstraint("partitions", _named_in(expression, columns), expression)
    for name, expression in generated:
        used = _named_in(expression, [each for each in columns if each != name])
        if used:
            yield CheckConstraint(f"generated {name}", used, f"({expression}) IS NOT NULL")


def _named_in(expression: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that an expression names, as pg_get_expr() prints it; a word in a literal names none."""
    words = set(re.findall(r'"[^"]+"|\w+', re.sub(r"'(?:[^']|'')*'", "", expression)))
    return tuple(name for name in columns if {name, f'"{name}"'} & words)

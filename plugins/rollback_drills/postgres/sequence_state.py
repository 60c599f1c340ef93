"""The state of sequences relative to the rows that they number: after a restore that rewinds one, inserts fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from rollback_drills.postgres.connection import Connection, Row, quote_literal, read_pinned


@dataclass(frozen=True, slots=True)
class SequenceState:
    """A sequence and the integer columns that it numbers.

    ``last_value`` and ``is_called`` are the sequence's own (manual: "Sequence Manipulation Functions"). ``owned_by`` is
    the column whose removal removes the sequence; ``columns`` includes those whose default calls nextval on it.
    ``minimum`` and ``maximum`` are of the values in all ``columns``, ``None`` without rows.
    """

    last_value: int
    is_called: bool
    increment: int
    owned_by: str | None
    columns: tuple[str, ...]
    minimum: int | None
    maximum: int | None

    @property
    def next_value(self) -> int:
        """What nextval returns next, unless the range is exhausted."""
        return self.last_value + self.increment if self.is_called else self.last_value

    @property
    def behind(self) -> bool:
        """Whether nextval will return numbers that rows already have: the next one lies within their range."""
        if self.increment > 0:
            return self.maximum is not None and self.next_value <= self.maximum
        return self.minimum is not None and self.next_value >= self.minimum


# A sequence "owned by" a column depends on it (deptype a, or i for an identity); a default that calls nextval depends
# on the sequence (manual: "pg_depend"). Domains over integers count as integers.
_CATALOGUE = """SELECT s.seqrelid::regclass::text, s.seqincrement, u.tab, u.col, u.owned,
  coalesce(nullif(t.typbasetype, 0), t.oid) IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
FROM pg_sequence s
JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
LEFT JOIN LATERAL (
  SELECT d.refobjid::regclass::text AS tab, quote_ident(a.attname) AS col, true AS owned, a.atttypid
    FROM pg_depend d
  JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.refclassid = 'pg_class'::regclass
    AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
  UNION
  SELECT f.adrelid::regclass::text, quote_ident(a.attname), false, a.atttypid FROM pg_depend d
  JOIN pg_attrdef f ON f.oid = d.objid
  JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
  JOIN pg_class r ON r.oid = f.adrelid AND r.relkind IN ('r', 'p')
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = s.seqrelid AND d.classid = 'pg_attrdef'::regclass
) u ON true
LEFT JOIN pg_type t ON t.oid = u.atttypid
WHERE NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid AND d.deptype = 'e')
ORDER BY 1, 3, 4"""


def sequences(conn: Connection) -> Mapping[str, SequenceState]:
    """The state of every sequence in user schemas, by qualified and quoted name.

    Takes two round trips, one for the catalogue and one for all values; the latter scans numbered columns without an
    index. Inheritance children and partitions count with their parent.

    Raises:
        psycopg.Error: a query fails.
    """
    (rows,) = read_pinned(conn, [_CATALOGUE])
    used: dict[str, list[Row]] = {}
    for row in rows:
        used.setdefault(row[0], []).append(row)
    if not used:
        return MappingProxyType({})
    statements = [" UNION ALL ".join(_values(name, uses) for name, uses in used.items())]
    (values,) = read_pinned(conn, statements)
    return MappingProxyType({name: _state(used[name], *rest) for name, *rest in values})


def _values(name: str, uses: Sequence[Row]) -> str:
    numbered = sorted({(tab, col) for _, _, tab, col, _, integer in uses if integer})

    def extreme(function: str) -> str:
        each = [f"(SELECT {function}({col})::int8 FROM {tab})" for tab, col in numbered]
        chooser = "least" if function == "min" else "greatest"
        return f"{chooser}({', '.join(each)})" if each else "NULL::int8"

    return f"SELECT {quote_literal(name)}, last_value, is_called, {extreme('min')}, {extreme('max')} FROM {name}"


def _state(
    uses: Sequence[Row], last_value: int, is_called: bool, minimum: int | None, maximum: int | None
) -> SequenceState:
    names = [(f"{tab}.{col}", owned) for _, _, tab, col, owned, _ in uses if tab is not None]
    return SequenceState(
        last_value=last_value,
        is_called=is_called,
        increment=uses[0][1],
        owned_by=next((name for name, owned in names if owned), None),
        columns=tuple(sorted({name for name, _ in names})),
        minimum=minimum,
        maximum=maximum,
    )

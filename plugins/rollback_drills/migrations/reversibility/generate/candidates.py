"""The values that a table's CHECK constraints allow, column by column and for columns that a CHECK ties together.

The server evaluates the constraints: candidates are filtered by queries, not by an interpretation of the expressions.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Sequence

import psycopg

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable, Column, Type
from rollback_drills.migrations.reversibility.generate.rows import InsertPlan, Value, ValuesByColumn, literal
from rollback_drills.migrations.reversibility.generate.values import hinted, pool
from rollback_drills.postgres import Connection, quote_ident, quote_literal

_MAX_COMBINATIONS = 400  # of values that are tried for a CHECK over several columns
_NULL_POSITION = 2  # of NULL among the candidates of a column that allows it
_OPERATOR = re.compile(r"OPERATOR\((?:\"[^\"]+\"|\w+)\.([^)\s]+)\)")
_KEY = re.compile(r"->>?\s*'([^']+)'")
_PATH = re.compile(r"#>>?\s*'\{([^}']+)\}'")
_UUIDS = tuple(f"0d5ad2c3-7f0b-4b1c-9d6e-{number:012d}" for number in (1, 2, 3))
_INTEGER_BITS = {"int2": 15, "int4": 31, "int8": 63}


class CandidateFinder:
    """Asks the server which values are allowed; the answers are cached."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._allowed_values: dict[tuple[str, str], tuple[str, ...]] = {}

    def plan(self, table: CatalogueTable, hints: Sequence[str], inserted: int) -> InsertPlan:
        """The plan for a table into which ``inserted`` rows were inserted before.

        Args:
            hints: expressions whose literals are candidates too.
        """
        expressions = [check.expression for check in table.checks]
        suggested = (*hinted(map(_plain, (*expressions, *table.bounds, *hints))), *_documents(expressions))
        single: ValuesByColumn = {}
        for column in table.columns:
            checks = [check.expression for check in table.checks if check.columns == (column.name,)]
            single[column.name] = self._candidates(column, checks, suggested)
        joint = [(names, self._combinations(table, names, checks, single)) for names, checks in _joint_checks(table)]
        return InsertPlan(table, single, joint, inserted)

    def _candidates(self, column: Column, checks: Sequence[str], hints: Sequence[str]) -> tuple[Value, ...]:
        values = [*pool(column.type, column.modifier), *(hint for hint in hints if _may_be(column.type, hint))]
        domain = column.type if column.type.kind == "d" else None
        if domain is not None and domain.checks:
            base = domain.inner.name if domain.inner else "text"
            values = [*self._allowed(base, "value", domain.checks, [*values, *hinted(map(_plain, domain.checks))])]
        if checks:
            values = [*self._allowed(column.type_text, column.name, checks, values)]
        found: list[Value] = list(dict.fromkeys(values))
        if not column.not_null and not (domain is not None and domain.not_null):
            found.insert(_NULL_POSITION, None)
        return tuple(found) or (None,)

    def _allowed(self, type_text: str, name: str, checks: Sequence[str], values: Sequence[str]) -> tuple[str, ...]:
        """Those values for which no check is false."""
        condition = _condition(checks)
        key = (f"{type_text} {name} {condition}", "\0".join(values))
        if key not in self._allowed_values:
            accepted = self._evaluate(type_text, name, condition, values)
            if accepted is None:  # one value raises an error: evaluate each by itself
                single = (self._evaluate(type_text, name, condition, [value]) for value in values)
                accepted = list(itertools.chain.from_iterable(each or [] for each in single))
            self._allowed_values[key] = tuple(accepted)
        return self._allowed_values[key]

    def _evaluate(self, type_text: str, name: str, condition: str, values: Sequence[str]) -> list[str] | None:
        """Those values for which the condition holds; None where it raises an error."""
        rows = ", ".join(f"({number}, {quote_literal(value)})" for number, value in enumerate(values))
        inner = f"SELECT number, text::{type_text} AS {quote_ident(name)} FROM (VALUES {rows}) AS v (number, text)"
        query = f"SELECT number FROM ({inner} OFFSET 0) AS candidates WHERE {condition} ORDER BY 1"
        try:
            return [values[number] for (number,) in self._conn.execute(query.encode())]
        except psycopg.Error:
            return None

    def _combinations(
        self, table: CatalogueTable, names: tuple[str, ...], checks: Sequence[str], single: ValuesByColumn
    ) -> list[tuple[Value, ...]]:
        """Combinations of these columns' candidates for which no check is false; none where a check raises an error."""
        per_column = max(2, int(_MAX_COMBINATIONS ** (1 / len(names))))
        literals = hinted(checks)
        choices = [_spread(_wanted_first(single[name], literals), per_column) for name in names]
        rows = list(itertools.product(*choices))[: 4 * _MAX_COMBINATIONS]
        values = ", ".join(
            "(" + ", ".join([str(number), *(literal(value) for value in row)]) + ")" for number, row in enumerate(rows)
        )
        typed = ", ".join(
            f"c{n}::text::{table.column(name).type_text} AS {quote_ident(name)}" for n, name in enumerate(names)
        )
        head = ", ".join(["number", *(f"c{n}" for n in range(len(names)))])
        query = (
            f"SELECT number FROM (SELECT number, {typed} FROM (VALUES {values}) AS v ({head}) OFFSET 0) AS candidates"
            f" WHERE {_condition(checks)} ORDER BY 1 LIMIT 60"
        )
        try:
            return [rows[number] for (number,) in self._conn.execute(query.encode())]
        except psycopg.Error:
            return []


def _condition(checks: Sequence[str]) -> str:
    return " AND ".join(f"({check}) IS NOT FALSE" for check in checks)


def _joint_checks(table: CatalogueTable) -> list[tuple[tuple[str, ...], list[str]]]:
    """Groups of columns that CHECK constraints tie together, with all checks over each group."""
    groups: list[set[str]] = []
    for check in table.checks:
        if len(check.columns) > 1:
            tied = [group for group in groups if group & set(check.columns)]
            groups = [group for group in groups if group not in tied]
            groups.append(set(check.columns).union(*tied))
    return [
        (
            tuple(name for name in table.names if name in group),
            [check.expression for check in table.checks if set(check.columns) <= group and check.columns],
        )
        for group in groups
    ]


def _may_be(kind: Type, hint: str) -> bool:
    """Whether a hint may be a value of the type; any hint may be a text."""
    name = kind.name.rpartition(".")[2].strip('"')  # quote_ident() quotes varchar, timestamp and other keywords
    if kind.kind in ("e", "c", "r", "m") or kind.is_array:
        return False
    if name in ("json", "jsonb"):
        return hint.startswith("{")
    if name in _INTEGER_BITS:
        return hint.lstrip("-").isdigit() and abs(int(hint)) < 2 ** _INTEGER_BITS[name]
    if name in ("numeric", "float4", "float8"):
        return hint.lstrip("-").replace(".", "", 1).isdigit()
    if name in ("date", "timestamp", "timestamptz"):
        return hint[:4].isdigit() and hint[4:5] == "-"
    return name in ("text", "varchar", "bpchar", "citext") or kind.kind == "d"


def _plain(expression: str) -> str:
    """An expression without the qualification of its operators, which types of extensions have."""
    return _OPERATOR.sub(r"\1", expression)


def _documents(expressions: Sequence[str]) -> tuple[str, ...]:
    """JSON objects with the keys that an expression reads, side by side and within each other."""
    found = []
    for expression in expressions:
        keys = _KEY.findall(_plain(expression))
        keys += [key for path in _PATH.findall(expression) for key in path.split(",")]
        if keys:
            nested: object = "1"
            for key in reversed(keys):
                nested = {key: nested}
            found += [json.dumps(dict.fromkeys(keys, value)) for value in ("1", 1, "a", True, "2024-01-02")]
            found.append(json.dumps(nested))
            found += [json.dumps(dict.fromkeys(keys, each)) for each in _UUIDS]  # last: they are the plainest of ids
    return tuple(found)


def _wanted_first(values: Sequence[Value], wanted: Collection[str]) -> list[Value]:
    """The same values, NULL and the wanted ones first."""
    return sorted(values, key=lambda value: value is not None and value not in wanted)


def _spread(values: Sequence[Value], count: int) -> list[Value]:
    """``count`` of the values: from the beginning, the middle and the end."""
    if len(values) <= count:
        return list(values)
    head = count - count // 2
    step = max(1, (len(values) - head) // max(1, count // 2))
    return [*values[:head], *values[head::step]][:count]

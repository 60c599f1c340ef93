"""The values of generated rows, chosen from a plan; the n-th row of a plan is the same in every run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rollback_drills.migrations.reversibility.generate.catalogue import CatalogueTable, Column, ForeignKey
from rollback_drills.migrations.reversibility.generate.values import unused
from rollback_drills.postgres import quote_ident, quote_literal

ATTEMPTS = 14  # for one row, each with other values
_PLAIN_ATTEMPTS = 4  # the last of them, with the last candidates, which are the plainest
_FEW_VALUES = 4  # a CHECK that allows fewer lists them all: an invented one is not among them
_ODD_ROW = 1  # number of the row with values that no other table has

Value = str | None
ValuesByColumn = dict[str, tuple[Value, ...]]


@dataclass(frozen=True)
class InsertPlan:
    """Candidates for each column, and for the columns of joint CHECK constraints; ``inserted`` rows came before."""

    table: CatalogueTable
    single: ValuesByColumn
    joint: list[tuple[tuple[str, ...], list[tuple[Value, ...]]]]
    inserted: int = 0

    @cached_property
    def unique_alone(self) -> set[str]:
        """Columns whose values have to differ from row to row."""
        constraints = (*self.table.unique, *self.table.excludes)
        return {names[0] for names in constraints if len(names) == 1}

    @cached_property
    def unique_together(self) -> set[str]:
        """Columns of any UNIQUE or EXCLUDE constraint."""
        return {name for names in (*self.table.unique, *self.table.excludes) for name in names}

    def is_checked(self, column: Column) -> bool:
        return any(column.name in check.columns for check in self.table.checks)


def row_of(plan: InsertPlan, number: int, attempt: int) -> dict[str, str]:
    """SQL for each column of row ``number``; the columns that are left out take their defaults."""
    row = {
        column.name: _value(plan, column, position, number, attempt)
        for position, column in enumerate(plan.table.columns)
        if not _takes_default(plan, column, number, attempt)
    }
    for names, combinations in plan.joint:
        if combinations:
            chosen = combinations[(number * 7 + attempt) % len(combinations)]
            row |= {name: literal(value) for name, value in zip(names, chosen, strict=True) if name in row}
    for key in plan.table.foreign_keys:
        _refer(plan.table, key, row, plan.inserted + number, attempt)
    return row


def literal(value: Value) -> str:
    return "NULL" if value is None else quote_literal(value)


def _takes_default(plan: InsertPlan, column: Column, number: int, attempt: int) -> bool:
    """Generated columns always; a key with a default unless a CHECK refused it; others in one row of four."""
    if column.generated or column.identity:
        return True
    if not column.has_default:
        return False
    if column.name in plan.table.key and not (attempt and plan.is_checked(column)):
        return True
    return (number + attempt) % 4 == 3 and column.name not in plan.unique_alone


def _value(plan: InsertPlan, column: Column, position: int, number: int, attempt: int) -> str:
    candidates = plan.single[column.name]
    if column.name in plan.unique_alone or (attempt and column.name in plan.unique_together):
        return literal(_distinct_value(plan, column, plan.inserted + number + attempt))
    if number == _ODD_ROW and not attempt and (odd := _odd_value(plan, column, position)) is not None:
        return literal(odd)
    if attempt >= ATTEMPTS - _PLAIN_ATTEMPTS:
        return literal(candidates[-1 - (attempt % _PLAIN_ATTEMPTS) % len(candidates)])
    # Each attempt shifts the columns against each other.
    return literal(candidates[(number + attempt * (position + 1)) % len(candidates)])


def _odd_value(plan: InsertPlan, column: Column, position: int) -> Value:
    """A value that no other table has, in case the column was a reference in another schema; None: not possible."""
    tied = any(column.name in names for names, _ in plan.joint)
    if tied or column.type.checks or plan.is_checked(column):
        return None
    value = unused(column.type, 900 + position)
    length = column.modifier - 4 if column.modifier >= 4 else 99
    return value if value is not None and len(value) <= length and column.modifier < 65536 else None


def _distinct_value(plan: InsertPlan, column: Column, number: int) -> Value:
    """Another value for each number, as long as the candidates and the type have one."""
    values = [value for value in plan.single[column.name] if value is not None]
    if number < len(values):
        return values[number]
    listed = plan.is_checked(column) and 0 < len(values) < _FEW_VALUES
    invented = None if column.type.checks or listed else unused(column.type, number)
    if invented is not None:
        return invented
    return values[number % len(values)] if values else None


def _refer(table: CatalogueTable, key: ForeignKey, row: dict[str, str], number: int, attempt: int) -> None:
    """Let the row refer to an existing one, or to none in one row of four where NULL is allowed."""
    nullable = any(not table.column(name).not_null for name in key.columns)
    to_itself = key.table == table.name
    if nullable and (to_itself or (number + attempt) % 4 == 3):
        row |= {name: "NULL" for name in key.columns if not table.column(name).not_null}
        return
    if to_itself and all(name in row for name in key.referred):
        row |= {name: row[referred] for name, referred in zip(key.columns, key.referred, strict=True)}
        return
    order = ", ".join(quote_ident(name) for name in key.referred)
    for name, referred in zip(key.columns, key.referred, strict=True):
        existing = f"SELECT {quote_ident(referred)} FROM {key.table} WHERE ({order}) IS NOT NULL ORDER BY {order}"
        count = f"SELECT greatest(count(*), 1) FROM {key.table}"
        row[name] = f"({existing} LIMIT 1 OFFSET {number + attempt} % ({count}))"

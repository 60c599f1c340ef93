"""What became of the data, relation by relation: every check that compares tables, as one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.evidence.model import Check, DrillEvidence
from rollback_drills.report.text import one_line
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.values import brief


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Rows of one table as they should be and as they are; ``change`` says in words what differs."""

    check: str
    name: str
    expected: str
    observed: str
    change: str
    same: bool


@dataclass(frozen=True, slots=True)
class Integrity:
    """The relations that were compared, those that differ first."""

    relations: tuple[TableComparison, ...]
    more: int
    differ: int


def integrity(drill: DrillEvidence, limits: Limits) -> Integrity | None:
    """What became of the data of a drill; None where none of its checks compares tables."""
    relations = [row for step in drill.steps for check in step.checks for row in _relations(step.number, check, limits)]
    if not relations:
        return None
    relations.sort(key=lambda row: row.same)
    differ = sum(not row.same for row in relations)
    return Integrity(tuple(relations[: limits.rows]), max(0, len(relations) - limits.rows), differ)


def _relations(step: int, check: Check, limits: Limits) -> Iterator[TableComparison]:
    """The rows of a check that compares tables: both sides map relation to an object with ``rows``."""
    expected, observed = check.expected, check.observed
    title = f"step {step}: {one_line(check.title, limits.line)}"
    if isinstance(observed, dict) and isinstance(tables := observed.get("tables"), list):
        yield from (row for table in tables if (row := _changed_table(title, table, limits)))
        return
    if not (isinstance(expected, dict) and isinstance(observed, dict)):
        return
    both = {**observed, **expected}
    if not both or not all(isinstance(value, dict) and "rows" in value for value in both.values()):
        return
    for name in both:
        before, after = expected.get(name), observed.get(name)
        change = _change(_count(before), _count(after)) if before != after else "same"
        yield TableComparison(
            title, one_line(name, limits.line), rows_of(before), rows_of(after), change, same=before == after
        )


def _changed_table(title: str, table: JsonValue, limits: Limits) -> TableComparison | None:
    """A table of a data difference: ``table``, ``rows_before``, ``rows_after``."""
    if not isinstance(table, dict) or not {"table", "rows_before", "rows_after"} <= table.keys():
        return None
    before, after = (
        "(absent)" if rows is None else f"{brief(rows, 40)} rows"
        for rows in (table["rows_before"], table["rows_after"])
    )
    counts = [value if isinstance(value, int) else None for value in (table["rows_before"], table["rows_after"])]
    return TableComparison(
        title, one_line(brief(table["table"], limits.line)), before, after, _change(*counts), same=False
    )


def _count(value: JsonValue) -> int | None:
    return rows if isinstance(value, dict) and isinstance(rows := value.get("rows"), int) else None


def _change(before: int | None, after: int | None) -> str:
    if before is None or after is None:
        return "only on one side"
    if before == after:
        return "different content"
    number = abs(before - after)
    return f"{number:,} {'row' if number == 1 else 'rows'} {'gone' if after < before else 'more'}"


def rows_of(value: JsonValue) -> str:
    """``120 rows, 5f2c…``: the count and whatever else the fingerprint of a relation says."""
    if not isinstance(value, dict):
        return "(absent)"
    rows = value["rows"]
    number = f"{rows:,} rows" if isinstance(rows, int) else f"{brief(rows, 40)} rows"
    rest = [_abridged(brief(item, 60)) for key, item in value.items() if key != "rows"]
    return ", ".join([number, *rest])


def _abridged(text: str) -> str:
    """The first characters of a fingerprint: enough for a person to compare, the rest is in evidence.json."""
    return text if len(text) <= 14 else text[:12] + "…"

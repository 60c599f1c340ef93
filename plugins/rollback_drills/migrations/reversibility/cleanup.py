"""The statements that drop what an interrupted step left behind; each is tried before an operator sees it."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_drills.postgres import SchemaDiff

# In the order of dropping; kinds that are not listed are dropped with one that is.
_DROPS = {
    "trigger": "DROP TRIGGER IF EXISTS {last} ON {rest}",
    "policy": "DROP POLICY IF EXISTS {last} ON {rest}",
    "rule": "DROP RULE IF EXISTS {last} ON {rest}",
    "view": "DROP VIEW IF EXISTS {name}",
    "materialized view": "DROP MATERIALIZED VIEW IF EXISTS {name}",
    "constraint": "ALTER TABLE {rest} DROP CONSTRAINT IF EXISTS {last}",
    "index": "DROP INDEX IF EXISTS {name}",
    "column": "ALTER TABLE {rest} DROP COLUMN IF EXISTS {last}",
    "publication": "DROP PUBLICATION IF EXISTS {name}",
    "domain constraint": "ALTER DOMAIN {rest} DROP CONSTRAINT IF EXISTS {last}",
    "table": "DROP TABLE IF EXISTS {name}",
    "sequence": "DROP SEQUENCE IF EXISTS {name}",
    "function": "DROP FUNCTION IF EXISTS {name}",
    "procedure": "DROP PROCEDURE IF EXISTS {name}",
    "domain": "DROP DOMAIN IF EXISTS {name}",
    "enum": "DROP TYPE IF EXISTS {name}",
    "type": "DROP TYPE IF EXISTS {name}",
    "statistics": "DROP STATISTICS IF EXISTS {name}",
    "extension": "DROP EXTENSION IF EXISTS {name}",
    "schema": "DROP SCHEMA IF EXISTS {name}",
}


def clean_up(diff: SchemaDiff) -> tuple[str, ...]:
    """A statement that drops each object left over; none where the schema differs in other ways too."""
    if diff.missing or diff.changed:
        return ()
    left = {entry.key for entry in diff.left_over}
    tables = {key.removeprefix("table ") for key in left if key.startswith("table ")}
    return tuple(_statements(left, tables))


def _statements(left: set[str], tables: set[str]) -> Iterator[str]:
    for kind, template in _DROPS.items():
        for key in sorted(left):
            if not key.startswith(f"{kind} "):
                continue
            name = key.removeprefix(f"{kind} ")
            rest, _, last = name.rpartition(".")
            if kind != "table" and (rest in tables or f"constraint {rest}" in left):
                continue  # dropped with its table
            if kind == "index" and any(each.startswith("constraint ") and each.endswith(f".{last}") for each in left):
                continue  # dropped with its constraint
            yield template.format(name=name, rest=rest, last=last)

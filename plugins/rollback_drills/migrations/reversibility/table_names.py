"""Table names as the text of a statement or script mentions them."""

from __future__ import annotations

import re

from rollback_drills.migrations.walker.client import StepOutcome

_INSERTS = re.compile(r"(?i)\b(?:insert\s+into|copy|merge\s+into)\s+(?:only\s+)?([\w.\"]+)")


def unqualified(table: str) -> str:
    """Without schema and quotes, in lower case: a statement may name a table in any of these forms."""
    return table.rpartition(".")[2].strip('"').lower()


def tables_filled_by(outcome: StepOutcome) -> set[str]:
    """Unqualified names of the tables that the step's own statements insert into."""
    return {unqualified(name) for statement in outcome.statements for name in _INSERTS.findall(statement.sql)}


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def is_named(table: str, words: set[str]) -> bool:
    """Whether a text of these words names the table; outside of the schema public, the schema has to be named too."""
    schema, _, name = table.rpartition(".")
    return name.strip('"') in words and (schema == "public" or schema.strip('"') in words)

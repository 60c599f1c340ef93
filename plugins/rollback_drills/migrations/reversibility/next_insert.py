"""Whether the next insert meets a row that is there: a sequence that was made anew begins at 1."""

from __future__ import annotations

import re

from rollback_drills.postgres import Connection, quote_literal, sequences
from rollback_drills.postgres.connection import read_pinned

_NAME = r'(?:"(?:[^"]|"")+"|[^".]+)'
_COLUMN = re.compile(rf"(?P<table>{_NAME}(?:\.{_NAME})?)\.(?P<column>{_NAME})")
# Sequences of identities, and those that a default calls; one that a column merely owns numbers nothing.
_USED = """SELECT d.objid::regclass::text, d.refobjid::regclass::text || '.' || quote_ident(a.attname) FROM pg_depend d
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i' AND d.refobjsubid > 0
UNION SELECT d.refobjid::regclass::text, f.adrelid::regclass::text || '.' || quote_ident(a.attname) FROM pg_depend d
JOIN pg_attrdef f ON f.oid = d.objid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass"""
# A table that is created, or filled with its own keys, may number its rows from 1 though the script names no sequence.
MAY_MOVE = re.compile(
    r"(?i)sequence|serial|identity|setval|nextval|restart|rename|autoincrement|server_default"
    r"|create_?\s*table|bulk_insert|insert\s+into|\binsert\("
)


def colliding_columns(conn: Connection) -> dict[str, str]:
    """Columns of which a row has the value that their sequence gives next, each with a sentence.

    Raises:
        psycopg.Error: a query fails.
    """
    (used,) = read_pinned(conn, [_USED])
    numbered = {(str(sequence), str(column)) for sequence, column in used}
    checks, said = [], {}
    for name, state in sequences(conn).items():
        for column in state.columns:
            place = _COLUMN.fullmatch(column)
            if place is None or (name, column) not in numbered:
                continue
            exists = f"SELECT FROM {place['table']} WHERE {place['column']} = {state.next_value}"
            checks.append(f"SELECT {quote_literal(column)} WHERE EXISTS ({exists})")
            said[column] = (
                f"{name} gives {state.next_value} next, which a row of {column} has; the greatest is {state.maximum}"
            )
    if not checks:
        return {}
    (found,) = read_pinned(conn, [" UNION ALL ".join(checks)])
    return {str(column): said[str(column)] for (column,) in found}

"""The rows of a database as a multiset of hashes: shows whether rows were lost, even where others were added.

The hashes are those of the data fingerprint. They are kept in a file, and compared by the server: a million rows take
34 MB of a temporary file, and no memory.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final

from rollback_drills.postgres.connection import Connection, pin, pinned, quote_literal
from rollback_drills.postgres.data import SEEDS, sources_of, unreadable
from rollback_drills.postgres.large_objects import COLUMNS, LARGE_OBJECTS, has_large_objects
from rollback_drills.postgres.relations import VERSION_TABLE, columns

_IN_MEMORY: Final = 256 * 1024  # bytes of hashes that are not worth a file
_AT_ONCE: Final = 100  # tables in one statement, which the planner can still take
_BLOCK: Final = 1024 * 1024  # bytes sent to the server at once
_KEPT: Final = "pg_temp.rollback_drills_rows"


@dataclass(frozen=True, slots=True)
class MissingRows:
    """What a database lacks of a `RowSet`.

    Attributes:
        rows: by table, how many rows are gone or changed; without the tables that lack none.
        incomparable: by table, the columns over which its rows were read and that it has no longer.
    """

    rows: Mapping[str, int]
    incomparable: Mapping[str, tuple[str, ...]]


class RowSet:
    """The rows of each table, at one moment.

    Attributes:
        columns: by table, the columns over which its rows were read.
        counts: by table, the number of its rows.
    """

    def __init__(self, read: Mapping[str, tuple[str, ...]], counts: Mapping[str, int], groups: list[IO[bytes]]) -> None:
        self.columns, self.counts, self._groups = read, counts, groups
        weakref.finalize(self, _close, groups)

    def missing_from(self, conn: Connection) -> MissingRows:
        """What a database lacks; a changed row counts as missing, and further rows do not matter.

        Args:
            conn: a superuser's autocommit connection, outside a transaction.

        Raises:
            DrillError: the rows cannot be read.
        """
        found = _all_columns(conn, ())
        incomparable = {
            table: lacking
            for table, names in self.columns.items()
            if table in found and (lacking := tuple(name for name in names if name not in found[table]))
        }
        rows: dict[str, int] = {}
        for tables, kept in zip(_grouped(self.columns), self._groups, strict=True):
            compared = {name: names for name, names in tables.items() if name not in incomparable}
            if any(self.counts[name] for name in compared):
                here = {name for name in compared if name in found}
                rows |= _missing(conn, compared, here, list(tables), kept)
        return MissingRows(rows, incomparable)


def row_hashes(
    conn: Connection,
    tables: Mapping[str, Sequence[str]] | None = None,
    *,
    ignore_tables: Sequence[str] = (VERSION_TABLE,),
) -> RowSet:
    """The rows of each table, and the large objects where there are any.

    Args:
        tables: what to read, as `all_columns` returns it; by default everything but ``ignore_tables``.

    Raises:
        DrillError: a table or column does not exist or may not be read.
    """
    given = _all_columns(conn, ignore_tables) if tables is None else tables
    wanted = {table: tuple(sorted(names)) for table, names in given.items()}
    counts: dict[str, int] = {}
    groups: list[IO[bytes]] = []
    with ExitStack() as on_error, unreadable(), pinned(conn), conn.cursor() as cursor:
        on_error.callback(_close, groups)
        for group in _grouped(wanted):
            counting = [f"SELECT {quote_literal(name)}, count(*) FROM {each}" for name, each in _counted(group).items()]
            counts |= dict(cursor.execute(" UNION ALL ".join(counting).encode()).fetchall())
            kept: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the RowSet
            groups.append(kept)
            with cursor.copy(f"COPY ({_hashes(group, list(group))}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
                for block in copy:
                    kept.write(block)
        on_error.pop_all()
    return RowSet(wanted, counts, groups)


def all_columns(conn: Connection) -> dict[str, tuple[str, ...]]:
    """As `columns`, and the large objects where there are any."""
    return _all_columns(conn, (VERSION_TABLE,))


def _all_columns(conn: Connection, ignore_tables: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found = columns(conn, ignore_tables=ignore_tables)
    return {**found, LARGE_OBJECTS: COLUMNS} if has_large_objects(conn) else found


def _missing(
    conn: Connection,
    compared: Mapping[str, tuple[str, ...]],
    here: set[str],
    order: Sequence[str],
    kept: IO[bytes],
) -> dict[str, int]:
    """By table, the rows that were kept and are no longer there. The server compares, and keeps nothing of it."""
    now = _hashes({name: names for name, names in compared.items() if name in here}, order)
    numbers = ", ".join(str(order.index(name)) for name in compared)
    with unreadable(), conn.transaction(force_rollback=True), conn.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE {_KEPT} (number int, one bigint, two bigint)".encode())
        kept.seek(0)
        with cursor.copy(f"COPY {_KEPT} FROM STDIN (FORMAT BINARY)".encode()) as copy:
            while block := kept.read(_BLOCK):
                copy.write(block)
        pin(conn)
        before = f"SELECT number, one, two FROM {_KEPT} WHERE number IN ({numbers})"
        rows = cursor.execute(
            f"SELECT number, count(*) FROM ({before} EXCEPT ALL ({now})) AS missing GROUP BY number".encode()
        ).fetchall()
    return {order[number]: count for number, count in sorted(rows)}


def _hashes(tables: Mapping[str, Sequence[str]], order: Sequence[str]) -> str:
    """SQL: the number of the table and the two hashes of each row; no row where there is no table."""
    one, two = SEEDS
    selects = [
        f"SELECT {order.index(name)}, pg_catalog.hashtextextended(t, {one}), pg_catalog.hashtextextended(t, {two})"
        f" FROM ({source}) AS rows_of"
        for name, source in sources_of(tables).items()
    ]
    return " UNION ALL ".join(selects) or "SELECT 0, 0::bigint, 0::bigint WHERE false"


def _close(files: list[IO[bytes]]) -> None:
    for file in files:
        file.close()


def _counted(tables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {name: "pg_catalog.pg_largeobject_metadata" if name == LARGE_OBJECTS else f"ONLY {name}" for name in tables}


def _grouped(tables: Mapping[str, tuple[str, ...]]) -> list[dict[str, tuple[str, ...]]]:
    source = iter(tables.items())
    groups = []
    while group := dict(islice(source, _AT_ONCE)):
        groups.append(group)
    return groups

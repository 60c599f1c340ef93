"""The rows of a migrated database: seeded, remembered, pruned and cleared."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping

import psycopg

from rollback_drills.migrations.reversibility.generate.seeder import Seeded, Seeder
from rollback_drills.migrations.reversibility.row_edits import insert_rows
from rollback_drills.migrations.reversibility.snapshots import Snapshot, read_snapshots
from rollback_drills.migrations.reversibility.table_names import is_named, unqualified, words_of
from rollback_drills.migrations.reversibility.tracked_tables import TrackedTables
from rollback_drills.postgres import Connection
from rollback_drills.postgres.schema.tracker import SchemaTracker

FEW_TABLES = 20  # up to this many are all seeded, whether or not a script names them
MAX_ROWS = 60  # a table with more rows is pruned


class SeededRows:
    """What the tables hold: ``known`` is the last snapshot, ``seeded`` whether generated rows were ever inserted.

    Args:
        max_compared: rows of one table that a snapshot reads.
    """

    def __init__(self, conn: Connection, tables: TrackedTables, schema: SchemaTracker, max_compared: int) -> None:
        self._conn, self._tables, self._schema, self._max_compared = conn, tables, schema, max_compared
        self._seeder = Seeder(conn)
        self.known: dict[str, Snapshot] = {}
        self.seeded = False
        self._unseeded: set[str] = set()

    def reset(self) -> None:
        """Forget what was known and read every table; none counts as seeded."""
        self.known, self._unseeded = {}, set(self._tables.by_name)
        self.remember(self._tables.by_name)

    # --- reading -----------------------------------------------------------------------------------------

    def snapshot(self, names: Iterable[str]) -> dict[str, Snapshot]:
        """The rows of these tables, as far as they exist."""
        tables = self._tables.by_name
        existing = [tables[name] for name in sorted(set(names) & tables.keys())]
        return read_snapshots(self._conn, existing, self._max_compared)

    def remember(self, names: Collection[str]) -> dict[str, Snapshot]:
        """A snapshot that replaces what is known of these tables; dropped tables are forgotten."""
        taken = self.snapshot(names)
        for name in names:
            self.known.pop(name, None)
        self.known |= taken
        return taken

    def with_parents(self, names: Collection[str]) -> set[str]:
        """These tables, and all that they refer to."""
        tables = self._tables.by_name
        found, new = set(names), set(names)
        while new:
            new = {key.table for name in new for key in tables[name].foreign_keys if key.table in tables} - found
            found |= new
        return found

    def with_children(self, name: str) -> set[str]:
        """The table, and all whose rows may go or change with its rows."""
        found, new = {name}, {name}
        while new:
            referring = (
                table.name
                for table in self._tables.by_name.values()
                if any(key.table in new for key in table.foreign_keys)
            )
            new = set(referring) - found
            found |= new
        return found

    # --- writing -----------------------------------------------------------------------------------------

    def seed(self, names: Collection[str], *, hints: Iterable[str] = ()) -> Seeded:
        """Add generated rows to these tables, and to empty ones that they refer to."""
        tables = self._tables.by_name
        wanted = set(names) & tables.keys()
        needed = self.with_parents(wanted)
        empty = {name for name in needed - wanted if not self.known.get(name) or not self.known[name].rows}
        if not needed:
            return Seeded()
        self.seeded = True
        return self._seeder.seed({name: tables[name] for name in sorted(needed)}, hints=hints, only=wanted | empty)

    def seed_new_tables(self, source: str) -> None:
        """Seed the tables that a script's source names and that were not seeded since `reset` or `clear`."""
        words = words_of(source)
        few = len(self._unseeded) <= FEW_TABLES
        wanted = {name for name in self._unseeded if few or is_named(name, words)} & self._tables.by_name.keys()
        self._unseeded -= wanted
        if wanted:
            self.seed(wanted)
            self.remember(self.with_parents(wanted))

    def prune(self, names: Iterable[str], filled: Collection[str], *, hints: Iterable[str] = ()) -> None:
        """Replace the rows of tables above `MAX_ROWS` by a few new ones, unless a foreign key forbids it.

        Args:
            filled: unqualified names of tables that migrations filled; they are left as they are.
        """
        for name in sorted(name for name in names if unqualified(name) not in filled):
            known = self.known.get(name)
            if known is None or len(known.rows) <= MAX_ROWS:
                continue
            with contextlib.suppress(psycopg.Error):
                self._conn.execute(f"DELETE FROM {name}".encode())
                self.seed([name], hints=hints)
                self.remember(self.with_children(name))

    def may_clear(self, names: Iterable[str], filled: Collection[str]) -> bool:
        """Whether clearing these tables removes generated rows only, and none that a migration inserted."""
        cleared = {each for name in names if name in self._tables.by_name for each in self.with_children(name)}
        return not any(unqualified(name) in filled for name in cleared)

    def clear(self, names: Iterable[str]) -> None:
        """Empty these tables and all that refer to them; they are seeded again when a revision names them."""
        existing = sorted(name for name in names if name in self._tables.by_name)
        if not existing:
            return
        self._conn.execute(f"TRUNCATE {', '.join(existing)} CASCADE".encode())
        self._schema.refresh(())  # TRUNCATE gave them new files: the next step must not be blamed for a rewrite
        taken = self.remember(self._tables.by_name)
        self._unseeded |= {name for name, snapshot in taken.items() if not snapshot.rows}

    def load(self, snapshots: Mapping[str, Snapshot]) -> None:
        """Replace the rows of each table that has the columns of its snapshot."""
        for name, snapshot in snapshots.items():
            table = self._tables.by_name.get(name)
            if table is not None and table.names == snapshot.columns and not table.partitioned:
                insert_rows(self._conn, table, snapshot.rows, replace=True)

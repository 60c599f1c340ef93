"""One database under a walk: the walker moves it, and everything that looks at it or writes rows is here."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import psycopg

from rollback_drills.migrations.reversibility import rows
from rollback_drills.migrations.reversibility.environment import MigrationEnvironment
from rollback_drills.migrations.reversibility.generate.catalogue import (
    Catalogue,
    CatalogueTable,
)
from rollback_drills.migrations.reversibility.generate.rows import Seeded, Seeder
from rollback_drills.migrations.reversibility.row_edits import insert_rows
from rollback_drills.migrations.reversibility.rows import Snapshot
from rollback_drills.migrations.walker.client import Walked
from rollback_drills.postgres import connect
from rollback_drills.postgres.schema.tracker import (
    Refresh,
    Relation,
    SchemaTracker,
)

_READING = frozenset({"AccessShareLock", "RowShareLock"})
_GRANTS = ("grant", "revoke", "do $", "do '", "select ", "call ", "alter default", "reassign")
FEW = 20  # tables that are all given rows, whether or not a script names them
_FILLING = re.compile(r"(?i)\b(?:insert\s+into|copy|merge\s+into)\s+(?:only\s+)?([\w.\"]+)")
MAX_ROWS = 60  # rows of a table from which on older ones make room


@dataclass(frozen=True)
class Moved:
    """A step and what it has done: ``before`` are all relations as they were, ``touched`` tables by name."""

    walked: Walked
    refresh: Refresh
    touched: frozenset[str]


class MigratedDatabase:
    """A database with its walker, its schema followed, and its rows.

    ``seeded`` says whether rows of ours have been put into it.

    Args:
        database: one that is there already; by default a new one.
        most_rows: of a table that are compared.
    """

    def __init__(
        self,
        ground: MigrationEnvironment,
        *,
        database: str | None = None,
        data: bool = True,
        most_rows: int = rows.MOST_ROWS,
    ) -> None:
        self._ground, self.data, self.seeded = ground, data, False
        self._most_rows = most_rows
        self._new = database is None
        self.database = database or ground.create()
        try:
            self.walker = ground.walker(self.database)
        except BaseException:
            ground.drop(self.database)
            raise
        url = ground.url(self.database)
        self.conn = connect(url)
        self._schema_conn = connect(url)
        self.schema = SchemaTracker(self._schema_conn)
        self._catalogue = Catalogue(self.conn)
        self._seeder = Seeder(self.conn)
        self.tables: dict[str, CatalogueTable] = {}
        self.rows: dict[str, Snapshot] = {}
        self._unfurnished: set[str] = set()
        self._read: dict[tuple[object, ...], CatalogueTable] = {}
        self._read_under = 0
        if self.schema.known:  # there is a baseline
            self.resync()

    def close(self) -> None:
        self.release()
        self._ground.drop(self.database)

    def release(self) -> None:
        """Leave the database as it is, with nobody connected."""
        with contextlib.suppress(psycopg.Error):
            self.conn.close()
            self._schema_conn.close()
        self.walker.close()

    def enter(self) -> None:
        """Let env.py make what it makes before any revision, which would be the first one's doing otherwise.

        Raises:
            StackError: env.py fails.
        """
        if self._new and not self.walker.entered:
            self.walker.enter()
            self.resync()

    # --- steps -----------------------------------------------------------------------------------------

    def move(self, direction: str, revision: str, *, fail_at: int | None = None, within: bool = False) -> Moved:
        """One step, and what it has changed.

        Raises:
            StackError: the walker has ended.
        """
        self.enter()
        step = self.walker.upgrade if direction == "upgrade" else self.walker.downgrade
        walked = step(revision, fail_at=fail_at, within=within)
        return self.look(walked)

    def look(self, walked: Walked, *, everything: bool = False) -> Moved:
        """See what a step has done; all of it is read again where its locks are not known."""
        unseen = everything or not walked.in_one_transaction
        known: Mapping[int, Relation] = dict(self.schema.known) if unseen else self.schema.known
        grants = any(statement.sql[:20].lower().lstrip().startswith(_GRANTS) for statement in walked.statements)
        locked = walked.locked
        before = {oid: known[oid] for oid in locked if oid in known}
        refresh = self.schema.refresh(locked, grants=grants, everything=unseen)
        touched = self._touched(walked, refresh, before, unseen)
        if self.data:
            self._update_tables(refresh)
            touched |= self._of_changed_types(refresh)
        return Moved(walked, refresh, frozenset(touched))

    def _touched(self, walked: Walked, refresh: Refresh, before: Mapping[int, Relation], unseen: bool) -> set[str]:
        strong = {
            oid for statement in walked.statements for oid, modes in statement.locks.items()
            if not _READING.issuperset(modes)
        }  # fmt: skip
        relations = [each.get(oid) for oid in strong for each in (before, refresh.after)]
        if unseen:  # outside a transaction locks are gone before they could be read: take the statements' own words
            words = _words(" ".join(statement.sql for statement in walked.statements))
            both = (*self.schema.known.values(), *refresh.before.values())
            relations += [relation for relation in both if _named(relation.name, words)]
        return {relation.name for relation in relations if relation is not None and relation.kind in ("r", "p")}

    def _update_tables(self, refresh: Refresh) -> None:
        for relation in refresh.before.values():
            self.tables.pop(relation.name, None)
        unknown = []
        for oid, relation in refresh.after.items():
            if relation.kind == "r" and not relation.name.endswith(".alembic_version"):
                table = self._read.get(self._version(oid, relation))  # a downgrade leads back to what was read before
                if table is None:
                    unknown.append(oid)
                else:
                    self.tables[relation.name] = table
            elif relation.kind == "p":  # its partitions are part of it
                unknown.append(oid)
        self.tables |= self._catalogue.tables(unknown)
        for oid in unknown:
            relation = refresh.after[oid]
            if relation.name in self.tables and relation.kind == "r":
                self._read[self._version(oid, relation)] = self.tables[relation.name]

    def _version(self, oid: int, relation: Relation) -> tuple[object, ...]:
        """Names a table as it is now. Types are no part of its definition: they belong to the rest of the schema."""
        if self.schema.rest_changes != self._read_under:
            self._read, self._read_under = {}, self.schema.rest_changes
        return oid, relation.name, self.schema.definition(oid)

    def _of_changed_types(self, refresh: Refresh) -> set[str]:
        """Tables with a column whose ENUM or domain has changed: that locks no table."""
        changed = {
            key.partition(" ")[2].partition("." if key.startswith("domain constraint") else "\0")[0]
            for key in refresh.delta.objects if key.startswith(("enum ", "domain ", "type "))
        }  # fmt: skip
        if not changed:
            return set()
        names = {
            key.partition(" ")[2] for key in refresh.delta.objects if key.startswith(("enum ", "domain ", "type "))
        }
        found = {
            name for name, table in self.tables.items()
            if any(type_name in column.type.signature for column in table.columns for type_name in names)
        }  # fmt: skip
        oids = [oid for oid, relation in self.schema.known.items() if relation.name in found]
        self.tables |= self._catalogue.tables(oids)
        return found

    def resync(self) -> None:
        """Look at everything anew, after steps that were not followed; no table has been given rows by us."""
        self.schema.refresh((), everything=True)
        if self.data:
            self.tables, self.rows = {}, {}
            oids = [oid for oid, relation in self.schema.known.items() if relation.kind in ("r", "p")]
            self.tables = {
                name: table for name, table in self._catalogue.tables(oids).items()
                if not name.endswith(".alembic_version")
            }  # fmt: skip
            self._unfurnished = set(self.tables)
            self.remember(self.tables)

    def seed_new_tables(self, source: str) -> None:
        """Give rows to the tables that a script names and that have none of ours, after `resync` or `clear`."""
        if self.data and self._unfurnished:
            words = _words(source)
            few = len(self._unfurnished) <= FEW
            wanted = {name for name in self._unfurnished if few or _named(name, words)} & self.tables.keys()
            self._unfurnished -= wanted
            if wanted:
                self.seed(wanted)
                self.remember(self.with_parents(wanted))

    def sweep(self, commands: Iterable[str]) -> bool:
        """Execute a clean-up, as an operator would; whether there was one and it succeeded."""
        done = False
        for command in commands:
            try:
                self.conn.execute(command.encode())
            except psycopg.Error:
                return False
            done = True
        self.schema.refresh((), everything=True)
        return done

    # --- rows ------------------------------------------------------------------------------------------

    def seed(self, names: Collection[str], *, hints: Iterable[str] = ()) -> Seeded:
        """Add rows to these tables, and to those they refer to where these are empty."""
        wanted = {name for name in names if name in self.tables}
        needed = self.with_parents(wanted)
        empty = {name for name in needed - wanted if not self.rows.get(name) or not self.rows[name].rows}
        tables = {name: self.tables[name] for name in sorted(needed)}
        self.seeded = self.seeded or bool(tables)
        return self._seeder.seed(tables, hints=hints, only=wanted | empty) if tables else Seeded()

    def with_parents(self, names: Collection[str]) -> set[str]:
        """These tables, and those they refer to."""
        found, new = set(names), set(names)
        while new:
            new = {
                key.table for name in new for key in self.tables[name].foreign_keys if key.table in self.tables
            } - found
            found |= new
        return found

    def snapshot(self, names: Iterable[str]) -> dict[str, Snapshot]:
        """The rows of those of these tables that exist."""
        wanted = [self.tables[name] for name in sorted(set(names)) if name in self.tables]
        return rows.take(self.conn, wanted, self._most_rows)

    def remember(self, names: Collection[str]) -> dict[str, Snapshot]:
        """`snapshot`, kept as what the tables hold; tables that are gone are forgotten."""
        taken = self.snapshot(names)
        for name in names:
            self.rows.pop(name, None)
        self.rows |= taken
        return taken

    def prune(self, names: Iterable[str], filled: Collection[str], *, hints: Iterable[str] = ()) -> None:
        """Replace the rows of crowded tables by a few new ones, as far as nothing refers to them.

        Args:
            filled: tables whose rows are not ours alone; they are left as they are.
        """
        for name in sorted(name for name in names if plain_name(name) not in filled):
            known = self.rows.get(name)
            if known is None or len(known.rows) <= MAX_ROWS:
                continue
            with contextlib.suppress(psycopg.Error):
                self.conn.execute(f"DELETE FROM {name}".encode())
                self.seed([name], hints=hints)
                self.remember(self._referring(name))

    def only_ours(self, names: Iterable[str], filled: Collection[str]) -> bool:
        """Whether clearing these tables takes no row away that a migration has put there."""
        going = {each for name in names if name in self.tables for each in self._referring(name)}
        return not any(plain_name(name) in filled for name in going)

    def _referring(self, name: str) -> set[str]:
        """The table, and those whose rows may go or change with its rows."""
        found, new = {name}, {name}
        while new:
            new = {
                each.name for each in self.tables.values() if any(key.table in new for key in each.foreign_keys)
            } - found
            found |= new
        return found

    def clear(self, names: Iterable[str]) -> frozenset[str]:
        """Empty these tables and whatever refers to them; which have been emptied."""
        there = sorted(name for name in names if name in self.tables)
        if not there:
            return frozenset()
        self.conn.execute(f"TRUNCATE {', '.join(there)} CASCADE".encode())
        self.schema.refresh(())  # their rows lie elsewhere now: not the next step's doing
        emptied = {name for name, snapshot in self.remember(self.tables).items() if not snapshot.rows}
        self._unfurnished |= emptied  # so that the next revision that names them finds rows in them
        return frozenset(emptied)

    def load(self, held: Mapping[str, Snapshot]) -> None:
        """Make these the rows of the tables that have the same columns, after `resync`."""
        for name, snapshot in held.items():
            table = self.tables.get(name)
            if table is not None and table.names == snapshot.columns and not table.partitioned:
                insert_rows(self.conn, table, snapshot.rows, instead=True)


def plain_name(table: str) -> str:
    """Without its schema and quotes, to tell tables that a statement may mean from those that it does not."""
    return table.rpartition(".")[2].strip('"').lower()


def tables_filled_by(walked: Walked) -> set[str]:
    """Tables, without their schema, that the step's own statements put rows into."""
    return {
        plain_name(name)
        for statement in walked.statements for name in _FILLING.findall(statement.sql)
    }  # fmt: skip


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def _named(table: str, words: set[str]) -> bool:
    """Whether a text names the table; one outside of the schema public by its schema as well."""
    schema, _, name = table.rpartition(".")
    return name.strip('"') in words and (schema == "public" or schema.strip('"') in words)

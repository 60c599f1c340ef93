"""The database under drill, seen from outside the gateway: its schema, its rows, and its copies."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from typing import Any

import psycopg

from rollback_drills import postgres
from rollback_drills.core.errors import StackError
from rollback_drills.postgres import (
    Connection,
    DataFingerprint,
    MissingRows,
    RowSet,
    SchemaFingerprint,
    SequenceState,
    Written,
    with_account,
    with_database,
)
from rollback_drills.postgres.connection import SEARCH_PATH

Row = tuple[Any, ...]
_copies = count(1)


class LiveDatabase:
    """A database of this run. One without the run's marker is refused.

    Keeps one connection open between queries, and closes it before the database is cloned, renamed or dropped.

    Args:
        admin_url: libpq URL of a superuser on the same server.
        role: the gateway's account, which owns the database.
        run: the marker of this run's databases.
        volatile: tables and columns (``schema.table``, ``schema.table.column``) that `rows` ignores.

    Attributes:
        search_path: of the suite's own sessions, in which SQL of the target file runs. A clone inherits it; what a
            migration sets later does not reach these sessions.
    """

    def __init__(
        self, admin_url: str, name: str, *, role: str, password: str, run: str, volatile: Collection[str] = ()
    ) -> None:
        self._admin_url, self._role, self._password, self._run = admin_url, role, password, run
        self.name, self._volatile = name, volatile
        self.search_path = SEARCH_PATH
        self._connection: Connection | None = None

    @property
    def url(self) -> str:
        """libpq URL with the gateway's account, which is no superuser."""
        return with_account(self.admin_url, self._role, self._password)

    @property
    def admin_url(self) -> str:
        """libpq URL with the superuser's account, for backups and catalogue queries."""
        return with_database(self._admin_url, self.name)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A superuser's autocommit connection.

        Keeping one connection avoids re-planning the catalogue queries (80 ms).

        Raises:
            DrillError: the database does not answer, or belongs to another run.
        """
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if not _alive(connection):
                connection.close()
                connection = self._open()
        else:
            connection = self._open()
        try:
            yield connection
        except psycopg.OperationalError as error:
            raise self._explained(error, connection) from None
        finally:
            if self._connection is None and not connection.closed:
                self._connection = connection
            else:
                connection.close()

    def _explained(self, error: psycopg.OperationalError, connection: Connection) -> Exception:
        """A StackError, without a traceback, for what the server or the machine has caused; else the error itself."""
        if isinstance(error, psycopg.errors.DiskFull):
            return StackError(
                f"the disk is full: {self.name} cannot be written",
                cause=str(error).strip(),
                fix="free some space where the drills' databases are (TMPDIR; /dev/shm where that is not set)",
            )
        if connection.broken:
            return StackError(
                f"the connection to the database {self.name} was lost",
                cause=str(error).strip(),
                fix="see whether something other than the drill ended PostgreSQL or the session",
            )
        return error

    def disconnect(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        connection = postgres.connect(self.admin_url, search_path=self.search_path)
        if not postgres.check_marker(connection, self._run):
            connection.close()
            raise _foreign(self.name)
        return connection

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        with self.connect() as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def execute(self, sql: str) -> None:
        """Run statements in one transaction."""
        with self.connect() as connection, connection.transaction():
            connection.execute(sql.encode())

    def execute_as_owner(self, sql: str) -> None:
        """Run statements in one transaction with the gateway's account, which owns what they create."""
        self.disconnect()
        with postgres.connect(self.url) as connection, connection.transaction():
            connection.execute(sql.encode())

    def execute_each(self, script: str) -> None:
        """Run statements one by one and outside a transaction, as CONCURRENTLY requires; splits the script at ``;``."""
        with self.connect() as connection:
            for statement in filter(None, (part.strip() for part in script.split(";"))):
                connection.execute(statement.encode())

    def revisions(self) -> tuple[str, ...]:
        """The rows of the version tables of all schemas, sorted; empty at ``base`` and where no table exists yet."""
        with self.connect() as connection:
            rows = [
                row
                for table in postgres.version_tables(connection)
                for row in connection.execute(f"SELECT version_num FROM {table}".encode())
            ]
        return tuple(sorted(str(row[0]) for row in rows))

    def revision(self) -> str:
        """The revision, or ``base``. Several heads are joined by a comma."""
        return ", ".join(self.revisions()) or "base"

    def schema(self) -> SchemaFingerprint:
        with self.connect() as connection:
            return postgres.schema_fingerprint(connection)

    def columns(self) -> Mapping[str, Sequence[str]]:
        with self.connect() as connection:
            return postgres.all_columns(connection)

    def data(self) -> DataFingerprint:
        with self.connect() as connection:
            return postgres.data_fingerprint(connection)

    def rows(self, only: Mapping[str, Sequence[str]] | None = None) -> RowSet:
        """A hash of every row, without the volatile columns, to prove that none is missing.

        Args:
            only: the columns that another schema has; tables and columns that it lacks are left out.
        """
        with self.connect() as connection:
            here = postgres.all_columns(connection)
            shared = here if only is None else postgres.common_columns(here, only)
            return postgres.row_hashes(connection, tables=postgres.without(shared, self._volatile))

    def differing_columns(self, now: LiveDatabase, tables: Collection[str]) -> frozenset[str]:
        """The columns, volatile ones left out, whose values in rows of this database differ in another one.

        As `rollback_drills.postgres.changed_columns` has it; ``tables`` are those that may differ.
        """
        with self.connect() as before, now.connect() as after:
            shared = postgres.common_columns(postgres.all_columns(before), postgres.all_columns(after))
            wanted = {table: shared[table] for table in tables if table in shared}
            return postgres.changed_columns(before, after, postgres.without(wanted, self._volatile))

    def missing(self, before: RowSet) -> MissingRows:
        """The rows of ``before`` that are gone or changed."""
        with self.connect() as connection:
            return before.missing_from(connection)

    def learn_search_path(self) -> None:
        """Take over what the gateway's role or this database sets, as the gateway's own sessions have it."""
        with postgres.connect(self.url, search_path=None) as connection:
            row = connection.execute(b"SELECT pg_catalog.current_setting('search_path')").fetchone()
        self.disconnect()
        self.search_path = str(row[0]) if row else SEARCH_PATH

    def moment(self) -> int:
        """This moment, for `written_since`."""
        with self.connect() as connection:
            return postgres.moment(connection)

    def written_since(self, moment: int) -> Written:
        """The rows that were written since, by anybody, without the volatile tables and columns."""
        with self.connect() as connection:
            return postgres.written_since(connection, moment, ignore=self._volatile)

    def sequences(self) -> Mapping[str, SequenceState]:
        with self.connect() as connection:
            return postgres.sequences(connection)

    def newest_row(self) -> datetime | None:
        """The latest time in any row that is not in the future; None without one."""
        with self.connect() as connection:
            return postgres.newest_row(connection)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[LiveDatabase, str]]:
        """The database at this moment, whatever is written meanwhile, and the snapshot's name for pg_dump.

        A snapshot does not cover sequences (PostgreSQL manual, "Sequence Manipulation Functions").
        """
        frozen = self._sibling(self.name)
        with self.connect() as connection:
            connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                ((name,),) = connection.execute(b"SELECT pg_export_snapshot()").fetchall()
                frozen._connection = connection
                yield frozen, str(name)
            finally:
                frozen._connection = None
                connection.execute(b"ROLLBACK")

    def clone(self, name: str | None = None) -> LiveDatabase:
        """A copy of this database. Ends the sessions in it, as CREATE DATABASE … TEMPLATE requires."""
        self.disconnect()
        copy = self._sibling(name or f"{self.name}_copy{next(_copies)}")
        with self._admin() as admin:
            self._require_marker(admin, self.name)
            postgres.create_database(admin, copy.name, template=self.name, owner=self._role, marker=self._run)
        return copy

    def create_empty(self, name: str | None = None) -> LiveDatabase:
        """A new, empty database on the same server, owned by the same role."""
        fresh = self._sibling(name or f"{self.name}_new{next(_copies)}")
        with self._admin() as admin:
            postgres.create_database(admin, fresh.name, owner=self._role, marker=self._run)
        return fresh

    def swap_with(self, live: LiveDatabase) -> LiveDatabase:
        """Take over the name of the live database, which is returned under a new name."""
        self.disconnect()
        live.disconnect()
        damaged = self._sibling(f"{live.name}_damaged{next(_copies)}")
        with self._admin() as admin:
            self._require_marker(admin, self.name)
            self._require_marker(admin, live.name)
            postgres.swap_databases(admin, live.name, self.name, aside=damaged.name)
        self.name = live.name
        return damaged

    def drop(self) -> None:
        """Drop it, if it exists and carries the run's marker."""
        self.disconnect()
        with self._admin() as admin:
            if not postgres.database_exists(admin, self.name):
                return
            if postgres.read_marker(admin, database=self.name) == self._run:
                postgres.drop_database(admin, self.name)

    def _require_marker(self, admin: Connection, name: str) -> None:
        """Cloning and renaming a database end its sessions, so they are refused for a database of another run."""
        if postgres.read_marker(admin, database=name) != self._run:
            raise _foreign(name)

    def _sibling(self, name: str) -> LiveDatabase:
        sibling = LiveDatabase(
            self._admin_url, name, role=self._role, password=self._password, run=self._run, volatile=self._volatile
        )
        sibling.search_path = self.search_path
        return sibling

    @contextmanager
    def _admin(self) -> Iterator[Connection]:
        with postgres.connect(self._admin_url) as connection:
            yield connection


def _foreign(name: str) -> StackError:
    return StackError(
        f"the database {name} does not carry the marker of this run",
        cause="it is missing, or something has replaced it",
        fix="nothing was done: the suite touches only the databases that it has created",
    )


def _alive(connection: Connection) -> bool:
    """Whether the server still answers on the connection; it may have ended the session."""
    if connection.closed:
        return False
    try:
        connection.execute(b"SELECT 1")
    except psycopg.OperationalError:
        return False
    return True

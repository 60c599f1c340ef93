"""The database under drill, seen from outside the gateway: what it is, what is in it, and copies of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import psycopg

from rollback_drills import postgres
from rollback_drills.core.errors import StackError
from rollback_drills.postgres import (
    Connection,
    DataFingerprint,
    RowSet,
    SchemaFingerprint,
    SequenceState,
    with_account,
    with_database,
)

Row = tuple[Any, ...]
_copies = count(1)


class LiveDatabase:
    """One database of this run, refused unless it carries the run's marker.

    One connection is kept between questions, and given up before the database is cloned, renamed or dropped.

    Args:
        admin_url: libpq URL of a superuser on the same server.
        role: the account that the gateway uses; it owns the database.
        volatile: tables and columns (``schema.table``, ``schema.table.column``) that `rows` leaves out.
    """

    def __init__(
        self, admin_url: str, name: str, *, role: str, password: str, run: str, volatile: Collection[str] = ()
    ) -> None:
        self._admin_url, self._role, self._password, self._run = admin_url, role, password, run
        self.name, self._volatile = name, volatile
        self._connection: Connection | None = None

    @property
    def url(self) -> str:
        """libpq URL for the gateway: its own role, not a superuser."""
        return with_account(self.admin_url, self._role, self._password)

    @property
    def admin_url(self) -> str:
        """libpq URL of the superuser, for backups and for whatever looks at the catalogue."""
        return with_database(self._admin_url, self.name)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A superuser's autocommit connection; one is kept, since planning the catalogue's queries is the dear part.

        Raises:
            DrillError: the database does not answer, or is not one of this run's.
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
        """What is the server's or the machine's fault needs no traceback; the rest is whoever's statement it was."""
        if isinstance(error, psycopg.errors.DiskFull):
            return StackError(
                f"the disk is full: {self.name} cannot be written", cause=str(error).strip(),
                fix="free some space where the drills' databases are (TMPDIR; /dev/shm where that is not set)",
            )  # fmt: skip
        if connection.broken:
            return StackError(
                f"the connection to the database {self.name} was lost", cause=str(error).strip(),
                fix="see whether PostgreSQL, or the session, was ended by something else than the drill",
            )  # fmt: skip
        return error

    def disconnect(self) -> None:
        """Give the kept connection up, before the database is copied, renamed or dropped."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        connection = postgres.connect(self.admin_url)
        if not postgres.check_marker(connection, self._run):
            connection.close()
            raise _foreign(self.name)
        return connection

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        with self.connect() as connection:
            return connection.execute(sql.encode(), parameters).fetchall()

    def execute(self, sql: str) -> None:
        """Run statements, all or none."""
        with self.connect() as connection, connection.transaction():
            connection.execute(sql.encode())

    def execute_each(self, script: str) -> None:
        """Run statements one by one outside a transaction, as CONCURRENTLY needs it; they are split at ``;``."""
        with self.connect() as connection:
            for statement in filter(None, (part.strip() for part in script.split(";"))):
                connection.execute(statement.encode())

    def revisions(self) -> tuple[str, ...]:
        """What the version table holds, in whatever schema, sorted: empty for ``base``, or where there is none yet."""
        with self.connect() as connection:
            rows = [
                row
                for table in postgres.version_tables(connection)
                for row in connection.execute(f"SELECT version_num FROM {table}".encode())
            ]
        return tuple(sorted(str(row[0]) for row in rows))

    def revision(self) -> str:
        """The one revision, or ``base``; several heads are joined by a comma."""
        return ", ".join(self.revisions()) or "base"

    def schema(self) -> SchemaFingerprint:
        with self.connect() as connection:
            return postgres.schema_fingerprint(connection)

    def columns(self) -> Mapping[str, Sequence[str]]:
        with self.connect() as connection:
            return postgres.columns(connection)

    def data(self) -> DataFingerprint:
        with self.connect() as connection:
            return postgres.data_fingerprint(connection)

    def rows(self) -> RowSet:
        """Every row as a hash over what is not volatile, to prove that none is missing."""
        with self.connect() as connection:
            lasting = {
                table: tuple(name for name in names if f"{table}.{name}" not in self._volatile)
                for table, names in postgres.columns(connection).items()
                if table not in self._volatile
            }
            return postgres.row_hashes(connection, tables=lasting)

    def sequences(self) -> Mapping[str, SequenceState]:
        with self.connect() as connection:
            return postgres.sequences(connection)

    @contextmanager
    def snapshot(self) -> Iterator[tuple[LiveDatabase, str]]:
        """This database as it is now, to be read whatever is written meanwhile, and the snapshot's name for pg_dump.

        Sequences are in no snapshot (PostgreSQL manual, "Sequence Manipulation Functions").
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
        """A copy to experiment on; sessions in this database are ended for it."""
        self.disconnect()
        copy = self._sibling(name or f"{self.name}_copy{next(_copies)}")
        with self._admin() as admin:
            self._require_mine(admin, self.name)
            postgres.create_database(admin, copy.name, template=self.name, owner=self._role, marker=self._run)
        return copy

    def create_empty(self, name: str | None = None) -> LiveDatabase:
        """A new empty database beside this one, owned by the same role."""
        fresh = self._sibling(name or f"{self.name}_new{next(_copies)}")
        with self._admin() as admin:
            postgres.create_database(admin, fresh.name, owner=self._role, marker=self._run)
        return fresh

    def swap_with(self, live: LiveDatabase) -> LiveDatabase:
        """Swap names: this database becomes the live one; what was live is returned under its new name."""
        self.disconnect()
        live.disconnect()
        damaged = self._sibling(f"{live.name}_damaged{next(_copies)}")
        with self._admin() as admin:
            self._require_mine(admin, self.name)
            self._require_mine(admin, live.name)
            postgres.swap_databases(admin, live.name, self.name, aside=damaged.name)
        self.name = live.name
        return damaged

    def drop(self) -> None:
        self.disconnect()
        with self._admin() as admin:
            if not postgres.database_exists(admin, self.name):
                return
            if postgres.read_marker(admin, database=self.name) == self._run:
                postgres.drop_database(admin, self.name)

    def _require_mine(self, admin: Connection, name: str) -> None:
        """Copying and renaming end the sessions of a database: not those of one that belongs to somebody else."""
        if postgres.read_marker(admin, database=name) != self._run:
            raise _foreign(name)

    def _sibling(self, name: str) -> LiveDatabase:
        return LiveDatabase(
            self._admin_url, name, role=self._role, password=self._password, run=self._run, volatile=self._volatile
        )

    @contextmanager
    def _admin(self) -> Iterator[Connection]:
        with postgres.connect(self._admin_url) as connection:
            yield connection


def _foreign(name: str) -> StackError:
    return StackError(
        f"the database {name} does not carry the marker of this run",
        cause="it is missing, or something else has replaced it",
        fix="the suite touches only databases that it has created; nothing was done",
    )


def _alive(connection: Connection) -> bool:
    """Whether a kept connection still leads to the server: it may have been ended from the other side."""
    if connection.closed:
        return False
    try:
        connection.execute(b"SELECT 1")
    except psycopg.OperationalError:
        return False
    return True

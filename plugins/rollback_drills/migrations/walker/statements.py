"""What one step of the walker does, statement by statement; sent before `program.py` as one text with it."""

from __future__ import annotations

import re
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Python 3.8 has no such generics; annotations are never evaluated here
    Json = dict[str, Any]

# What this transaction holds and has scanned so far. Locks of a session (advisory ones) have no relation.
LOCKS = """
SELECT txid_current_if_assigned()::text, current_setting('lock_timeout'), l.relation::bigint, l.mode,
  pg_stat_get_xact_numscans(l.relation)
FROM (SELECT) one LEFT JOIN pg_locks l ON l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND l.relation >= 16384
"""
# Statements that PostgreSQL does not run in a transaction block, or that end one; each in a block of its own otherwise.
ALONE = re.compile(
    r"\b(concurrently|vacuum|tablespace|subscription|begin|commit|rollback|abort|savepoint|call|do|discard|cluster)\b"
    r"|\b(start|prepare)\s+transaction\b|\b(create|drop|alter|reindex)\s+(database|system|schema\s+\S+\s*;?\s*$)",
    re.IGNORECASE,
)
ABORTED = "25P02"  # in_failed_sql_transaction
# The table of an index that is built in several transactions, of which the first leaves it INVALID.
BUILT_ON = re.compile(
    r"\s*create\s+(?:unique\s+)?index\s+concurrently\s.*?\bon\s+(?:only\s+)?"
    r"((?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?)",
    re.IGNORECASE | re.DOTALL,
)


class StatementRefusedError(Exception):
    """The database is not one of the run's: nothing may be executed on it."""


class InjectedFailureError(Exception):
    """The failure that was asked for, in place of a statement."""


class LockHolder:
    """What a CREATE INDEX CONCURRENTLY waits for half-way, until it is refused: another session that has written."""

    def __init__(self, connection: Any, statement: str) -> None:
        """Raise Injected where it cannot be hindered; it then fails before it begins."""
        match = BUILT_ON.match(statement)
        if match is None:
            raise InjectedFailureError("injected before: " + statement.strip()[:200])
        name = match.group(1).replace("'", "''")
        found = query(
            connection,
            "SELECT format('%I.%I', n.nspname, c.relname), current_setting('lock_timeout'), pg_backend_pid()"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE c.oid = to_regclass('{name}')",
        )
        if not found:
            raise InjectedFailureError("injected before: " + statement.strip()[:200])
        ((table, self.timeout, session),) = found
        try:
            self.other = connection.engine.connect()
        except Exception as error:
            raise InjectedFailureError("there is no second session: " + last_line(error)) from None
        try:
            if query(self.other, "SELECT pg_backend_pid()") == [(session,)]:
                raise InjectedFailureError("env.py shares one session")
            execute(self.other, "BEGIN")
            execute(self.other, "SET LOCAL lock_timeout = '5s'")
            execute(self.other, "LOCK TABLE " + table + " IN ROW EXCLUSIVE MODE")
            execute(connection, "SET lock_timeout = '100ms'")
        except Exception as error:
            self.leave()
            raise InjectedFailureError("the table cannot be held: " + last_line(error)) from None

    def end(self, connection: Any) -> None:
        """Let go, and leave the migration's session as it was."""
        try:
            query(connection, f"SELECT set_config('lock_timeout', '{self.timeout}', false)")
        finally:
            self.leave()

    def leave(self) -> None:
        try:
            execute(self.other, "ROLLBACK")
        finally:
            self.other.close()


class StepRecord:
    """What one step did, statement by statement."""

    def __init__(self) -> None:
        self.statements: list[Json] = []
        self.running: Json | None = None
        self.fail_at: int | None = None
        self.within = False  # the statement itself is to fail, half-way
        self.hindrance: LockHolder | None = None
        self.external = self.in_script = self.in_script_at_error = self.listening = self.wrapped = False
        self.began = 0.0
        self.scanned: dict[int, int] = {}
        self.first: Json | None = None  # the first statement that failed, which the script may have caught

    def begin(self, command: Json, external: bool) -> None:
        self.statements, self.running = [], None
        self.fail_at, self.within = command.get("fail_at"), bool(command.get("within"))
        self.external, self.began, self.in_script = external, time.perf_counter(), False
        self.in_script_at_error, self.first = False, None

    def during(self, function: Any) -> Any:
        """``upgrade`` or ``downgrade``, so that its statements are told from the bookkeeping after it."""

        def run(**arguments: Any) -> None:
            self.in_script = True
            try:
                function(**arguments)
                if self.fail_at is not None and self.fail_at == len(self.statements):
                    raise InjectedFailureError("injected after the last statement")
            except BaseException:
                self.in_script_at_error = True
                raise
            finally:
                self.in_script = False

        return run

    def listen(self, connection: Any) -> None:
        if not self.listening:
            from sqlalchemy import event

            event.listen(connection.engine, "before_cursor_execute", self.before)
            event.listen(connection.engine, "after_cursor_execute", self.after)
            event.listen(connection.engine, "handle_error", self.failed)
            self.listening = True

    def before(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if not self.in_script:
            return
        if self.fail_at is not None and self.fail_at == len(self.statements):
            within, self.within = self.within, False  # once, however often the script tries
            if not within:
                raise InjectedFailureError("injected before: " + statement.strip()[:200])
            self.hindrance = LockHolder(conn, statement)
        # Outside a transaction locks are gone with the statement: it gets one of its own, in which they can be read.
        self.wrapped = autocommits(conn) and not ALONE.search(statement) and begins(conn)
        self.running = {"sql": statement.strip(), "line": script_line(), "began": time.perf_counter()}

    def after(self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if self.running is None:
            return
        if self.release_lock(conn):
            raise InjectedFailureError("it was done before it could fail")
        done, self.running = self.running, None
        done["seconds"] = time.perf_counter() - done.pop("began")
        done["rows"] = cursor.rowcount if isinstance(getattr(cursor, "rowcount", None), int) else -1
        done["autocommit"] = autocommits(conn)
        done["lock_timeout"], done["transaction"] = "", None
        done["locks"], done["scans"] = {}, {}
        for transaction, timeout, relation, mode, scans in query(conn, LOCKS):
            done["transaction"], done["lock_timeout"] = transaction, timeout
            if relation is not None:
                done["locks"].setdefault(str(relation), []).append(mode)
                # The counter is the session's: what was counted before is taken off, unless it was reset since.
                known = self.scanned.get(relation, 0)
                if scans and scans != known:
                    done["scans"][str(relation)] = scans - known if scans > known else scans
                self.scanned[relation] = scans or 0
        if self.wrapped:
            self.wrapped = False
            execute(conn, "COMMIT")
        self.statements.append(done)

    def release_lock(self, connection: Any) -> bool:
        hindrance, self.hindrance = self.hindrance, None
        if hindrance is not None:
            hindrance.end(connection)
        return hindrance is not None

    def failed(self, context: Any) -> None:
        if context.connection is not None:
            self.release_lock(context.connection)
        if self.wrapped and context.connection is not None:
            self.wrapped = False
            execute(context.connection, "ROLLBACK")
        if self.in_script and self.first is None and context.original_exception is not None:
            self.first = said(context.original_exception)
            self.first["line"], self.first["statement"] = script_line(), (context.statement or "").strip()

    def answer(self, error: Json | None) -> Json:
        import resource

        return {
            "seconds": time.perf_counter() - self.began,
            "statements": self.statements,
            "error": error,
            "external": self.external,
            "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        }


def autocommits(connection: Any) -> bool:
    """Whether a statement is committed by itself: an autocommit_block, or an engine that works so throughout."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    raw = connection.connection
    raw = getattr(raw, "dbapi_connection", None) or getattr(raw, "connection", None) or raw
    return getattr(raw, "autocommit", False) is True


def begins(connection: Any) -> bool:
    """Begin a transaction beneath the driver; False where the driver does not let us."""
    try:
        execute(connection, "BEGIN")
    except Exception:  # then the statement runs as it would without us, and its locks are not seen
        return False
    return True


def execute(connection: Any, sql: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def query(connection: Any, sql: str) -> list[Any]:
    """Beneath SQLAlchemy, so that neither its events nor its idea of a transaction notice."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def describe(error: BaseException, record: StepRecord) -> Json:
    """An error as our side wants to judge it: what PostgreSQL said, and at which statement."""
    original = getattr(error, "orig", None) or error
    running, record.running = record.running, None
    told = {
        **said(original),
        "statement": (running or {}).get("sql", ""),
        "line": (running or {}).get("line") or _raised_at(error),
        "injected": isinstance(error, InjectedFailureError),
        "refused": isinstance(error, StatementRefusedError),
        "in_script": record.in_script_at_error or running is not None,
    }
    if told["sqlstate"] == ABORTED and record.first is not None and record.first["sqlstate"] != ABORTED:
        # The script has caught the error that matters, and went on in a transaction that takes no more statements.
        told.update(record.first)
    return told


def said(error: Any) -> Json:
    """What PostgreSQL or Python says of an error."""
    original = error
    if getattr(original, "sqlstate", None) is None and getattr(original, "__cause__", None) is not None:
        original = original.__cause__  # asyncpg's error stands behind SQLAlchemy's
    diagnosis = getattr(original, "diag", None) or original
    return {
        "type": type(original).__name__,
        "message": str(original).strip(),
        "sqlstate": getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "",
        "schema": getattr(diagnosis, "schema_name", None) or "",
        "table": getattr(diagnosis, "table_name", None) or "",
        "constraint": getattr(diagnosis, "constraint_name", None) or "",
    }


def script_line() -> int:
    """The line of the revision's script that is being executed."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name in ("upgrade", "downgrade") and "revision" in frame.f_globals:
            return int(frame.f_lineno)
        frame = frame.f_back
    return 0


def _raised_at(error: BaseException) -> int:
    lines = [
        number
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name in ("upgrade", "downgrade") and "down_revision" in frame.f_globals
    ]
    return lines[-1] if lines else 0


def last_line(error: BaseException) -> str:
    return traceback.format_exception_only(type(error), error)[-1].strip()

"""The walker's first half: records one step, statement by statement. Sent as one text with `program.py`."""

from __future__ import annotations

import re
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Python 3.8 has no such generics; annotations are never evaluated here
    Json = dict[str, Any]

# The locks and scans of this transaction so far. Advisory locks have no relation.
LOCKS = """
SELECT txid_current_if_assigned()::text, current_setting('lock_timeout'), l.relation::bigint, l.mode,
  pg_stat_get_xact_numscans(l.relation)
FROM (SELECT) one LEFT JOIN pg_locks l ON l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.granted
  AND l.relation >= 16384
"""
# Statements that PostgreSQL refuses in a transaction block, or that end one. All others get a block of their own.
NOT_IN_BLOCK = re.compile(
    r"\b(concurrently|vacuum|tablespace|subscription|begin|commit|rollback|abort|savepoint|call|do|discard|cluster)\b"
    r"|\b(start|prepare)\s+transaction\b|\b(create|drop|alter|reindex)\s+(database|system|schema\s+\S+\s*;?\s*$)",
    re.IGNORECASE,
)
ABORTED = "25P02"  # in_failed_sql_transaction
# The table of an index that is built in several transactions; the first of them leaves it INVALID.
INDEXED_TABLE = re.compile(
    r"\s*create\s+(?:unique\s+)?index\s+concurrently\s.*?\bon\s+(?:only\s+)?"
    r"((?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?)",
    re.IGNORECASE | re.DOTALL,
)


class StatementRefusedError(Exception):
    """The database does not belong to the run: nothing may be executed on it."""


class InjectedFailureError(Exception):
    """The failure that the command asked for, in place of a statement."""


class LockHolder:
    """A second session that locks a table as a writer does, so that CREATE INDEX CONCURRENTLY fails half-way."""

    def __init__(self, connection: Any, statement: str) -> None:
        """Take the lock, or raise InjectedFailureError, so that the statement fails before it begins."""
        match = INDEXED_TABLE.match(statement)
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
            self.close()
            raise InjectedFailureError("the table cannot be locked: " + last_line(error)) from None

    def release(self, connection: Any) -> None:
        """Release the lock, and restore the lock_timeout of the migration's session."""
        try:
            query(connection, f"SELECT set_config('lock_timeout', '{self.timeout}', false)")
        finally:
            self.close()

    def close(self) -> None:
        try:
            execute(self.other, "ROLLBACK")
        finally:
            self.other.close()


class StepRecord:
    """The statements of one step, recorded by listeners on the project's engine."""

    def __init__(self) -> None:
        self.statements: list[Json] = []
        self.running: Json | None = None
        self.fail_at: int | None = None
        self.within = False  # fail half-way through the statement, not before it
        self.lock_holder: LockHolder | None = None
        self.external = self.in_script = self.in_script_at_error = self.listening = self.wrapped = False
        self.began = 0.0
        self.scanned: dict[int, int] = {}
        self.first_error: Json | None = None  # which the script may have caught

    def begin(self, command: Json, external: bool) -> None:
        self.statements, self.running = [], None
        self.fail_at, self.within = command.get("fail_at"), bool(command.get("within"))
        self.external, self.began, self.in_script = external, time.perf_counter(), False
        self.in_script_at_error, self.first_error = False, None

    def recording(self, function: Any) -> Any:
        """Wrap ``upgrade`` or ``downgrade``: only its own statements are recorded, not alembic's bookkeeping."""

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

            event.listen(connection.engine, "before_cursor_execute", self.before_statement)
            event.listen(connection.engine, "after_cursor_execute", self.after_statement)
            event.listen(connection.engine, "handle_error", self.on_error)
            self.listening = True

    def before_statement(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not self.in_script:
            return
        if self.fail_at is not None and self.fail_at == len(self.statements):
            within, self.within = self.within, False  # only once, even if the script retries
            if not within:
                raise InjectedFailureError("injected before: " + statement.strip()[:200])
            self.lock_holder = LockHolder(conn, statement)
        # Outside a transaction, locks are released with the statement: a transaction of its own makes them readable.
        self.wrapped = autocommits(conn) and not NOT_IN_BLOCK.search(statement) and begin_transaction(conn)
        self.running = {"sql": statement.strip(), "line": script_line(), "began": time.perf_counter()}

    def after_statement(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if self.running is None:
            return
        if self.release_lock(conn):
            raise InjectedFailureError("the statement succeeded before it could fail")
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
                # The counter is the session's: subtract what was counted before, unless it was reset since.
                known = self.scanned.get(relation, 0)
                if scans and scans != known:
                    done["scans"][str(relation)] = scans - known if scans > known else scans
                self.scanned[relation] = scans or 0
        if self.wrapped:
            self.wrapped = False
            execute(conn, "COMMIT")
        self.statements.append(done)

    def release_lock(self, connection: Any) -> bool:
        """Whether there was a lock holder."""
        lock_holder, self.lock_holder = self.lock_holder, None
        if lock_holder is not None:
            lock_holder.release(connection)
        return lock_holder is not None

    def on_error(self, context: Any) -> None:
        if context.connection is not None:
            self.release_lock(context.connection)
        if self.wrapped and context.connection is not None:
            self.wrapped = False
            execute(context.connection, "ROLLBACK")
        if self.in_script and self.first_error is None and context.original_exception is not None:
            self.first_error = error_fields(context.original_exception)
            self.first_error["line"] = script_line()
            self.first_error["statement"] = (context.statement or "").strip()

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
    """Whether each statement is committed by itself: in an autocommit_block, or on an AUTOCOMMIT engine."""
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    raw = connection.connection
    raw = getattr(raw, "dbapi_connection", None) or getattr(raw, "connection", None) or raw
    return getattr(raw, "autocommit", False) is True


def begin_transaction(connection: Any) -> bool:
    """Begin a transaction beneath SQLAlchemy; False where the driver refuses."""
    try:
        execute(connection, "BEGIN")
    except Exception:  # the statement then runs as usual, and its locks are not observed
        return False
    return True


def execute(connection: Any, sql: str) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
    finally:
        cursor.close()


def query(connection: Any, sql: str) -> list[Any]:
    """Rows of a query beneath SQLAlchemy, which fires no events and begins no transaction."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql)
        return list(cursor.fetchall())
    finally:
        cursor.close()


def describe(error: BaseException, record: StepRecord) -> Json:
    """An error as the client judges it: the message, and the statement at which it occurred."""
    original = getattr(error, "orig", None) or error
    running, record.running = record.running, None
    fields = {
        **error_fields(original),
        "statement": (running or {}).get("sql", ""),
        "line": (running or {}).get("line") or _raised_at(error),
        "injected": isinstance(error, InjectedFailureError),
        "refused": isinstance(error, StatementRefusedError),
        "in_script": record.in_script_at_error or running is not None,
    }
    first = record.first_error
    if fields["sqlstate"] == ABORTED and first is not None and first["sqlstate"] != ABORTED:
        # The script caught the error that matters, and continued in a transaction that refuses further statements.
        fields.update(first)
    return fields


def error_fields(error: Any) -> Json:
    """Type, message and details of an error of PostgreSQL or Python."""
    original = error
    if getattr(original, "sqlstate", None) is None and getattr(original, "__cause__", None) is not None:
        original = original.__cause__  # asyncpg's error is the cause of SQLAlchemy's
    diagnosis = getattr(original, "diag", None) or original
    return {
        "type": type(original).__name__,
        "message": str(original).strip(),
        "sqlstate": getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "",
        "schema": getattr(diagnosis, "schema_name", None) or "",
        "table": getattr(diagnosis, "table_name", None) or "",
        "constraint": getattr(diagnosis, "constraint_name", None) or "",
        "column": getattr(diagnosis, "column_name", None) or "",
    }


def script_line() -> int:
    """The line of the revision's script that is running; 0 where none is."""
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


def keep_settings(connection: Any, commit: Any) -> None:
    """Commit the transaction that env.py has begun, and keep what it has SET LOCAL for the migrations."""
    if connection.dialect.name != "postgresql":
        return
    names = ("lock_timeout", "statement_timeout", "search_path", "role")
    ask = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)
    before = query(connection, ask)[0]
    commit()
    after = query(connection, ask)[0]
    for position, name in enumerate(names):
        if before[position] != after[position]:
            quoted = before[position].replace("'", "''")
            query(connection, f"SELECT set_config('{name}', '{quoted}', false)")
    commit()
    connection.connection.commit()


def source_of(path: Any) -> str:
    """The text of a file; empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def run_in_worker_thread(function: Any) -> None:
    """Run a function as a project's own command does that calls alembic from an event loop of anyio."""
    import importlib

    threads = importlib.import_module("anyio.to_thread")  # the project's own: it has raised the error

    async def main() -> None:
        await threads.run_sync(function)

    importlib.import_module("anyio").run(main)


def flask_application(config: Any) -> Any:
    """The context of the project's Flask application, found as by the command ``flask``: FLASK_APP, wsgi.py or app.py.

    Of the files that ``flask`` reads, .flaskenv counts; .env may name databases that are none of the run's. What
    Flask-Migrate does to alembic's configuration is done.
    """
    import importlib
    import os

    cli = importlib.import_module("flask.cli")  # the project's own
    if os.path.isfile(".flaskenv"):
        cli.load_dotenv(".flaskenv")
    named = os.environ.get("FLASK_APP")
    application = cli.ScriptInfo(app_import_path=named).load_app()
    context = application.app_context()
    migrate = getattr(application.extensions.get("migrate"), "migrate", None)
    if migrate is not None:
        with context:
            migrate.call_configure_callbacks(config)
    return context


def complete_configuration(config: Any, url: str, error: BaseException) -> bool:
    """Give alembic's configuration what advanced-alchemy's command adds to it; False where env.py lacks nothing of it.

    As its defaults have it (GenericAlembicConfig), and without an engine: env.py makes one from ``db_url``.
    """
    added = {
        "db_url": url,
        "engine": None,
        "bind_key": None,
        "version_table_name": "alembic_versions",
        "version_table_schema": None,
        "version_table_pk": True,
        "user_module_prefix": "sa.",
        "render_as_batch": True,
        "compare_type": False,
    }
    lacking = re.search(r"'Config' object has no attribute '(\w+)'", str(error))
    if not isinstance(error, AttributeError) or lacking is None or lacking[1] not in added:
        return False
    for name, value in added.items():
        setattr(config, name, value)
    return True

"""The walker's second half: the program in the *target's* interpreter, which needs nothing there but alembic.

It is sent as text over standard input (`client.BOOTSTRAP`), after `statements.py`, whose names it uses; neither module
is ever imported here. The user's env.py runs once, unmodified. Where it calls ``context.run_migrations()``, the program
reads commands and runs one step for each, committed before the next command. Commands and answers are lines of JSON on
private descriptors: what the user's code prints or logs goes to standard error.

Python 3.8 and alembic 1.8 or newer. `client.py` documents the commands and answers.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Python 3.8 has no such generics; annotations are never evaluated here
    from collections.abc import Iterator

    from rollback_drills.migrations.walker.statements import (
        Json,
        StatementRefusedError,
        StepRecord,
        complete_configuration,
        describe,
        flask_application,
        keep_settings,
        last_line,
        query,
        run_in_worker_thread,
        source_of,
    )

MARKER = """
SELECT substr(o, strpos(o, '=') + 1), current_database()::text FROM (SELECT) one
LEFT JOIN pg_db_role_setting s ON s.setrole = 0
  AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
LEFT JOIN unnest(s.setconfig) AS o ON o LIKE 'rollback$_drills.run=%' ESCAPE '$'
"""


class RolledBackError(Exception):
    """The step was an attempt only: rolls its transaction back."""


class EngineNotChosenError(Exception):
    """env.py migrates several databases, and none of them is the one to be walked."""


class WalkerProgram:
    """One per process."""

    def __init__(self, commands: Any, answers: Any) -> None:
        self.commands, self.answers = commands, answers
        self.config: Any = None
        self.script: Any = None
        self.marker = ""
        self.command: Json | None = None
        self.ended = self.entered = False
        self.record = StepRecord()
        self.url = self.engine = ""
        self.engines: list[str] = []  # of the databases that env.py migrates, where it names them

    # --- commands and answers ----------------------------------------------------------------------------

    def answer(self, **values: Any) -> None:
        self.answers.write(json.dumps(values, default=str).encode() + b"\n")
        self.answers.flush()

    def next_command(self) -> bool:
        """Read the next command; False at the end."""
        line = self.commands.readline()
        self.command = json.loads(line) if line.strip() else None
        self.ended = self.command is None or self.command["do"] == "end"
        return not self.ended

    def main(self) -> None:
        while not self.ended and self.next_command():
            assert self.command is not None
            try:
                if self.command["do"] == "open":
                    self.answer(**self.open(self.command))
                elif self.command["do"] == "list":
                    self.answer(**self.history())
                else:
                    self.run_env()
            except BaseException as error:  # whatever the user's code raises, SystemExit included
                self.answer(error=describe(error, self.record))

    # --- the history ---------------------------------------------------------------------------------------

    def open(self, command: Json) -> Json:
        if command["as_module"]:
            sys.path.insert(0, os.getcwd())
        import alembic
        import sqlalchemy
        from alembic.config import CommandLine, Config
        from alembic.script import ScriptDirectory

        self.marker = command["marker"]
        options = CommandLine(prog="alembic").parser.parse_args([*command["options"], "upgrade", "head"])
        arguments = {"file_": options.config, "ini_section": options.name, "cmd_opts": options}
        if isinstance(options.config, (list, tuple)):  # alembic 1.16 and newer: also a pyproject.toml
            arguments["file_"], arguments["toml_file"] = _config_files(options.config)
        elif str(options.config or "").endswith(".toml"):
            raise RuntimeError("alembic " + alembic.__version__ + " reads no pyproject.toml; 1.16 and newer do")
        elif options.config is None:
            arguments["file_"] = "alembic.ini"
        self.config = Config(**arguments)
        self.url, self.engine = command["settings"].get("sqlalchemy.url", ""), command.get("engine") or ""
        for name, value in command["settings"].items():
            self.config.set_main_option(name, value.replace("%", "%%"))
            for section in self.databases():
                self.config.set_section_option(section, name, value.replace("%", "%%"))
        self.script = ScriptDirectory.from_config(self.config)
        return {
            "versions": {
                "python": sys.version.split()[0],
                "alembic": alembic.__version__,
                "sqlalchemy": sqlalchemy.__version__,
            },
            "places": [str(place) for place in self.script._version_locations],
            "env": source_of(os.path.join(self.script.dir, "env.py")),
        }

    def databases(self) -> list[str]:
        """The sections of the multidb template, whose names are in ``databases``."""
        named = self.config.get_main_option("databases") or ""
        return [name for name in re.split(r",\s*", named.strip()) if name]

    def history(self) -> Json:
        """The scripts as alembic reads them: after env.py, which may prepare what they import."""
        try:
            revisions = [self.revision(each) for each in self.script.walk_revisions()][::-1]
        except BaseException as error:
            return {
                "revisions": [],
                "problems": list(self.broken_scripts()) or [{"path": "", "message": last_line(error)}],
            }
        return {"revisions": revisions, "problems": []}

    def revision(self, script: Any) -> Json:
        return {
            "id": script.revision,
            "down": list(_tuple(script.down_revision)),
            "depends_on": list(_tuple(getattr(script, "_resolved_dependencies", ()) or script.dependencies)),
            "labels": sorted(script.branch_labels),
            "doc": script.doc or "",
            "path": str(script.path),
            "source": source_of(script.path),  # read here: the file may be in a container
        }

    def broken_scripts(self) -> Iterator[Json]:
        """Every script that cannot be imported, and why."""
        from alembic.util import load_python_file

        for place in self.script._version_locations:
            for file in sorted(Path(place).glob("*.py")):
                try:
                    load_python_file(str(file.parent), file.name)
                except BaseException as error:
                    yield {"path": str(file), "message": last_line(error)}

    # --- steps ---------------------------------------------------------------------------------------------

    def run_env(self) -> None:
        """Run env.py, which returns at the end of the walk."""
        try:
            self.run_env_once()
        except BaseException as error:
            if not self.entered and type(error).__name__ == "NoEventLoopError":  # of anyio: env.py expects its loop
                run_in_worker_thread(self.run_env_once)
                return
            if not self.entered and "outside of application context" in str(error):
                with flask_application(self.config):
                    self.run_env_once()
                return
            if not self.entered and complete_configuration(self.config, self.url, error):
                self.run_env_once()
                return
            if self.entered or not self.takes_connection(error):
                raise
            connection = self.connect()
            if connection is None:
                raise
            self.config.attributes["connection"] = connection
            try:
                self.run_env_once()
            except BaseException:
                if self.entered:
                    raise
                raise error from None

    def run_env_once(self) -> None:
        environment = make_environment(self)
        with environment:
            self.script.run_env()
        if self.command is None or self.ended:
            return
        if self.engines:
            named = ", ".join(map(repr, dict.fromkeys(self.engines)))
            wanted = "none is chosen" if not self.engine else "not " + repr(self.engine)
            raise EngineNotChosenError("env.py migrates the databases " + named + "; " + wanted)
        raise RuntimeError("env.py ended without calling context.run_migrations()")

    def takes_connection(self, error: BaseException) -> bool:
        """Whether env.py may want its caller's connection (alembic's cookbook: "Sharing a Connection")."""
        if isinstance(error, EngineNotChosenError):
            return False
        source = source_of(os.path.join(self.script.dir, "env.py"))
        asked = re.search(r"attributes\s*(\.get\s*\(|\[)\s*['\"]connection", source)
        return bool(asked) or bool(re.search(r"(?is)connection.*config|config.*connection", str(error)))

    def connect(self) -> Any:
        """A connection to the run's database; None where the driver cannot be used without asyncio."""
        import sqlalchemy

        try:
            return sqlalchemy.create_engine(self.url).connect()
        except Exception:
            return None

    def walk(self, environment: Any, perform: Any, named: Any) -> None:
        """Replaces ``run_migrations``: alembic runs what `steps` yields; after a failed step it is called again.

        ``named`` is the ``engine_name`` of alembic's multidb templates: of several databases, one is walked.
        """
        if self.ended:
            return
        if named is not None:
            self.engines.append(str(named))
            if str(named) != self.engine:
                return
        context = environment.get_context()
        connection = context.connection
        if connection is None:
            raise RuntimeError("env.py configures no connection: it runs offline")
        external = context._in_external_transaction = self.external(context, connection)
        self.check_marker(connection)
        keep_settings(connection, lambda: self.end_transaction(connection, external, failed=False))
        self.record.listen(connection)
        self.entered = True
        self.end_transaction(connection, external, failed=False)
        if not self.answer_questions(context, connection):
            return
        while not self.ended:
            context._migrations_fn = lambda heads, context: self.steps(context, connection, external)
            try:
                perform()
            except RolledBackError:
                self.end_transaction(connection, external, failed=True)
                self.release_lock(connection)
                self.answer(**self.record.answer(None))
            except Exception as error:  # a migration may raise anything; the client judges it
                self.end_transaction(connection, external, failed=True)
                self.release_lock(connection)
                self.answer(**self.record.answer(describe(error, self.record)))
            else:
                return
            if not self.next_command():
                return

    def answer_questions(self, context: Any, connection: Any) -> bool:
        """Answer commands that are no step; False at the end."""
        while self.command is not None and self.command["do"] in ("enter", "history"):
            schema = context.version_table_schema or query(connection, "SELECT current_schema()")[0][0]
            connection.connection.rollback()  # beneath SQLAlchemy: ends the transaction of the query
            self.answer(
                seconds=0.0,
                version_table=[schema, context.version_table],
                driver=connection.dialect.name + "+" + connection.dialect.driver,
                **(self.history() if self.command["do"] == "history" else {}),
            )
            if not self.next_command():
                return False
        return not self.ended

    def steps(self, context: Any, connection: Any, external: bool) -> Iterator[Any]:
        """Yield one step after the other; when this generator resumes, alembic has committed the previous one."""
        from alembic.runtime.migration import RevisionStep

        while True:
            assert self.command is not None
            if self.command["do"] not in ("upgrade", "downgrade"):
                raise RuntimeError("unknown command: " + str(self.command["do"]))
            self.end_transaction(connection, external, failed=False)
            forget_enums(context)
            script = self.script.get_revision(self.command["revision"])
            if not callable(getattr(script.module, self.command["do"], None)):
                setattr(script.module, self.command["do"], _missing(self.command["do"]))
            step = RevisionStep(self.script.revision_map, script, self.command["do"] == "upgrade")
            self.record.begin(self.command, external)
            step.migration_fn = self.record.recording(step.migration_fn)
            yield step
            self.end_transaction(connection, external, failed=False)
            self.answer(**self.record.answer(None))
            if not self.next_command() or not self.answer_questions(context, connection):
                return

    def external(self, context: Any, connection: Any) -> bool:
        """Whether there is a transaction that env.py itself ends (`with engine.begin()`), or alembic takes for one."""
        external = bool(getattr(context, "_in_external_transaction", False))
        return external or getattr(connection, "_trans_context_manager", None) is not None

    def on_version_apply(self, **_: Any) -> None:
        """Called by alembic within the step's transaction, after it has written the version."""
        if self.command is not None and self.command.get("try"):
            raise RolledBackError

    def end_transaction(self, connection: Any, external: bool, failed: bool) -> None:
        """Commit or roll back; beneath SQLAlchemy where env.py holds one transaction around all steps."""
        if external:
            raw = connection.connection
            raw.rollback() if failed else raw.commit()
        elif failed or connection.in_transaction():
            owner = connection if hasattr(connection, "rollback") else connection.connection  # SQLAlchemy 1.4
            owner.rollback() if failed else owner.commit()

    def release_lock(self, connection: Any) -> None:
        """After the rollback, in case a listener of the project prevented `StepRecord.on_error` from doing it."""
        if self.record.release_lock(connection):
            connection.connection.commit()

    def check_marker(self, connection: Any) -> None:
        """Raise StatementRefusedError unless env.py has connected to a database of this run."""
        dialect = connection.dialect.name
        found, where = None, dialect
        if dialect == "postgresql":
            ((found, where),) = query(connection, MARKER)
        if found != self.marker:
            url = connection.engine.url.render_as_string(hide_password=True)
            raise StatementRefusedError(
                f"env.py connects to the database {where!r} ({url}), which this run has not created"
            )


def make_environment(walker: WalkerProgram) -> Any:
    """Alembic's context, with a transaction per step, and with the walk in place of the migrations."""
    from alembic.runtime.environment import EnvironmentContext

    environment: Any = EnvironmentContext(
        walker.config, walker.script, fn=lambda heads, context: (), destination_rev="head", tag=None
    )
    original = environment.configure

    def configure(*positional: Any, **options: Any) -> None:
        options["transaction_per_migration"] = True
        given = options.get("on_version_apply") or ()
        options["on_version_apply"] = [
            *(given if isinstance(given, (list, tuple)) else [given]),
            walker.on_version_apply,
        ]
        original(*positional, **options)

    # Set on the object: a subclass would not do, since `from alembic import context` looks functions up by class.
    environment.configure = configure
    perform = environment.run_migrations
    environment.run_migrations = lambda **arguments: walker.walk(
        environment, lambda: perform(**arguments), arguments.get("engine_name")
    )
    return environment


def forget_enums(context: Any) -> None:
    """Clear SQLAlchemy's memory of created ENUMs, which would be empty if each step were a command of its own."""
    memo = getattr(context.impl, "memo", None)
    if isinstance(memo, dict):
        memo.clear()


def _missing(name: str) -> Any:
    def missing(**_: Any) -> None:
        raise NotImplementedError("the script has no function " + name + "()")

    return missing


def _tuple(value: Any) -> Any:
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _config_files(given: Any) -> Any:
    ini = [name for name in given if not str(name).endswith(".toml")]
    toml = [name for name in given if str(name).endswith(".toml")]
    return (ini or ["alembic.ini"])[-1], (toml or ["pyproject.toml"])[-1]


def serve(commands: Any) -> None:
    """Redirect standard output to standard error, and empty standard input, before any of the user's code runs."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    WalkerProgram(commands, answers).main()

"""Starts the walk of a bare alembic.ini as its own project would: with its interpreter and its driver."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.core.errors import DrillError, StackError, TargetError
from rollback_drills.lab.bare_alembic import BareAlembicEnvironment, location_settings
from rollback_drills.migrations.ini import SECTION, driver_of, working_directory
from rollback_drills.migrations.reversibility.walk import Walk
from rollback_drills.migrations.start_remedies import is_about_the_driver, remedy_for, schemes_in
from rollback_drills.migrations.walker.client import BOOTSTRAP, Opened, ScriptHistory, StartError, Walker
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.host.conversation import PipedConversation

# psycopg2 first: it is what SQLAlchemy means by postgresql://.
DRIVERS = ("psycopg2", "psycopg", "asyncpg", "pg8000")
_INSTALLED = f"import importlib.util as u, json; print(json.dumps([n for n in {DRIVERS!r} if u.find_spec(n)]))"
_ASYNC = re.compile(r"async_engine_from_config|create_async_engine|AsyncEngine")
_NAMED = re.compile(r"postgres(?:ql)?\+(psycopg2|psycopg|asyncpg|pg8000)\b")
# What a script that cannot be imported is to blame for; anything else it may raise for want of a setting.
_OF_THE_SCRIPT = re.compile(r"(?:Import|ModuleNotFound|Syntax|Indentation|Tab|Name|Attribute|Type)Error\b")
_UNDEFINED = ("42P01", "3F000")  # a table or schema does not exist


@contextmanager
def _reader(file: Path, section: str, interpreter: Sequence[str], directory: Path) -> Iterator[Walker]:
    try:
        conversation = PipedConversation(
            [*interpreter, "-c", BOOTSTRAP],
            cwd=working_directory(file, section),
            env=process.clean_environment(directory, {"PYTHONDONTWRITEBYTECODE": "1"}),
            log=directory / "alembic.log",
        )
        try:
            options = ["-c", str(file), *(["-n", section] if section != SECTION else [])]
            settings = location_settings(file, section)
            yield Walker(conversation, options=options, settings=settings, marker="", as_module=False)
        finally:
            conversation.close()
    except StackError as error:
        raise TargetError(
            f"alembic cannot read {file}",
            cause="\n".join(filter(None, (error.what, error.cause))),
            fix="name the project's Python with --drill-alembic-python; a relative path begins where pytest is called",
        ) from None


def open_configuration(file: Path, section: str, interpreter: Sequence[str], directory: Path) -> Opened:
    """What alembic itself reads in a configuration, without running env.py or a script.

    Args:
        interpreter: the command line of a Python that has alembic.
        directory: for the log.

    Raises:
        TargetError: the interpreter cannot be started, or alembic refuses the configuration.
    """
    with _reader(file, section, interpreter, directory) as walker:
        return walker.opened


def list_scripts(file: Path, section: str, interpreter: Sequence[str], directory: Path) -> ScriptHistory:
    """The scripts as alembic reads them, without env.py; the arguments are those of `open_configuration`.

    Raises:
        TargetError: as `open_configuration`.
    """
    with _reader(file, section, interpreter, directory) as walker:
        return walker.listed()


def installed_drivers(interpreter: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The drivers of PostgreSQL that an interpreter could import, `DRIVERS` in their order.

    Raises:
        TargetError: it cannot be started.
    """
    try:
        result = process.run(
            [*interpreter, "-c", _INSTALLED], cwd=directory, env=process.clean_environment(directory), timeout=60.0
        )
        return tuple(json.loads(result.stdout.strip().splitlines()[-1])) if result.ok else ()
    except (DrillError, ValueError, IndexError) as error:
        raise TargetError(
            f"{interpreter[0]} cannot be started",
            cause=str(error),
            fix="name a Python with --drill-alembic-python; a relative path begins where pytest is called",
        ) from None


def driver_candidates(file: Path, section: str, env: str, installed: Sequence[str]) -> tuple[str, ...]:
    """URL schemes, the likeliest first: alembic.ini's own, those that env.py names, then what is installed.

    Args:
        env: the text of env.py.
    """
    own = driver_of(file, section)
    named = [name for name in _NAMED.findall(env) if name in installed]
    asynchronous = [name for name in ("asyncpg", "psycopg") if name in installed and _ASYNC.search(env)]
    ordered = dict.fromkeys([*asynchronous, *named, *installed])
    found = [own, *(f"postgresql+{name}" for name in ordered), "postgresql"]
    return tuple(dict.fromkeys(scheme for scheme in found if scheme))


def start(environment: BareAlembicEnvironment, walk: Walk, candidates: Sequence[str], *, baseline: bool) -> None:
    """Start the walk with the first driver with which env.py starts.

    Args:
        baseline: whether one is given.

    Raises:
        TargetError: env.py or a script fails for want of something, in its own words; or the first revision needs
            tables that nothing has made.
    """
    first: StartError | None = None
    waiting, tried = list(candidates), set[str]()
    while waiting:
        environment.driver = waiting.pop(0)
        tried.add(environment.driver)
        try:
            walk.start()
            break
        except StartError as error:
            words = error.error.whole
            first = first or error
            if not is_about_the_driver(words):
                first = error if not is_about_the_driver(first.cause) else first
                break
            wanted = [each for each in schemes_in(words) if each not in tried]
            waiting = list(dict.fromkeys([*wanted, *waiting]))
    if not walk.started:
        assert first is not None
        raise _explained(first)
    _require_settings(walk)
    if not baseline:
        _require_no_baseline(walk)


def _explained(failed: StartError) -> TargetError:
    error = failed.error
    if error.type == "EngineNotChosenError":
        return TargetError(error.message, fix="choose one with --drill-alembic-engine NAME; each is walked by itself")
    if error.refused:
        return TargetError(
            error.message,
            fix="let env.py take the URL from sqlalchemy.url or DATABASE_URL, or give it what it reads with"
            " --drill-alembic-env NAME={url} or --drill-alembic-x NAME={url}",
        )
    fix = remedy_for(error.whole, failed.env)
    return TargetError("env.py fails, so no revision can be walked", cause=error.whole, fix=fix)


def _require_settings(walk: Walk) -> None:
    """Raise TargetError where importing a script fails on something that it lacks here, perhaps a setting."""
    for problem in walk.history.problems:
        if problem.path and not _OF_THE_SCRIPT.match(problem.message):
            name = Path(problem.path).name
            raise TargetError(
                f"{name} cannot be imported, so no revision can be walked",
                cause=problem.message,
                fix=remedy_for(problem.message, walk.database.walker.opened.env),
            )


def _require_no_baseline(walk: Walk) -> None:
    """Raise TargetError where the first revision uses what no migration has made."""
    if not walk.history.revisions:
        return
    first = walk.history.revisions[0]
    outcome = walk.database.walker.upgrade(first.id, attempt=True)
    error = outcome.error
    if not outcome.in_one_transaction:
        walk.restart_at(-1)
    if error is not None and error.sqlstate in _UNDEFINED:
        raise TargetError(
            f"the first revision, {first.id}, needs what no migration has made: the history has a baseline",
            cause=error.whole,
            fix="give the SQL that creates it with --drill-alembic-baseline FILE, such as a pg_dump --schema-only",
        )

"""The walker's client: drives a process in the target's interpreter that runs single migration steps on command.

The protocol, for starting the process elsewhere (in a container, on another machine): run the target's Python with
`BOOTSTRAP` as its ``-c`` program, in the directory in which ``alembic`` is called, with standard input and output as
pipes. The client sends a line with the program's size in bytes, the program, and then one line of JSON per command; the
walker answers each command with one line of JSON.

``{"do": "open", "options": […], "settings": {…}, "marker": …, "as_module": true, "engine": …}``
    reads the configuration. Answer: versions, places (directories of scripts), env (the text of env.py).
``{"do": "list"}``
    reads the scripts without env.py. Answer: revisions (oldest first), problems.
``{"do": "enter"}``
    runs env.py up to its migrations, and none of these. Answer: seconds, version_table (schema and name), driver; or an
    error.
``{"do": "history"}``
    as enter, and reads the scripts, as alembic does: after env.py. Answer: besides, revisions (oldest first), problems.
``{"do": "upgrade" | "downgrade", "revision": …, "try": false, "fail_at": null, "within": false}``
    one step, committed before the answer; with ``try``, rolled back. ``fail_at`` is the number of the statement in
    whose place an error is raised; with ``within``, of a CREATE INDEX CONCURRENTLY that is made to fail half-way.
    Answer: seconds, statements, error.
``{"do": "end"}``
    or the end of the input: env.py returns and the process ends.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from rollback_drills.core.errors import StackError
from rollback_drills.postgres import LOCK_MODES
from rollback_drills.runtimes.protocols import Conversation
from rollback_drills.target.system_tables import Migrations

# Without braces, which the target file's placeholders have.
BOOTSTRAP = (
    "import os, sys\n"
    "sys.path[:] = [place for place in sys.path if place]\n"
    "f = os.fdopen(os.dup(0), 'rb')\n"
    "n = int(f.readline())\n"
    "names = dict(__name__='rollback_drills_walker')\n"
    "exec(compile(f.read(n), 'rollback_drills_walker', 'exec'), names)\n"
    "names['serve'](f)\n"
)
PROGRAM = ("statements.py", "program.py")
_MAX_WORDS = 20  # lines of a message that env.py ends with


def strongest(modes: Sequence[str]) -> str:
    """The strongest lock mode, in the order of `LOCK_MODES`."""
    return max(modes, key=LOCK_MODES.index)


class WalkerAnswer(BaseModel):
    """One line of JSON from the walker."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class WalkedRevision(WalkerAnswer):
    """A script as alembic understands it; ``down`` and ``depends_on`` are ids."""

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    doc: str = ""
    path: str = ""
    source: str = ""

    @property
    def below(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys([*self.down, *self.depends_on]))


class ScriptProblem(WalkerAnswer):
    """Why the scripts cannot be read; ``path`` is empty for a problem of the history as a whole."""

    path: str
    message: str


class Opened(WalkerAnswer):
    """What alembic's configuration says: ``places`` are the directories of scripts, ``env`` is the text of env.py."""

    versions: dict[str, str]
    places: tuple[str, ...] = ()
    env: str = ""


class ScriptHistory(WalkerAnswer):
    """All scripts, oldest first, or none and the problems; ``places`` are the directories of scripts."""

    versions: dict[str, str]
    revisions: tuple[WalkedRevision, ...]
    problems: tuple[ScriptProblem, ...] = ()
    places: tuple[str, ...] = ()

    @property
    def heads(self) -> tuple[str, ...]:
        """Revisions on which no other builds; a depends_on alone does not count."""
        below = {down for each in self.revisions for down in each.down}
        return tuple(each.id for each in self.revisions if each.id not in below)

    @property
    def branchpoints(self) -> tuple[str, ...]:
        downs = [down for each in self.revisions for down in each.down]
        return tuple(each.id for each in self.revisions if downs.count(each.id) > 1)

    def labels_of(self, revision: str) -> tuple[str, ...]:
        return next((each.labels for each in self.revisions if each.id == revision), ())


class StepError(WalkerAnswer):
    """Why a step failed, in the words of PostgreSQL or Python."""

    type: str
    message: str
    sqlstate: str = ""
    statement: str = ""
    line: int = 0
    schema_name: str = Field(default="", validation_alias="schema")
    table: str = ""
    constraint: str = ""
    column: str = ""
    injected: bool = False
    refused: bool = False
    in_script: bool = False

    @property
    def what_failed(self) -> tuple[str | int, ...]:
        """Equal for two failures of the same kind at the same place, whatever the rows."""
        return (self.sqlstate, self.type, self.constraint, self.schema_name, self.table, self.column, self.line)

    @property
    def whole(self) -> str:
        """All lines of the message; the last ones, where there are many."""
        lines = self.message.strip().splitlines()
        where = f" (line {self.line})" if self.line else ""
        return "\n".join([f"{self.type}{where}: {lines[0] if lines else ''}", *lines[1:][-_MAX_WORDS:]]).strip()

    @property
    def brief(self) -> str:
        """One line."""
        first = self.message.splitlines()[0] if self.message else ""
        where = f" at line {self.line}" if self.line else ""
        return f"{self.type}{where}: {first}"


class Statement(WalkerAnswer):
    """One statement of a script. ``locks`` (modes) and ``scans`` (counts) are by OID, in the transaction so far."""

    sql: str
    seconds: float
    line: int = 0
    rows: int = -1
    autocommit: bool = False
    transaction: str | None = None
    lock_timeout: str = ""
    locks: dict[int, tuple[str, ...]] = {}
    scans: dict[int, int] = {}


class StartError(StackError):
    """env.py fails before any migration runs; ``error`` is its own, ``env`` its text."""

    def __init__(self, what: str, *, cause: str, fix: str, error: StepError, env: str) -> None:
        super().__init__(what, cause=cause, fix=fix)
        self.error, self.env = error, env


class StepOutcome(WalkerAnswer):
    """One step: its statements, its duration in seconds, and the error for which it was rolled back."""

    seconds: float = 0.0
    statements: tuple[Statement, ...] = ()
    error: StepError | None = None
    external: bool = Field(default=False, description="env.py holds one transaction around all steps")
    version_table: tuple[str, ...] = Field(default=(), description="schema and name of alembic's own table")
    driver: str = Field(default="", description="dialect and driver that env.py connects with")
    memory: int = Field(default=0, description="peak of the walker's memory in bytes")

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def locked(self) -> frozenset[int]:
        """OIDs of all relations that the step locked."""
        return frozenset(oid for statement in self.statements for oid in statement.locks)

    @property
    def in_one_transaction(self) -> bool:
        seen = {statement.transaction for statement in self.statements if statement.transaction is not None}
        return len(seen) <= 1 and not any(statement.autocommit for statement in self.statements)


class Walker:
    """Drives one walker process. Use it as a context manager.

    Args:
        options: alembic's own, such as ``-c``.
        settings: main options of alembic's configuration, such as ``sqlalchemy.url``.
        marker: the run's; env.py must connect to a database that carries it.
        timeout: seconds for one answer.
        as_module: whether modules are imported from the working directory, as by ``python -m alembic``; the program
            ``alembic`` imports only from where its configuration says (prepend_sys_path).
        engine: of several databases that env.py migrates, the one to walk (``engine_name`` of the multidb templates).

    Raises:
        StackError: the scripts cannot be opened.
    """

    def __init__(
        self,
        conversation: Conversation,
        *,
        options: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        marker: str,
        timeout: float = 120.0,
        as_module: bool = True,
        engine: str = "",
    ) -> None:
        self._conversation, self._timeout = conversation, timeout
        self.memory, self.entered = 0, False
        self.version_table: tuple[str, ...] = ()
        self.driver = ""
        self._history: ScriptHistory | None = None
        program = _program()
        conversation.send(b"%d\n" % len(program) + program)
        command = {
            "do": "open",
            "options": list(options),
            "settings": dict(settings or {}),
            "marker": marker,
            "as_module": as_module,
            "engine": engine,
        }
        answer = self._ask(command)
        if answer.get("error"):
            error = StepError.model_validate(answer["error"])
            raise StackError(
                "the migration scripts cannot be opened",
                cause=error.brief,
                fix="run `alembic history` by hand in the release's tree; its command line is under [migrations]",
            )
        self.opened = Opened.model_validate(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listed(self) -> ScriptHistory:
        """The scripts as they can be read without env.py; for a walker that runs nothing else."""
        return self._read(self._ask({"do": "list"}))

    @property
    def history(self) -> ScriptHistory:
        """The scripts, which alembic reads after env.py has run; read once.

        Raises:
            StackError: as `enter`.
        """
        if self._history is None:
            answer = self._ask({"do": "history"})
            self._outcome(answer)
            self._history = self._read(answer)
        return self._history

    def _read(self, answer: Mapping[str, object]) -> ScriptHistory:
        of_opened = {"versions": self.opened.versions, "places": self.opened.places}
        return ScriptHistory.model_validate({**answer, **of_opened})

    def enter(self) -> None:
        """Run env.py up to its migrations, including what it creates before them, unless it has run already.

        Raises:
            StackError: env.py fails, or the process has ended or does not answer.
        """
        if not self.entered:
            self._perform({"do": "enter"})

    def upgrade(
        self, revision: str, *, attempt: bool = False, fail_at: int | None = None, within: bool = False
    ) -> StepOutcome:
        """Run ``upgrade()`` of one revision, from the one below it.

        Args:
            attempt: roll the step back even if it succeeds.
            fail_at: the number of the statement in whose place an error is raised.
            within: let that statement, a CREATE INDEX CONCURRENTLY, fail half-way; the error is ``injected`` where
                this is not possible and it failed before it began.

        Raises:
            StackError: the process has ended or does not answer.
        """
        return self._step("upgrade", revision, attempt, fail_at, within)

    def downgrade(
        self, revision: str, *, attempt: bool = False, fail_at: int | None = None, within: bool = False
    ) -> StepOutcome:
        """Run ``downgrade()`` of one revision, from the revision itself; otherwise as `upgrade`."""
        return self._step("downgrade", revision, attempt, fail_at, within)

    def close(self) -> None:
        self._conversation.close()

    def _step(self, direction: str, revision: str, attempt: bool, fail_at: int | None, within: bool) -> StepOutcome:
        return self._perform(
            {"do": direction, "revision": revision, "try": attempt, "fail_at": fail_at, "within": within}
        )

    def _perform(self, command: Mapping[str, object]) -> StepOutcome:
        return self._outcome(self._ask(command))

    def _outcome(self, answer: Mapping[str, object]) -> StepOutcome:
        outcome = StepOutcome.model_validate(answer)
        self.memory = max(self.memory, outcome.memory)
        error = outcome.error
        if error is not None and error.refused:
            raise StartError(
                "the migrations did not run",
                cause=error.message,
                fix="let env.py take the database from the environment or from sqlalchemy.url, as the drill sets them",
                error=error,
                env=self.opened.env,
            )
        if error is not None and "seconds" not in outcome.model_fields_set:
            fix = "run `alembic upgrade head` by hand"
            raise StartError("env.py fails", cause=error.whole, fix=fix, error=error, env=self.opened.env)
        self.entered = True
        self.version_table = outcome.version_table or self.version_table
        self.driver = outcome.driver or self.driver
        return outcome

    def _ask(self, command: Mapping[str, object]) -> dict[str, object]:
        self._conversation.send(json.dumps(command).encode() + b"\n")
        line = self._conversation.receive(self._timeout)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise StackError("the walker's answer cannot be read", cause=line[:500].decode(errors="replace"))
        return answer


@cache
def _program() -> bytes:
    """Both modules as one text; an import from __future__ may stand only at its beginning."""
    here = resources.files("rollback_drills.migrations.walker")
    first, second = (here.joinpath(name).read_text("utf-8") for name in PROGRAM)
    return (first + second.replace("from __future__ import annotations\n", "")).encode()


def walker_command(migrations: Migrations) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The command of the release's interpreter, and alembic's own options.

    Taken from the command that calls alembic, ``python -m alembic -c …``, or from ``interpreter`` under [migrations].
    None where the target does not migrate with alembic, or names no interpreter.
    """
    command = list(migrations.command)
    for n in range(1, len(command)):
        if command[n - 1 : n + 1] == ["-m", "alembic"]:
            return tuple(migrations.interpreter or command[: n - 1]), tuple(command[n + 1 :])
    if migrations.interpreter and command[0].rpartition("/")[2] == "alembic":
        return tuple(migrations.interpreter), tuple(command[1:])
    return None

"""One random game day on a stack of its own: performs operations, and judges after each what has to hold in any state.

What has to hold, whatever was done before:

- no acknowledged write is lost, doubled, or stored although it was refused; a restore loses exactly those after the
  backup;
- a disabled integration gives the agreed answer and no other, an enabled one works;
- health tells the truth: on the release's own schema it is positive, and where it is positive deliveries are taken;
- revision and schema agree, and the revision moves only when somebody moves it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from rollback_drills import postgres
from rollback_drills.clients.answers import is_disabled
from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.traffic.records import fate
from rollback_drills.gamedays.model import Expected, KeptBackup
from rollback_drills.gamedays.operations import Operation
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.runtimes.protocols import Outcome

_MOVES_SCHEMA = frozenset({"upgrade", "downgrade", "restore", "deploy", "deploy-migrating", "restart", "recreate"})
_STARTS = frozenset({"deploy", "deploy-migrating", "restart", "recreate"})


class Judge(Protocol):
    """Records what was expected and observed, and raises where they differ: a drill, or the search for a failure."""

    def check(
        self, title: str, observed: JsonValue, *, expected: JsonValue = True, finding: str | None = None,
        detail: str = "",
    ) -> bool: ...  # fmt: skip


class Day:
    """Begins with the current release in its steady state, every flag on.

    Args:
        directory: where backups go.
    """

    def __init__(self, lab: Lab, judge: Judge, directory: Path) -> None:
        self._lab, self._judge, self._directory = lab, judge, directory
        self._frozen = False  # once a day is enough: each costs the gateway's patience with its database
        self.stack = lab.stack()
        target = self._target = lab.target
        heads = {release: self.stack.alembic.head(release) for release in (target.previous, target.current)}
        self.expected = Expected(target, heads, release=target.current, revision=heads[target.current])

    def begin(self) -> None:
        """Start the current release; it has to serve."""
        outcome = self.stack.gateway.deploy(self._target.current)
        self._judge_steady_state(outcome)

    def close(self) -> None:
        self._lab.discard(self.stack)

    @property
    def turned_off(self) -> list[str]:
        """Whose flags are off in the configuration."""
        return [name for name, on in self.expected.configured.items() if not on]

    def possible(self, kind: str) -> bool:
        """Whether such an operation makes sense in this state."""
        expected, target = self.expected, self._target
        match kind:
            case "stop" | "kill" | "deliver":
                return expected.running
            case "freeze":
                return expected.running and not self._frozen
            case "on" | "off":
                return bool(target.gated_of(target.current))
            case "deploy-migrating":
                return target.gateway.migrate_on_start is not None
            case "backup":
                return not expected.backups or expected.backups[-1].held != expected.stored
            case "upgrade":
                return expected.revision != expected.heads[target.current]
            case "downgrade":
                return expected.revision != expected.heads[target.previous]
            case "restore":
                return bool(expected.backups)
        return True

    def perform(self, operation: Operation) -> None:
        """Do it, then judge what it led to.

        Raises:
            whatever the judge raises; StackError where something could not be done at all.
        """
        kind, argument = operation.kind, operation.argument
        match kind:
            case "deploy" | "deploy-migrating":
                migrates = kind == "deploy-migrating" or self._target.gateway.always_migrates
                outcome = self.stack.gateway.deploy(argument, migrate=migrates)
                self.expected.recreated(argument, migrates=migrates)
                self._started(outcome)
            case "restart":
                self._started(self.stack.gateway.restart())
            case "recreate":
                outcome = self.stack.gateway.recreate()
                self.expected.recreated(self.expected.release, migrates=self.expected.migrates)
                self._started(outcome)
            case "stop":
                self.stack.gateway.stop()
                self.expected.running = False
            case "kill":
                self.stack.gateway.kill()
                self.expected.running = False
            case "upgrade" | "downgrade":
                self._migrate(kind)
            case "on" | "off":
                self.stack.set_flags({argument: kind == "on"})
                self.expected.configured[argument] = kind == "on"
            case "deliver":
                self._deliver(argument)
            case "backup":
                self._back_up()
            case "restore":
                self._restore()
            case "crash":
                postgres.crash(self.stack.server.admin_url)
            case "freeze":
                self._freeze()
        if kind in ("on", "off"):
            return  # nobody has read the configuration yet
        self._judge_database(kind)
        if self.expected.running:
            self._judge_gateway(kind)

    # --- operations ------------------------------------------------------------------------------------

    def _started(self, outcome: Outcome) -> None:
        """On a schema that it does not know, a release that migrates cannot start; nor need any other."""
        expected = self.expected
        if expected.migrates and self.stack.alembic.knows(expected.release, expected.revision):
            expected.revision = expected.heads[expected.release]
        expected.running = True
        if expected.must_serve:
            self._check(f"release {expected.release} starts on its own schema", outcome.started,
                        finding="release-not-serving", detail=outcome.why)  # fmt: skip
        expected.running = outcome.started

    def _migrate(self, kind: str) -> None:
        target, up = self._target, kind == "upgrade"
        goal = self.expected.heads[target.current if up else target.previous]
        alembic = self.stack.alembic
        result = alembic.upgrade(target.current, goal) if up else alembic.downgrade(target.current, goal)
        self._check(f"the {kind} succeeds", result.exit_code, expected=0, detail=result.output[-2000:],
                    finding="upgrade-failed" if up else "downgrade-failed")  # fmt: skip
        self.expected.revision = goal

    def _deliver(self, integration: str) -> Delivered:
        """Deliver once, and note what the answer promises."""
        delivered = self.stack.client.deliver(integration)
        became = fate(self._target, integration, delivered.answer)
        if became == "acknowledged":
            self.expected.stored.add(delivered.id)
        elif became == "refused":
            self.expected.absent.add(delivered.id)
        return delivered

    def _back_up(self) -> None:
        file = self._directory / f"backup-{self.stack.database.name}.sql"
        result, manifest = self.stack.backups.take(self.stack.database, file)
        self._check("the backup command succeeds", result.exit_code, expected=0, finding="backup-unusable")
        self.expected.backups = [KeptBackup(file, manifest, frozenset(self.expected.stored))]

    def _restore(self) -> None:
        """Nothing but the restored database's own state is judged: how the commands exit says nothing."""
        backup = self.expected.backups[-1]
        self.stack.gateway.stop()
        self.expected.running = False
        self.stack.backups.verify(backup.file, backup.manifest)
        fresh = self.stack.database.create_empty()
        try:
            self.stack.backups.restore_into(fresh, backup.file)
            self._judge_restored(fresh, backup)
        except BaseException:
            fresh.drop()
            raise
        fresh.swap_with(self.stack.database).drop()
        self.expected.restored()

    def _judge_restored(self, fresh: LiveDatabase, backup: KeptBackup) -> None:
        schema, rows = backup.manifest.schema.diff(fresh.schema()), backup.manifest.data.diff(fresh.data())
        differences: list[JsonValue] = [*schema.lines(), *rows.lines()]
        self._check("the restored database is what was backed up", differences, expected=[], finding="restore-differs")
        behind: list[JsonValue] = [*sorted(name for name, state in fresh.sequences().items() if state.behind)]
        self._check("sequences behind their tables", behind, expected=[], finding="sequence-rewound")

    def _freeze(self) -> None:
        self._frozen = True
        self.stack.server.freeze()
        try:
            answer = self.stack.client.health()
        finally:
            self.stack.server.thaw()
        self._check("/health answers while the database is frozen", answer.status is not None, finding="health-hangs",
                    detail=answer.error)  # fmt: skip
        self._check("/health is not positive while the database is frozen", answer.status == self._target.health.status,
                    expected=False, finding="health-lies", detail=str(answer.brief()))  # fmt: skip

    # --- what has to hold ------------------------------------------------------------------------------

    def _check(
        self, title: str, observed: JsonValue, *, expected: JsonValue = True, finding: str, detail: str = ""
    ) -> None:
        self._judge.check(title, observed, expected=expected, finding=finding, detail=detail)

    def _judge_database(self, kind: str) -> None:
        database, expected = self.stack.database, self.expected
        by_itself = "startup-migration-undoes-rollback" if kind in _STARTS else "revision-wrong"
        self._check("revision", database.revision(), expected=expected.revision, finding=by_itself)
        if kind in _MOVES_SCHEMA:
            reference = self._lab.only_upgraded_to(expected.revision)
            residue = reference.schema.diff(database.schema())
            lines: list[JsonValue] = [*residue.lines()]
            self._check("the schema is that of the revision", lines, expected=[], finding="schema-residue")  # fmt: skip
            if reference.rows is not None:
                lost = reference.rows.missing_from(database.rows())
                self._check("rows of the seed that are gone or altered", {**lost}, expected={}, finding="rows-lost")
        copies = self.stack.copies(sorted(expected.stored | expected.absent))
        for title, ids, finding in (
            ("acknowledged deliveries that are lost", expected.stored - set(copies), "writes-lost"),
            ("deliveries that are stored more than once", {name for name, count in copies.items() if count > 1},
             "writes-duplicated"),
            ("deliveries that are stored although they were refused, or are younger than the restored backup",
             expected.absent & set(copies), "writes-unexpected"),
        ):  # fmt: skip
            listed: JsonValue = [*sorted(ids)[:5]]
            self._check(title, listed, expected=[], finding=finding)

    def _judge_steady_state(self, outcome: Outcome) -> None:
        healthy = outcome.started and self.stack.becomes_healthy()
        self._check("the current release is in its steady state", healthy, finding="steady-state-missing",
                    detail=outcome.why)  # fmt: skip

    def _judge_gateway(self, kind: str) -> None:
        expected = self.expected
        healthy = self.stack.becomes_healthy() if expected.must_serve else self.stack.client.healthy()
        if expected.must_serve:
            self._check(f"release {expected.release} is healthy on its own schema", healthy,
                        finding="release-not-serving", detail=str(self.stack.client.health().brief()))  # fmt: skip
        if kind in _STARTS:
            self._judge_release()
        if healthy:
            self._judge_enabled()
        self._judge_disabled()
        self._judge_database("deliver")  # what was just delivered

    def _judge_release(self) -> None:
        release = self.expected.release
        self._check("version", self.stack.client.version(), expected=self._target.version_of(release),
                    finding="version-wrong")  # fmt: skip
        if self.expected.must_serve and not self.expected.created:  # a flag may change what it answers
            for request, (agreed, observed) in self.stack.client.behaviour(release).items():
                self._check(f"{request} answers as only {release} does", observed, expected=agreed,
                            finding="wrong-code")  # fmt: skip

    def _judge_enabled(self) -> None:
        """Those whose flags have been touched, and one besides."""
        expected = self.expected
        enabled = [name for name in expected.integrations if expected.on(name)]
        asked = sorted(enabled, key=lambda name: name not in expected.was_off)[: len(expected.was_off) + 1]
        for name in asked:
            delivered = self._deliver(name)
            if not expected.must_serve:
                finding, why = "health-lies", f"/health is positive at revision {expected.revision}"
            elif name in expected.was_off:
                finding, why = "flag-not-restored", "it was off before, and is on again"
            else:
                finding, why = ("neighbour-affected" if self._some_off() else "release-not-serving"), "it is on"
            self._check(f"{name} takes deliveries", delivered.acknowledged, finding=finding,
                        detail=f"{name}: {why}, and answers {delivered.answer.brief()}")  # fmt: skip

    def _some_off(self) -> bool:
        return any(not self.expected.on(name) for name in self.expected.integrations)

    def _judge_disabled(self) -> None:
        expected = self.expected
        for name in expected.integrations:
            if expected.on(name):
                continue
            delivered = self._deliver(name)
            answer = delivered.answer
            self._check(f"{name} is off and takes no delivery", delivered.acknowledged, expected=False,
                        finding="flag-ignored")  # fmt: skip
            agreed = is_disabled(self._target, name, answer)
            self._check(f"{name} is off and gives the agreed answer", agreed, finding="disabled-answer-differs",
                        detail=f"{name} is off and answers {answer.brief()}")  # fmt: skip

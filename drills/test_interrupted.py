"""Interrupted rollbacks: whoever performs a procedure is cut off, and somebody else begins it again from its top."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rollback_drills.clients.answers import is_disabled
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import REVISION, failing_migration, plant, require_read

from .interruptions import (
    ACCIDENTS,
    Action,
    KillWhen,
    Procedure,
    Stopped,
    database_is_at,
    held_migration,
    held_restore,
    killed_while_it_starts,
    must_succeed,
    release_serves,
)
from .procedures import back_up, fullest_table
from .test_scenario_c import damage

FAILING = "outside-a-transaction"  # the way in which a migration leaves most behind


def quick_application(stack: Stack, lab: Lab) -> Procedure:
    """Stop, downgrade with the newer scripts, deploy the previous release."""
    target, goal = stack.target, stack.alembic.head(stack.target.previous)
    return Procedure(
        stack,
        [
            Action("Stop the gateway", lambda _: stack.gateway.stop()),
            downgrade_to(stack, goal),
            deploy_of(stack, target.previous),
        ],
        lambda: database_is_at(stack, lab, goal) + release_serves(stack, target.previous),
    )


def quick_database(stack: Stack, lab: Lab) -> Procedure:
    """Downgrade to a revision that was written down before, restart."""
    goal = stack.alembic.head(stack.target.previous)
    return Procedure(
        stack,
        [downgrade_to(stack, goal), Action("Restart the gateway", lambda _: ignore(stack.gateway.restart()))],
        lambda: database_is_at(stack, lab, goal),
    )


def quick_flags(stack: Stack, lab: Lab) -> Procedure:
    """Edit the flag, re-create the gateway."""
    target = stack.target
    off, on = target.gated_of(target.current)[-1], target.integrations_of(target.current)[0]

    def recreate(_: KillWhen) -> None:
        if not (outcome := stack.gateway.recreate()).started:
            raise Stopped(f"the gateway does not start: {outcome.log[-600:]}")

    def problems() -> list[str]:
        disabled, enabled = stack.client.deliver(off), stack.client.deliver(on)
        found = [] if is_disabled(target, off, disabled.answer) else [f"{off} answers {disabled.answer.brief()}"]
        return found + ([] if enabled.acknowledged else [f"{on} answers {enabled.answer.brief()}"])

    return Procedure(
        stack,
        [
            Action(f"Turn the flag of {off} off", lambda _: stack.set_flags({off: False})),
            Action("Re-create the gateway", recreate, cut=lambda: killed_while_it_starts(stack, target.current)),
        ],
        problems,
    )


def scenario_b(stack: Stack, lab: Lab) -> Procedure:
    """After a migration that failed outside a transaction: remove what it left, read the revision, deploy."""
    target, good = stack.target, stack.database.revision()
    migration = failing_migration(FAILING, table=fullest_table(stack), down_revision=good)
    broken = plant(stack.commands, target, f"{target.current}-fails-{FAILING}", migration)
    if stack.alembic.upgrade(broken).ok:
        require_read(stack.alembic, target, broken, REVISION)
    return Procedure(
        stack,
        [
            Action("Remove what the migration left", lambda _: stack.database.execute_each(migration.cleanup)),
            Action(f"Downgrade to {good}, unless it is there", downgrade_to(stack, good).perform),
            deploy_of(stack, target.current),
        ],
        lambda: database_is_at(stack, lab, good) + release_serves(stack, target.current),
    )


@dataclass(slots=True)
class Restore:
    """Scenario C: restore beside the damaged database, compare, swap, deploy the previous release."""

    file: Path
    manifest: Manifest
    fresh: LiveDatabase | None = None

    def __call__(self, stack: Stack, lab: Lab) -> Procedure:
        """On a copy of the backup, so that what one interruption leaves beside it is not the next one's trouble."""
        target, file = stack.target, Path(tempfile.mkdtemp(dir=self.file.parent)) / self.file.name
        shutil.copyfile(self.file, file)
        damage(stack)

        def create(_: KillWhen) -> None:
            self.discard()
            self.fresh = stack.database.create_empty()

        def restore(kill_when: KillWhen) -> None:
            result = stack.backups.restore_into(self.new, file, kill_when=kill_when)
            must_succeed("the restore", result)

        def compare(_: KillWhen) -> None:
            schema = self.manifest.schema.diff(self.new.schema()).lines()
            rows = self.manifest.data.diff(self.new.data()).lines()
            if schema or rows:
                raise Stopped("the restored database is not what was backed up: " + "; ".join([*schema, *rows]))

        def swap(_: KillWhen) -> None:
            self.new.swap_with(stack.database)
            self.fresh = None

        return Procedure(
            stack,
            [
                Action("Stop the gateway", lambda _: stack.gateway.stop()),
                Action("Verify the backup", lambda _: stack.backups.verify(file, self.manifest)),
                Action("Create a new database, and drop what an attempt before has left", create),
                Action("Restore into it", restore, lambda: held_restore(self.new)),
                Action("Compare it with the manifest", compare),
                Action("Put it in the damaged one's place", swap),
                deploy_of(stack, target.previous),
            ],
            lambda: database_is_at(stack, lab, self.manifest.revision) + release_serves(stack, target.previous),
        )

    def discard(self) -> None:
        """The database that was restored into, unless it has become the live one."""
        if self.fresh is not None:
            self.fresh.drop()
            self.fresh = None

    @property
    def new(self) -> LiveDatabase:
        assert self.fresh is not None
        return self.fresh


def downgrade_to(stack: Stack, goal: str) -> Action:
    """Read the revision first: where it is the goal, there is nothing to do."""

    def downgrade(kill_when: KillWhen) -> None:
        if stack.database.revision() != goal:
            result = stack.alembic.run(stack.target.current, "downgrade", goal, kill_when=kill_when)
            must_succeed(f"the downgrade to {goal}", result)

    return Action(f"Downgrade to {goal}, unless it is there", downgrade, lambda: held_migration(stack))


def deploy_of(stack: Stack, release: str) -> Action:
    def deploy(_: KillWhen) -> None:
        if not (outcome := stack.gateway.deploy(release)).started:
            raise Stopped(f"release {release} does not start: {outcome.log[-600:]}")

    return Action(f"Deploy release {release}", deploy, cut=lambda: killed_while_it_starts(stack, release))


def ignore(_: object) -> None:
    """What the step gives is not what it is judged by."""


Make = Callable[[Stack, Lab], Procedure]


@pytest.mark.drill("Interrupted: quick rollback of the application", runbook="quick-application")
def test_interrupted_quick_application(lab: Lab, drill: Drill) -> None:
    """Stop, downgrade, deploy: cut off between any two steps, in the downgrade in three ways, and while it starts."""
    interrupt_everywhere(lab, drill, quick_application)


@pytest.mark.drill(
    "Interrupted: quick rollback of the database", runbook="quick-database", requires=("start-without-migration",)
)
def test_interrupted_quick_database(lab: Lab, drill: Drill) -> None:
    """Downgrade to a revision that was written down, restart. The same with `-1` would go one further: shown, too."""
    interrupt_everywhere(lab, drill, quick_database, accidents=ACCIDENTS[:1])
    with beginning(lab, drill) as stack, drill.step("What a repeated `downgrade -1` would do"):
        before = stack.database.revision()
        for _ in range(2):
            stack.alembic.downgrade(stack.target.current, "-1")
        drill.observe("revision", f"{before} → {stack.database.revision()}, instead of one below")


@pytest.mark.drill("Interrupted: a feature flag", runbook="quick-flags", requires=("flags",))
def test_interrupted_quick_flags(lab: Lab, drill: Drill) -> None:
    """Edit, re-create: cut off in between, and by a gateway that is killed, also while it starts."""
    interrupt_everywhere(lab, drill, quick_flags)


@pytest.mark.drill("Interrupted: cleaning up after a failed migration", runbook="scenario-b")
def test_interrupted_scenario_b(lab: Lab, drill: Drill) -> None:
    """Remove what is left, read the revision, deploy: cut off between any two steps, and while the gateway starts."""
    interrupt_everywhere(lab, drill, scenario_b)


@pytest.mark.drill("Interrupted: a restore", runbook="scenario-c")
def test_interrupted_scenario_c(lab: Lab, drill: Drill, tmp_path: Path) -> None:
    """Stop, verify, restore, compare, swap, deploy: cut off between any two, and in the middle of restore and start."""
    stack = lab.stack(lab.target.previous)
    try:
        file, manifest = back_up(stack, drill, tmp_path)
    finally:
        lab.discard(stack)
    restore = Restore(file, manifest)
    try:
        interrupt_everywhere(lab, drill, restore)
    finally:
        restore.discard()


def interrupt_everywhere(lab: Lab, drill: Drill, make: Make, *, accidents: Sequence[str] = ACCIDENTS) -> None:
    """Each interruption on a stack of its own; all of them are performed, whatever is found."""
    with beginning(lab, drill) as stack:
        procedure = make(stack, lab)
        actions = procedure.actions
        with drill.step("Undisturbed"):
            problems = procedure.perform()
            drill.check("it leads to its end", problems, expected=[], finding="release-not-serving")
    with drill.together():
        for index, action in enumerate(actions, start=1):
            for accident in action.accidents(accidents):
                in_the_middle(lab, drill, make, index - 1, accident)
            between(lab, drill, make, index)


def between(lab: Lab, drill: Drill, make: Make, index: int) -> None:
    """After a step; after the last one the gateway dies as well."""
    with beginning(lab, drill) as stack:
        procedure = make(stack, lab)
        last = index == len(procedure.actions)
        where = f"after {procedure.actions[index - 1].title!r}{', with the gateway killed' if last else ''}"
        with drill.step(f"Cut off {where}, and again from the top"):
            procedure.perform_until(index)
            if last:
                stack.gateway.kill()
            judge(drill, procedure, where)


def in_the_middle(lab: Lab, drill: Drill, make: Make, index: int, accident: str) -> None:
    with beginning(lab, drill) as stack:
        procedure = make(stack, lab)
        where = f"in {procedure.actions[index].title!r}, where {accident}"
        with drill.step(f"Cut off {where}, and again from the top"):
            procedure.perform_until(index)
            happened = procedure.suffer(index, accident)
            drill.observe("the accident happened in the middle", happened)
            if not happened:  # a command of the target's own may do without what it is held by
                drill.fact(f"not proven: cut off {where}", "it was over before the accident could happen")
            judge(drill, procedure, where)


def judge(drill: Drill, procedure: Procedure, where: str) -> None:
    drill.observe("where things are", procedure.where())
    problems = procedure.perform()
    drill.check(
        "performed again from its top, it leads to its end",
        problems,
        expected=[],
        finding="repeat-unsafe",
        detail=f"cut off {where} and performed again: {'; '.join(problems)}",
    )


@contextmanager
def beginning(lab: Lab, drill: Drill) -> Iterator[Stack]:
    """The current release runs, as when somebody decides to roll back."""
    stack = lab.stack()
    stack.command_log.listeners.append(drill.command)
    try:
        stack.must_start(stack.gateway.deploy(lab.target.current))
        yield stack
    finally:
        lab.discard(stack)

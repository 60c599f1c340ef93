"""Interrupted rollbacks: an operator is cut off, and another one begins the same procedure again from its top.

Each procedure reads like its page of the runbook: ``yield`` names a step, and the lines below it are what is done. It
is cut off between any two steps and, where an `Operator` performs a command or a start, in the middle of that.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_drills.drill.checkers import (
    Judge,
    Problems,
    check_disabled,
    check_restored,
    check_revision,
    check_rows,
    check_schema,
    check_serves,
    check_taken,
)
from rollback_drills.drill.checkers.restored import LEFT_OUT
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.faults import OperatorKilled, held_restore
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import REVISION, failing_migration, plant, require_read
from rollback_drills.postgres.dump import restorable

from .interruptions import Operator, Procedure, StepFailedError, interrupt_everywhere, running_stack
from .procedures import back_up, damage, fullest_table

FAILING = "outside-a-transaction"  # the way in which a failed migration leaves most behind


class QuickApplication(Procedure):
    """Stop, downgrade with the newer scripts, deploy the previous release."""

    def __init__(self, stack: Stack, lab: Lab) -> None:
        super().__init__(stack, lab)
        self.goal = stack.alembic.head(stack.target.previous)

    def steps(self, operator: Operator) -> Iterator[str]:
        yield "Stop the gateway"
        self.stack.gateway.stop()

        yield f"Downgrade to {self.goal}, unless it is there"
        operator.downgrade_to(self.goal)

        yield f"Deploy release {self.target.previous}"
        operator.deploy(self.target.previous)

    def check(self, judge: Judge) -> None:
        self.check_downgraded(judge, self.goal)
        check_serves(judge, self.stack, self.target.previous, recovering=True)


class QuickDatabase(Procedure):
    """Downgrade to a revision that was written down before, restart."""

    command_faults = (OperatorKilled(),)  # the same downgrade is interrupted in every way in `QuickApplication`

    def __init__(self, stack: Stack, lab: Lab) -> None:
        super().__init__(stack, lab)
        self.goal = stack.alembic.head(stack.target.previous)

    def steps(self, operator: Operator) -> Iterator[str]:
        yield f"Downgrade to {self.goal}, unless it is there"
        operator.downgrade_to(self.goal)

        yield "Restart the gateway"
        self.stack.gateway.restart()  # the current release need not start on the older schema

    def check(self, judge: Judge) -> None:
        self.check_downgraded(judge, self.goal)


class QuickFlags(Procedure):
    """Edit the flag, re-create the gateway."""

    def __init__(self, stack: Stack, lab: Lab) -> None:
        super().__init__(stack, lab)
        self.off = self.target.gated_of(self.target.current)[-1]
        self.on = next((name for name in self.target.integrations_of(self.target.current) if name != self.off), None)

    def steps(self, operator: Operator) -> Iterator[str]:
        yield f"Turn the flag of {self.off} off"
        self.stack.set_flags({self.off: False})

        yield "Re-create the gateway"
        operator.recreate_gateway()

    def check(self, judge: Judge) -> None:
        check_disabled(judge, self.target, self.off, [self.stack.client.deliver(self.off)])
        if self.on is not None:
            check_taken(judge, self.stack, [self.stack.client.deliver(self.on)])


class ScenarioB(Procedure):
    """After a migration that failed outside a transaction: remove what it left, read the revision, deploy."""

    def __init__(self, stack: Stack, lab: Lab) -> None:
        super().__init__(stack, lab)
        self.good = stack.database.revision()
        self.migration = failing_migration(FAILING, table=fullest_table(stack), down_revision=self.good)
        broken = plant(stack.commands, self.target, f"{self.target.current}-fails-{FAILING}", self.migration)
        if stack.alembic.upgrade(broken).ok:
            require_read(stack.alembic, self.target, broken, REVISION)

    def steps(self, operator: Operator) -> Iterator[str]:
        yield "Remove what the migration left"
        self.stack.database.execute_each(self.migration.cleanup)

        yield f"Downgrade to {self.good}, unless it is there"
        operator.downgrade_to(self.good)

        yield f"Deploy release {self.target.current}"
        operator.deploy(self.target.current)

    def check(self, judge: Judge) -> None:
        self.check_downgraded(judge, self.good)
        check_serves(judge, self.stack, self.target.current, recovering=True)


class ScenarioC(Procedure):
    """Restore beside the damaged database, compare, swap, deploy the previous release."""

    def __init__(self, stack: Stack, lab: Lab, file: Path, manifest: Manifest) -> None:
        """Each stack has a copy of the backup: what one interruption leaves beside it does not disturb the next."""
        super().__init__(stack, lab)
        self.file, self.manifest = Path(tempfile.mkdtemp(dir=file.parent)) / file.name, manifest
        shutil.copyfile(file, self.file)
        damage(stack)
        self.new: LiveDatabase | None = None
        self.clean_up.callback(self.drop_new)

    def steps(self, operator: Operator) -> Iterator[str]:
        yield "Stop the gateway"
        self.stack.gateway.stop()

        yield "Verify the backup"
        self.stack.backups.verify(self.file, self.manifest)

        yield "Create a new database, and drop what an attempt before has left"
        self.drop_new()
        self.new = new = self.stack.database.create_empty()

        yield "Restore into it"
        operator.run(
            "the restore",
            lambda kill_when: self.stack.backups.restore_into(new, self.file, kill_when=kill_when),
            held=lambda: held_restore(new),
            finding="backup-unusable",
        )

        yield "Compare it with the manifest"
        differences = Problems()
        check_restored(differences, self.manifest, new)
        if differences.lines:
            what = f"the restored database is not what was backed up: {'; '.join(differences.lines)}"
            raise StepFailedError(what, finding=differences.findings[0])

        yield "Put it in the damaged one's place"
        new.swap_with(self.stack.database).drop()
        self.new = None

        yield f"Deploy release {self.target.previous}"
        operator.deploy(self.target.previous)

    def check(self, judge: Judge) -> None:
        """As a database that was only ever upgraded to there, but for what no dump holds."""
        revision = self.manifest.revision
        reference = self.lab.only_upgraded_to(revision)
        check_revision(judge, self.stack, revision)
        schema = restorable(self.stack.database.schema())
        check_schema(judge, restorable(reference.schema), schema, finding="restore-differs")
        if reference.rows is not None:
            check_rows(judge, reference.rows, self.stack.database, remedy=LEFT_OUT)
        check_serves(judge, self.stack, self.target.previous, recovering=True)

    def drop_new(self) -> None:
        """Drop the database that was restored into, unless it has become the live one."""
        if self.new is not None:
            self.new.drop()
            self.new = None


@pytest.mark.drill("Interrupted: quick rollback of the application", runbook="quick-application", requires="gateway")
def test_interrupted_quick_application(lab: Lab, drill: Drill) -> None:
    """Stop, downgrade, deploy: cut off between any two steps, in the downgrade in three ways, and while it starts."""
    interrupt_everywhere(lab, drill, QuickApplication)


@pytest.mark.drill(
    "Interrupted: quick rollback of the database",
    runbook="quick-database",
    requires=("gateway", "start-without-migration"),
)
def test_interrupted_quick_database(lab: Lab, drill: Drill) -> None:
    """Downgrade to a revision that was written down, restart. Shown as well: `-1`, repeated, goes one further."""
    interrupt_everywhere(lab, drill, QuickDatabase)
    with running_stack(lab, drill) as stack, drill.step("What a repeated `downgrade -1` would do"):
        before = stack.database.revision()
        for _ in range(2):
            stack.alembic.downgrade(stack.target.current, "-1")
        drill.observe("revision", f"{before} → {stack.database.revision()}, instead of one below")


@pytest.mark.drill("Interrupted: a feature flag", runbook="quick-flags", requires=("flags",))
def test_interrupted_quick_flags(lab: Lab, drill: Drill) -> None:
    """Edit, re-create: cut off in between, and by a gateway that is killed, also while it starts."""
    interrupt_everywhere(lab, drill, QuickFlags)


@pytest.mark.drill("Interrupted: cleaning up after a failed migration", runbook="scenario-b", requires="gateway")
def test_interrupted_scenario_b(lab: Lab, drill: Drill) -> None:
    """Remove what is left, read the revision, deploy: cut off between any two steps, and while the gateway starts."""
    interrupt_everywhere(lab, drill, ScenarioB)


@pytest.mark.drill("Interrupted: a restore", runbook="scenario-c", requires="gateway")
def test_interrupted_scenario_c(lab: Lab, drill: Drill, tmp_path: Path) -> None:
    """Stop, verify, restore, compare, swap, deploy: cut off between any two, and in the middle of restore and start."""
    stack = lab.stack(lab.target.previous)
    try:
        file, manifest = back_up(stack, drill, tmp_path)
    finally:
        lab.discard(stack)
    interrupt_everywhere(lab, drill, lambda stack, lab: ScenarioC(stack, lab, file, manifest))

"""Prevention: what has to hold on a quiet day, so that a rollback is possible on a bad one."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.drill.checkers import check_answered, check_deliveries
from rollback_drills.drill.checkers.fresh import REMEDY as STALE_REMEDY
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack

from .procedures import (
    back_up,
    check_flag_defaults,
    check_release_serves,
    deploy,
    error_rate_of,
    note_told_apart,
    note_ungated,
    restore,
)


@pytest.mark.drill("Prevention: a backup precedes the migration", runbook="prevention")
def test_prevention_backup_first(previous_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """The backup from before the migration is complete; one from after it is new, and can be restored as well.

    From the next day on, all backups are of the new schema, with the rows that the new release writes.
    """
    stack, target = previous_stack, previous_stack.target
    file, manifest = back_up(stack, drill, tmp_path)
    with drill.step("Look into the backup"):
        held = manifest.revision.encode() in file.read_bytes()
        drill.check("it holds the revision from before the migration", held, finding="backup-unusable")
    with drill.step("Migrate"):
        stack.gateway.stop()
        drill.check("the migrations succeed", stack.alembic.upgrade(target.current).ok)
        moved = manifest.revision != stack.database.revision()
        drill.observe("the migration moved the revision", moved)
        drill.fact("revision", f"{manifest.revision} → {stack.database.revision()}")
    with drill.step(f"Deploy release {target.current}, and take deliveries"):
        deploy(stack, drill, target.current)
        check_deliveries(drill, stack, target.current)
    title = "Back up the database again, after the migration"
    later, after = back_up(stack, drill, tmp_path, name="later.sql", title=title)
    with drill.step("Compare both backups"):
        drill.check(
            "the later one is another file",
            after.sha256 != manifest.sha256,
            finding="backup-unusable",
            detail="the backup is stale: after a migration and new deliveries, the backup command hands out the file "
            "of its first run",
            remedy=STALE_REMEDY,
        )
    restore(stack, drill, later, after).drop()


@pytest.mark.drill("Prevention: every integration has a flag", runbook="prevention", requires=("flags",))
def test_prevention_every_flag(idle_stack: Stack, drill: Drill) -> None:
    """With every flag off no integration takes a delivery; an unset flag has its declared default.

    Integrations that the target file declares as ungated are reported as a known gap, and not judged.
    """
    stack, target = idle_stack, idle_stack.target
    names = target.gated_of(target.current)
    with drill.step("Turn every flag off"):
        stack.set_flags(dict.fromkeys(names, False))
        deploy(stack, drill, target.current)
        drill.check("the gateway is healthy nonetheless", stack.client.healthy(), finding="release-not-serving")
    with drill.step("Deliver to every integration"):
        answered = check_answered(drill, [stack.client.deliver(name) for name in names])
        ungated = [each.integration for each in answered if each.acknowledged]
        drill.check(
            "integrations that take deliveries all the same",
            ungated,
            expected=[],
            finding="integration-without-flag",
            detail=f"no flag turns off: {', '.join(ungated)}",
        )
        for name in target.ungated_of(target.current):
            note_ungated(drill, name)
    check_flag_defaults(stack, drill, target.current)


@pytest.mark.drill("Prevention: the previous release is still there", runbook="prevention")
def test_prevention_previous_release(previous_stack: Stack, drill: Drill) -> None:
    """It is available, starts, serves on its own schema, and its flags have their declared defaults."""
    check_release_serves(previous_stack, drill, previous_stack.target.previous)
    note_told_apart(previous_stack, drill)
    check_flag_defaults(previous_stack, drill, previous_stack.target.previous)


@pytest.mark.drill(
    "Prevention: the error rate can be watched", runbook="prevention", requires=("flags", "symptom", "metrics")
)
def test_prevention_error_rate(stack: Stack, drill: Drill) -> None:
    """Every integration's failures show in the error rate, so that a bad release raises an alarm."""
    names = stack.target.integrations_of(stack.target.current)
    assert stack.target.flags is not None
    assert stack.target.flags.symptom is not None
    with drill.step("Make every integration fail"):
        for name in names:
            stack.database.execute(stack.target.flags.symptom.format(integration=name))
        with stack.clients.paused():  # their failures would be counted as well
            traffic, delivered = error_rate_of(stack, names, rounds=1)
        failed = sum(not each.acknowledged for each in check_answered(drill, delivered))
        drill.check("deliveries that fail", failed, expected=len(names))
        drill.check("errors that are counted", int(traffic.errors), expected=failed, finding="errors-not-visible")

"""Scenario C: complete version rollback. A backup, an upgrade, damage, and a restore."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.errors import BackupRefusedError
from rollback_drills.drill.checkers import (
    check_deliveries,
    check_not_rolled_back_yet,
    learn_contents,
    sampled,
)
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack

from .procedures import (
    back_up,
    check_read_as_before,
    check_release_serves,
    check_repeated_after_restore,
    check_still_stored,
    check_stored_as_sent,
    damage,
    deploy,
    given_up,
    note_told_apart,
    restore,
)

FOREIGN = "somebody_elses"  # a table of another system


@pytest.mark.drill(
    "Scenario C: restore a backup and the previous release", runbook="scenario-c", objective="full_restore"
)
def test_scenario_c_full_restore(previous_stack: Stack, drill: Drill, lab: Lab, tmp_path: Path) -> None:
    """The database is what was backed up, only the writes since then are lost, and senders can repeat them.

    It is restored into a new database, compared with the manifest written with the backup, and only then renamed. The
    same commands over a database that is not empty exit 0, and leave damaged rows, doubled rows, rewound sequences.
    """
    stack, target = previous_stack, previous_stack.target
    with drill.step(f"Take deliveries under release {target.previous}"):
        kept = check_deliveries(drill, stack, target.previous, finding="steady-state-missing")
        names = sampled(target, target.previous)
        learnt = learn_contents(stack, target.previous, names)
    file, manifest = back_up(stack, drill, tmp_path)
    with drill.step(f"Upgrade to release {target.current}"):
        stack.gateway.stop()
        drill.check("the migrations succeed", stack.alembic.upgrade(target.current).ok)
        deploy(stack, drill, target.current)
    with drill.step("Take deliveries that no backup holds"):
        check_deliveries(drill, stack, target.current, finding="steady-state-missing")
        check_not_rolled_back_yet(drill, stack)
    with drill.step("Damage the data"):
        destroyed = damage(stack)
        drill.observe("rows destroyed or altered", destroyed)
        drill.check("there is damage to repair", all(count > 0 for count in destroyed.values()))

    with drill.recovery():
        with drill.step("Stop the gateway", checklist="stop-service"):
            stack.gateway.stop()
        with drill.step("Verify the backup before touching anything"):
            stack.backups.verify(file, manifest)
        fresh = restore(stack, drill, file, manifest)
        with drill.step("Put the restored database in the damaged one's place", checklist="rollback-database"):
            lost = given_up(stack, manifest)
            damaged = fresh.swap_with(stack.database)
            stack.clients.give_up(since=manifest.began)
            drill.check("revision", stack.database.revision(), expected=manifest.revision, finding="revision-wrong")
            drill.observe("the damaged database is kept for the analysis as", damaged.name)
        with drill.step(f"Deploy release {target.previous}", checklist="disable-or-rollback"):
            deploy(stack, drill, target.previous)
        check_release_serves(stack, drill, target.previous)
    with drill.step("Account for the writes from before the backup"):
        check_still_stored(stack, drill, kept)
    note_told_apart(stack, drill)
    check_read_as_before(stack, drill, lab)
    check_repeated_after_restore(stack, drill, target.previous, lost)
    check_stored_as_sent(stack, drill, learnt, target.previous, names)
    damaged.drop()


@pytest.mark.drill("Scenario C: a bad backup is refused", runbook="scenario-c")
@pytest.mark.parametrize("defect", ["truncated", "empty", "foreign"])
def test_scenario_c_bad_backup(defect: str, idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """A backup that is truncated, empty, or of another system is refused before anything is destroyed."""
    stack = idle_stack
    file, manifest = back_up(stack, drill, tmp_path)
    before = stack.database.schema().digest, stack.database.data()
    with drill.step(f"Offer a backup that is {defect}"):
        bad = make_bad(stack, drill, defect, file, tmp_path / f"{defect}.sql")
        try:
            stack.backups.verify(bad, manifest)
            refusal = ""
        except BackupRefusedError as refused:
            refusal = refused.what
        drill.check("it is refused", bool(refusal), finding="bad-backup-accepted", detail=f"a {defect} backup passes")
        drill.observe("the refusal says", refusal)
        if stack.backups.settings.restore is not None:
            refuse_by_itself(stack, drill, bad, defect)
    with drill.step("Nothing was touched"):
        after = stack.database.schema().digest, stack.database.data()
        drill.check("schema and data are as before", before == after, finding="bad-backup-accepted")


def refuse_by_itself(stack: Stack, drill: Drill, bad: Path, defect: str) -> None:
    """The target's own restore command must refuse the file, too: at night nothing else checks it."""
    fresh = stack.database.create_empty()
    result = stack.backups.restore_into(fresh, bad)
    drill.check(
        "the target's own restore command fails",
        result.ok,
        expected=False,
        finding="bad-backup-accepted",
        detail=f"the restore command exits 0 on a backup that is {defect}",
    )
    fresh.drop()


def make_bad(stack: Stack, drill: Drill, defect: str, good: Path, bad: Path) -> Path:
    """Make a file with the defect from a good backup."""
    content = good.read_bytes()
    match defect:
        case "truncated":
            # In the middle of the data, at the end of a line: the cut that restores without an error.
            middle = content.index(b"\n\\.\n")
            bad.write_bytes(content[: content.rindex(b"\n", 0, middle) + 1])
        case "empty":
            bad.touch()
        case "foreign":
            other = stack.database.create_empty()
            other.execute_as_owner(f"CREATE TABLE {FOREIGN} (id integer PRIMARY KEY)")
            stack.backups.take(other, bad)
            other.drop()
            drill.check(
                "the backup command dumps the database that it is given",
                bad.is_file() and FOREIGN.encode() in bad.read_bytes(),
                finding="backup-unusable",
                detail="the backup command wrote no dump of the other system's database: it ignores {database} and "
                "{database_url}, or hands out an earlier file",
                remedy="Let the dump command dump the database at {database_url}, and write a new file each time.",
            )
    return bad

"""Before a release: what the downgrade of every migration does, with rows in the tables.

`pytest drills -k "reversibility and 0007"` proves one revision; `--drill-since REV` those above it. Without a gateway:
`rollback-drills migrations path/to/alembic.ini`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pydantic import JsonValue

from rollback_drills.core.errors import DrillError
from rollback_drills.drill.checkers import Problems, check_deliveries, check_write_probe
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations.reversibility.history import problems_of, revisions_above
from rollback_drills.migrations.reversibility.proof import Proof
from rollback_drills.migrations.reversibility.walk import Walk
from rollback_drills.migrations.scripts import Scripts
from rollback_drills.migrations.walker.client import ScriptHistory
from rollback_drills.pytest_plugin.revisions import EVERY, NOTHING_NEW

from .procedures import downgrade


@pytest.mark.drill("Reversibility: the history of migrations", runbook="reversibility", group="reversibility")
def test_reversibility_history(scripts: Scripts, drill: Drill, request: pytest.FixtureRequest) -> None:
    """Every script can be read, they form one history, and it has one head."""
    if scripts.ids or scripts.problems:  # they may be in an image, where alembic alone reads them
        with drill.step("Read the migration scripts without running them"):
            drill.observe("revisions", len(scripts.ids))
            problems = list(scripts.problems)
            drill.check("they form one history", problems, expected=[], finding="history-broken")
            check_heads(drill, scripts.heads, sum(bool(each.labels) for each in scripts.scripts))
    with drill.step("Read them as alembic does"):
        walk: Walk = request.getfixturevalue("walk")
        history = history_of(walk)
        drill.observe("read by", {**history.versions, "driver": walk.driver})
        drill.observe("merges", [each.id for each in history.revisions if len(each.down) > 1])
        drill.observe("branches", list(history.branchpoints))
        check_readable(walk, drill)
        check_heads(drill, history.heads, sum(bool(each.labels) for each in history.revisions))


def history_of(walk: Walk) -> ScriptHistory:
    """The scripts; skips the drill where an earlier one has told why there are none."""
    if walk.blocked:
        pytest.skip(walk.blocked)
    try:
        return walk.history
    except DrillError as error:
        walk.blocked = f"no revision can be walked: {error.what}: {error.cause}"
        raise


def check_readable(walk: Walk, drill: Drill) -> None:
    """The scripts can be read; a history that cannot is one finding, however many revisions it has."""
    problems = problems_of(walk.history)
    if not walk.history.revisions:
        walk.blocked = f"no revision can be walked: {'; '.join(problems) or 'alembic finds no script'}"
    drill.check("every script can be imported", problems, expected=[], finding="history-broken")


def check_heads(drill: Drill, heads: Sequence[str], labelled: int) -> None:
    drill.check(
        "there is one head, or each branch has a label",
        list(heads) if len(heads) > 1 and labelled < len(heads) - 1 else "one head",
        expected="one head",
        finding="history-branches",
    )


@pytest.mark.drill("Reversibility of a migration", runbook="reversibility", group="reversibility")
def test_reversibility(revision: str, walk: Walk, drill: Drill, request: pytest.FixtureRequest) -> None:
    """Up, down and up again: the schema is restored, rows survive, and what is lost is declared."""
    if revision == NOTHING_NEW:
        pytest.skip(f"no revision is newer than {request.config.getoption('drill_since')}")
    history_of(walk)
    if not walk.history.revisions:
        with drill.step("Read the migration scripts as alembic does"):
            check_readable(walk, drill)
    if revision != EVERY:
        if reason := walk.unreachable(revision):  # one finding names what fails, and not each revision above it
            drill.revision(walk.prove(revision).to_json())
            pytest.skip(reason)
        prove(revision, walk, drill)
        return
    with drill.step("Read the history in the image"):
        try:
            revisions = revisions_above(walk.history, request.config.getoption("drill_since"))
        except LookupError as error:
            pytest.fail(str(error), pytrace=False)
        drill.observe("revisions", len(revisions))
    with drill.together():
        for each in revisions:
            if walk.unreachable(each):
                drill.revision(walk.prove(each).to_json())
            else:
                prove(each, walk, drill)


def prove(revision: str, walk: Walk, drill: Drill) -> None:
    """A step that fails by the findings of the proof."""
    with drill.step(f"Migrate {revision} up, down and up again, with rows in the tables"), drill.together():
        proof = walk.prove(revision)
        drill.revision(proof.to_json())
        record(drill, proof)
        for found in proof.findings:
            drill.check(found.detail, False, finding=found.code, detail=found.detail)
        if not proof.findings:
            drill.check("the downgrade restores schema and rows, or says what it does not", proof.verdict != "unproven")


def record(drill: Drill, proof: Proof) -> None:
    """What the step shows of a revision."""
    drill.observe("class", proof.verdict + (f": {proof.reason}" if proof.reason else ""))
    drill.observe("generated rows", proof.seeded)
    drill.observe("the upgrade's statements took", round(proof.up_seconds, 4), "s")
    drill.observe("the downgrade's statements took", round(proof.down_seconds, 4), "s")
    if proof.restored:
        drill.observe("instead of a downgrade", proof.restored)
    if proof.losses:
        drill.observe(f"rolling back past {proof.revision} destroys", list(proof.loss_lines()))
    if proof.reordered:
        drill.observe("columns in another order, which PostgreSQL cannot restore", sorted(proof.reordered))
    strong = [
        f"{lock.direction}: {lock.mode} on {lock.relation}{f' ({lock.work})' if lock.work else ''}, {lock.known}"
        for lock in proof.every_lock
    ]
    if strong:
        drill.observe("strongest locks on what was there", strong)
    if proof.not_interrupted:
        drill.observe("statements at which it was not interrupted", list(proof.not_interrupted))
    for each in proof.interruptions:
        if each.left:
            drill.observe(f"{each.where}: it is restored by", [each.restored_by, *each.commands])


@pytest.mark.drill("Reversibility: locks and the walk itself", runbook="reversibility", group="reversibility")
def test_reversibility_locks(walk: Walk, drill: Drill) -> None:
    """No migration waits for a lock without a limit; and the schema that the walk tracked is the real one."""
    history_of(walk)
    if walk.chosen == () or not walk.history.revisions:
        pytest.skip("there is no revision to walk")
    if not walk.proofs:
        with drill.step("Migrate every revision up, down and up again"):
            drill.check("there are revisions", len(walk.prove_all()) > 0)
    with drill.step("Compare the schema that the walk tracked with the real one"):
        walk.verify()
        drill.observe("revisions proven", len(walk.proofs))
        drill.observe("memory of the walker", walk.memory, "bytes")
    with drill.step("See whether migrations wait for locks without a limit"):
        waiting = {proof.revision: ", ".join(proof.waiting_for) for proof in walk.proofs.values()}
        waiting = {revision: tables for revision, tables in waiting.items() if tables}
        drill.observe("in the baseline", sorted(walk.waiting & waiting.keys()))
        waiting = {revision: tables for revision, tables in waiting.items() if revision not in walk.waiting}
        some = "; ".join(f"{revision}: {tables}" for revision, tables in list(waiting.items())[:5])
        drill.check(
            "every lock against clients is waited for within a limit",
            len(waiting),
            expected=0,
            finding="lock-timeout-missing",
            detail=f"{len(waiting)} revisions lock tables with lock_timeout = 0, among them {some}",
        )


@pytest.mark.drill("Reversibility: the previous release on each newer schema", runbook="reversibility")
def test_reversibility_previous_release(previous_stack: Stack, drill: Drill) -> None:
    """Expand first, contract later: up to which revision can the application alone be rolled back?"""
    stack, target = previous_stack, previous_stack.target
    history = reversed(stack.alembic.history(target.current))
    newer = [revision for revision in history if not stack.alembic.knows(target.previous, revision)]
    serves: dict[str, str] = {}
    for revision in newer:
        with drill.step(f"Release {target.previous} on the schema of {revision}"):
            drill.check("the migration succeeds", stack.alembic.upgrade(target.current, revision).ok)
            outcome = stack.gateway.recreate()
            serves[revision] = f"does not start: {outcome.log}" if not outcome.started else refusals(stack)
            drill.observe("deliveries", serves[revision] or "all are accepted and stored")
    with drill.step("Find the point of no return"):
        table: JsonValue = {revision: reason or "serves" for revision, reason in serves.items()}
        drill.fact("releases on schemas", {target.previous: table})
        broken = [revision for revision, reason in serves.items() if reason]
        drill.check(
            f"release {target.previous} serves on every schema up to that of {target.current}",
            broken[0] if broken else "serves",
            expected="serves",
            finding="old-release-breaks",
            detail=f"the point of no return is {broken[0]}: {serves[broken[0]]}" if broken else "",
        )


def refusals(stack: Stack) -> str:
    """What the running release does not accept and store; empty when it takes everything.

    Health is not asked: a release may honestly say that it does not know the schema, and still take deliveries.
    """
    problems = Problems()
    check_write_probe(problems, stack)
    check_deliveries(problems, stack, stack.target.previous)
    return "; ".join(problems.lines)


@pytest.mark.drill("Reversibility: which release has to downgrade", runbook="reversibility")
def test_reversibility_order_guard(idle_stack: Stack, lab: Lab, drill: Drill) -> None:
    """Does the previous release know the database's revision? If not, name the downgrade that has to run first."""
    stack, target = idle_stack, idle_stack.target
    with drill.step(f"Ask release {target.previous} for the revision that the database is at"):
        revision, goal = stack.database.revision(), stack.alembic.head(target.previous)
        known = stack.alembic.knows(target.previous, revision)
        drill.observe(f"release {target.previous} knows {revision}", known)
    if known:
        return
    command = f"{' '.join(target.migrations.command)} downgrade {goal}"
    with drill.step(f"Before release {target.previous} is deployed, with the scripts of {target.current}: {command}"):
        drill.check(
            f"release {target.current} has the revision {goal}",
            stack.alembic.knows(target.current, goal),
            finding="downgrade-order-unknown",
            detail=f"release {target.previous} ends at {goal}, which release {target.current} does not have",
        )
        downgrade(stack, drill, lab, goal)
        drill.fact("to run before the previous release is deployed", command)

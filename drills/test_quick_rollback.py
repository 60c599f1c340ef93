"""Quick rollback: the first page of the runbook, for the first minutes of an emergency."""

from __future__ import annotations

import time

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.drill.checkers import (
    check_answered,
    check_compared,
    check_deliveries,
    check_disabled,
    check_healthy,
    check_healthy_means_serving,
    check_not_rolled_back_yet,
    check_revision,
    learn_contents,
    sampled,
)
from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations.alembic import JOINT
from rollback_drills.target.system_tables import Downgrade

from .flags import check_newer_flags, check_stays_off
from .procedures import (
    check_read_as_before,
    check_release_serves,
    check_repetitions,
    check_seed,
    check_started,
    check_still_stored,
    check_stored_as_sent,
    deploy,
    downgrade,
    note_told_apart,
    return_database_to,
    take_deliveries,
    watch_traffic,
)
from .stopping import check_requests_under_way

REPEATED = 12  # deliveries to a disabled integration; of two workers one that ignores the flag escapes once in 4096


@pytest.mark.drill(
    "Quick rollback 1: application",
    runbook="quick-application",
    objective="application_rollback",
)
def test_quick_application(stack: Stack, drill: Drill, lab: Lab) -> None:
    """The previous release serves again, by version and by behaviour, on data that are intact.

    A health check alone proves nothing: it answers 200 whatever release is running. So the drill asks for the version,
    for answers that only the previous release gives, and for every row and delivery that was there before. Where the
    target file names no such answer, the version has to do, and the report says so.

    Where the database has to go back, it goes first: only the newer release's scripts lead back, and a release that
    does not know the revision may not start, so that deploying it first would only prolong the outage.
    """
    target = stack.target
    drill.fact("release", f"{target.current} → {target.previous}")
    with drill.step("Take deliveries under the current release"):
        writes = take_deliveries(stack, drill, lab, target.current)
        check_not_rolled_back_yet(drill, stack)
        common = sampled(target, target.previous)
        learnt = learn_contents(stack, target.current, common)

    check_requests_under_way(stack, drill)
    with drill.recovery():
        with drill.step("Stop the gateway", checklist="stop-service"):
            stack.gateway.stop()
            drill.check(
                "nothing answers any more",
                stack.client.health().status,
                expected=None,
                finding="stopped-release-answers",
            )
        return_database_to(stack, drill, lab, target.previous)
        with drill.step(f"Deploy release {target.previous}", checklist="disable-or-rollback"):
            deploy(stack, drill, target.previous)
        check_release_serves(stack, drill, target.previous)
    note_told_apart(stack, drill)

    with drill.step("Compare the data with what was there before"):
        check_seed(stack, drill, lab)
        check_still_stored(stack, drill, writes)
    check_read_as_before(stack, drill, lab)
    check_stored_as_sent(stack, drill, learnt, target.previous, common)
    check_repetitions(stack, drill, target.previous, writes)
    drill.fact("database revision at the end", stack.database.revision())
    account_for_clients(stack, drill)  # before the drill stops the gateway again, for a reason of its own
    check_newer_flags(stack, drill, target.previous)


@pytest.mark.drill(
    "Quick rollback 2: one migration back",
    runbook="quick-database",
    objective="database_rollback",
    requires=("start-without-migration",),
)
def test_quick_database_one_step(stack: Stack, drill: Drill, lab: Lab) -> None:
    """`alembic current`, `downgrade -1`, restart: the database is one revision back, and stays there.

    The restart is part of the proof: a gateway that migrates when it starts applies again what was just rolled back.
    """
    target = stack.target
    pair = named_downgrade(stack)
    if pair is not None:
        go_to(stack, drill, pair.from_)
    with drill.step("Read the current revision"):
        if pair is None:
            watch_traffic(stack, drill, lab)
        head = stack.alembic.current(target.current)
        drill.check("`alembic current` says what the database says", head, expected=stack.database.revision())
    if JOINT in head:
        pytest.skip(f"the database has several heads ({head}): `downgrade -1` is ambiguous, and alembic refuses it")
    goal = stack.alembic.before(target.current, head)
    with drill.recovery():
        with drill.step("Downgrade by one revision", checklist="rollback-database"):
            downgrade(stack, drill, lab, goal, argument="-1")
        check_restart_stays(stack, drill, goal)
    drill.fact("revision", f"{head} → {goal}")


@pytest.mark.drill(
    "Quick rollback 2: back to a named revision", runbook="quick-database", objective="database_rollback"
)
def test_quick_database_named_revision(stack: Stack, drill: Drill, lab: Lab) -> None:
    """`downgrade <revision>` to the previous release's head: schema and rows are those that this release knows."""
    target = stack.target
    pair = named_downgrade(stack)
    if pair is not None:
        go_to(stack, drill, pair.from_)
        with drill.recovery():
            with drill.step(f"Downgrade to {pair.to}", checklist="rollback-database"):
                downgrade(stack, drill, lab, pair.to)
            check_restart_stays(stack, drill, pair.to)
        drill.fact("revision", f"{pair.from_} → {pair.to}")
        return
    head, goal = stack.database.revision(), stack.alembic.head(target.previous)
    with drill.step("Take deliveries that the downgrade must not lose"):
        writes = take_deliveries(stack, drill, lab, target.current)
    with drill.recovery():
        if target.gateway.always_migrates:
            with drill.step("Stop the gateway: any start of it would migrate again", checklist="stop-service"):
                stack.gateway.stop()
        with drill.step(f"Downgrade to {goal}", checklist="rollback-database"):
            downgrade(stack, drill, lab, goal)
            check_still_stored(stack, drill, writes)
        if target.gateway.always_migrates:
            check_deploy_stays(stack, drill, goal)
        else:
            check_restart_stays(stack, drill, goal)
    with drill.step("Downgrade again to where it already is: nothing may happen"):
        with stack.clients.paused():
            before = stack.database.data()
            result = stack.alembic.downgrade(target.current, goal)
            after = stack.database.data()
        check_revision(drill, stack, goal)
        drill.check("no row changes", before.diff(after).to_json(), expected=before.diff(before).to_json())
        drill.observe("exit code of the repeated downgrade", result.exit_code)
    drill.fact("revision", f"{head} → {goal}")


def named_downgrade(stack: Stack) -> Downgrade | None:
    """The downgrade that the target file names, for releases that end at the same revision; None for others.

    Downgrading to where the database already is proves nothing: without a named downgrade the drill is skipped.
    """
    target = stack.target
    current, previous = (stack.alembic.head(release) for release in (target.current, target.previous))
    if current != previous:
        return None
    pair = target.migrations.downgrade
    if pair is None:
        pytest.skip(
            f"both releases end at the revision {current}: there is no downgrade between them "
            "(name one with migrations.downgrade)"
        )
    below = stack.alembic.at_or_below(target.current, pair.from_)
    if pair.from_ not in below or (pair.to != "base" and pair.to not in below):
        raise StackError(
            f"migrations.downgrade: from {pair.from_} to {pair.to} is not a downgrade in release {target.current}",
            cause=f"its revisions are {', '.join(stack.alembic.history(target.current))}",
            fix=f"correct [migrations.downgrade] in {target.file}",
        )
    return pair


def go_to(stack: Stack, drill: Drill, revision: str) -> None:
    """Bring the database to the start of the named downgrade, without clients: their data need not survive it."""
    account_for_clients(stack, drill)
    if stack.database.revision() == revision:
        return
    with drill.step(f"Bring the database to {revision}, where the named downgrade begins"):
        result = stack.alembic.downgrade(stack.target.current, revision)
        drill.check("the downgrade succeeds", result.exit_code, expected=0, finding="downgrade-failed")
        check_revision(drill, stack, revision)


def check_deploy_stays(stack: Stack, drill: Drill, goal: str) -> None:
    """Where every start migrates, only the previous release may start: its migrations end at the goal."""
    release = stack.target.previous
    with drill.step(f"Start release {release}, whose migrations end at {goal}", checklist="restart-services"):
        deploy(stack, drill, release)
        check_revision(drill, stack, goal, by_itself=True)
    check_release_serves(stack, drill, release)


def check_restart_stays(stack: Stack, drill: Drill, goal: str) -> None:
    """The page's last line: restart the gateway. The database stays where it is, and /health tells the truth."""
    with drill.step("Restart the gateway", checklist="restart-services"):
        outcome = stack.gateway.restart()
        drill.observe("the gateway starts on the older schema", outcome.started)
        check_revision(drill, stack, goal, by_itself=True)
        if outcome.started and stack.target.health is not None and stack.client.healthy():
            delivered = stack.client.deliver(stack.target.integrations_of(stack.target.previous)[0])
            check_healthy_means_serving(drill, delivered, goal)
        else:
            drill.observe("/health", stack.client.health().brief())
            says = "says so" if stack.target.health is not None else "no health request is there to say so"
            drill.leave_clients_out(f"the current release need not serve on the older schema, and {says}")


@pytest.mark.drill(
    "Quick rollback 3: a feature flag", runbook="quick-flags", objective="feature_flag", requires=("flags",)
)
def test_quick_flags(stack: Stack, drill: Drill) -> None:
    """One integration is turned off without a deployment, timed against "instant", and turned on again.

    Only re-creating the gateway reads the flag; the drill also shows what a mere restart does. What is off stays off,
    and writes nothing.
    """
    target = stack.target
    name = target.gated_of(target.current)[-1]
    others = [other for other in target.integrations_of(target.current) if other != name]
    with drill.step("Take deliveries with the flag on"):
        writes = check_deliveries(drill, stack, target.current, finding="steady-state-missing")
        known = sampled(target, target.current)
        learnt = learn_contents(stack, target.current, known)
    with drill.step("Edit the flag and merely restart: the old environment stays"):
        stack.set_flags({name: False})
        stack.must_start(stack.gateway.restart())
        drill.observe(f"answer of {name} after a restart", stack.client.deliver(name).answer.brief())
    with drill.recovery():
        with drill.step("Re-create the gateway", checklist="disable-or-rollback"):
            outcome = stack.gateway.recreate()
            started = time.monotonic()
            check_started(drill, "the gateway starts", outcome)
        verify = drill.step(f"Verify that {name} is off and every other integration is not", checklist="verify-health")
        with verify, drill.together():
            # Repeated, because not every worker process need have read the flag, and caches expire.
            check_disabled(drill, target, name, [stack.client.deliver(name) for _ in range(REPEATED)])
            neighbours = check_answered(drill, [stack.client.deliver(other) for other in others])
            affected = {each.integration: each.answer.brief() for each in neighbours if not each.acknowledged}
            drill.check(
                "integrations that are affected",
                [*affected],
                expected=[],
                finding="neighbour-affected",
                detail=f"while {name} is off: {affected}",
            )
            check_healthy(drill, stack)
    with drill.together():  # each is looked at, whatever the others say
        check_stays_off(stack, drill, name, since=started, repeated=REPEATED)
        with drill.step("Turn it on again"):
            stack.set_flags({name: True})
            stack.must_start(stack.gateway.recreate())
            again = stack.client.deliver(name)
            check_compared(
                drill,
                f"{name} takes deliveries",
                again.answer,
                again.acknowledged,
                finding="flag-not-restored",
                detail=f"{name} was off, is on again, and answers {again.answer.brief()}",
            )
            check_still_stored(stack, drill, writes)
        check_stored_as_sent(stack, drill, learnt, target.current, known)

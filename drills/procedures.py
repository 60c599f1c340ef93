"""What several drills do or check in the same way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from rollback_drills.clients.answers import is_agreed, is_disabled
from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.metrics import RequestCounters
from rollback_drills.drill.checkers import (
    check_answered,
    check_answers,
    check_database_at,
    check_deliveries,
    check_restored,
    check_stored,
)
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres.dump import defect_of
from rollback_drills.target.target import Target


def check_repetitions(stack: Stack, drill: Drill, release: str, writes: Collection[Delivered]) -> None:
    """Senders repeat what they sent before the rollback: the release recognises it, and stores nothing twice."""
    agreed = stack.target.delivery.repeated
    if agreed is None:
        return
    with drill.step("Senders repeat what they have sent before"):
        common = stack.target.integrations_of(release)
        again = [stack.client.deliver(each.integration, each.id) for each in writes if each.integration in common]
        copies = stack.copies([each.id for each in again])
        with drill.together():
            other = {
                each.integration: each.answer.brief()
                for each in check_answered(drill, again)
                if not is_agreed(agreed.of(each.integration), each.answer)
            }
            drill.check(
                f"{len(again)} repetitions are answered as agreed",
                other,
                expected={},
                finding="repetition-answer-differs",
                detail=f"release {release} answers {other} instead of {agreed.brief()}",
            )
            drill.check(
                "repetitions that are stored again",
                sorted(name for name, number in copies.items() if number > 1),
                expected=[],
                finding="writes-duplicated",
            )


def note_ungated(drill: Drill, integration: str) -> None:
    """Report, as a known gap, an integration that no flag turns off, as the target file declares."""
    reason = drill.target.ungated_of(drill.target.current)[integration]
    drill.note_gap("integration-ungated", f"no flag turns {integration} off: {reason}", subject=integration)


def check_flag_defaults(stack: Stack, drill: Drill, release: str) -> None:
    """An unset flag has the default that the target file declares."""
    target = stack.target
    said = {name: target.flag_default(name, release) for name in target.gated_of(release)}
    expected = {name: "on" if on else "off" for name, on in said.items() if on is not None}
    if not expected:
        return
    with drill.step(f"Leave every flag of release {release} out of its environment"):
        stack.unset_flags()
        deploy(stack, drill, release)
        delivered = check_answered(drill, [stack.client.deliver(name) for name in expected])
        observed = {each.integration: _state(each, target) for each in delivered}
        expected = {name: state for name, state in expected.items() if name in observed}
        wrong = [f"{name} is {observed[name]}" for name in expected if observed[name] != expected[name]]
        drill.check(
            "flags that are not set are what the target file says",
            {**observed},
            expected={**expected},
            finding="flag-default-differs",
            detail=f"of release {release}, without a variable: {', '.join(wrong)}",
        )


def _state(delivered: Delivered, target: Target) -> str:
    if delivered.acknowledged:
        return "on"
    off = is_disabled(target, delivered.integration, delivered.answer)
    return "off" if off else f"neither: {delivered.answer.brief()}"


def return_database_to(stack: Stack, drill: Drill, lab: Lab, release: str, *, planted: Collection[str] = ()) -> None:
    """Roll the database back to the release's head, with the newer scripts."""
    with drill.step("Roll back the database, if the previous release needs it", checklist="rollback-database"):
        revision, goal = stack.database.revision(), stack.alembic.head(release)
        known = stack.alembic.knows(release, revision)
        drill.observe(f"release {release} knows the revision {revision}", known)
        if revision != goal:
            result = stack.alembic.downgrade(stack.target.current, goal)
            check_downgrade(stack, drill, lab, result.exit_code, goal, planted=planted)


def check_downgrade(
    stack: Stack, drill: Drill, lab: Lab, exit_code: int | None, goal: str, *, planted: Collection[str] = ()
) -> None:
    """A downgrade is judged by where it led, as `check_database_at` has it, and by its exit code.

    Args:
        planted: as for `check_database_at`.
    """
    revision = stack.database.revision()
    if exit_code == 0 and revision != goal:
        drill.find("false-green", f"the downgrade exits 0, and the revision is {revision} instead of {goal}")
    with drill.together():
        drill.check("the downgrade succeeds", exit_code, expected=0, finding="downgrade-failed")
        check_database_at(drill, stack, lab.only_upgraded_to(goal), goal, planted=planted)


def deploy(stack: Stack, drill: Drill, release: str) -> None:
    """Deploy a release; it has to start."""
    outcome = stack.gateway.deploy(release)
    drill.check(
        f"release {release} starts",
        outcome.started,
        finding="release-not-serving",
        detail=outcome.why,
        vital=True,
        timed=outcome.timed_out,
    )


def check_release_serves(stack: Stack, drill: Drill, release: str, *, off: Collection[str] = ()) -> list[Delivered]:
    """A step that checks the steady state of a release; nothing is delivered where it already fails.

    Args:
        off: integrations that are turned off.
    """
    with drill.step(f"Verify that release {release} serves", checklist="verify-health"):
        with drill.together():
            check_answers(drill, stack, release)
        return check_deliveries(drill, stack, release, off=off)


def back_up(stack: Stack, drill: Drill, directory: Path) -> tuple[Path, Manifest]:
    """Take a backup, with a manifest of what it must hold.

    Clients go on writing, as in production: the manifest describes the snapshot that pg_dump reads. They are paused
    only for a backup command of the target's own, which cannot be given a snapshot.
    """
    file = directory / "backup.sql"
    with drill.step("Back up the database, before the migration"):
        with nullcontext() if stack.backups.shares_snapshot else stack.clients.paused():
            result, manifest = stack.backups.take(stack.database, file)
        drill.check("the backup command succeeds", result.exit_code, expected=0, finding="backup-unusable")
        defect = defect_of(file)
        drill.check(
            "the file is a complete dump",
            defect or "complete",
            expected="complete",
            finding="backup-unusable",
            detail=f"the backup command exits {result.exit_code}, and the file is unusable: {defect}",
        )
        drill.observe("manifest", manifest.to_json())
    return file, manifest


def damage(stack: Stack) -> dict[str, int]:
    """Delete half of the rows of the fullest table, as a bad release might. Returns the rows destroyed, by table."""
    table = fullest_table(stack)
    with stack.database.connect() as connection, connection.transaction():
        # Foreign keys and triggers are switched off for this transaction: no rule may prevent the damage.
        connection.execute(b"SET LOCAL session_replication_role = replica")
        half = f"SELECT ctid FROM {table} LIMIT (SELECT count(*) / 2 FROM {table})"
        return {table: connection.execute(f"DELETE FROM {table} WHERE ctid IN ({half})".encode()).rowcount}


def restore(stack: Stack, drill: Drill, file: Path, manifest: Manifest) -> LiveDatabase:
    """Restore into a new database, judged by its content and not by the exit code."""
    with drill.step("Restore into a new database"):
        fresh = stack.database.create_empty()
        result = stack.backups.restore_into(fresh, file)
        drill.check("the restore succeeds", result.exit_code, expected=0, finding="restore-differs")
    with drill.step("Compare the restored database with the backup's manifest"), drill.together():
        check_restored(drill, manifest, fresh)
    return fresh


def check_still_stored(stack: Stack, drill: Drill, writes: Sequence[Delivered]) -> None:
    """These deliveries have survived. `account_for_clients` accounts for all others at the end of the drill."""
    check_stored(drill, stack, writes, title="every delivery taken before is still stored")


def error_rate_of(stack: Stack, names: tuple[str, ...], *, rounds: int) -> tuple[RequestCounters, list[Delivered]]:
    """Deliver to these integrations, and read the outcome from the gateway's own counters."""
    before = stack.client.counters()
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    return stack.client.counters() - before, delivered


def errors_among(stack: Stack, names: tuple[str, ...], *, rounds: int) -> tuple[float, float]:
    """Requests and errors, by the gateway's own counters; without counters, by the answers to these deliveries."""
    if stack.target.metrics is not None:
        traffic, _ = error_rate_of(stack, names, rounds=rounds)
        return traffic.requests, traffic.errors
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    return float(len(delivered)), float(sum(not each.acknowledged for each in delivered))


def fullest_table(stack: Stack) -> str:
    """The table with the most rows, quoted and schema-qualified."""
    tables = stack.database.data().tables
    return max(tables, key=lambda name: tables[name].rows)

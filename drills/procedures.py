"""What several drills do or check in the same way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path

from rollback_drills.clients.answers import TOO_MANY, Answer, is_agreed, is_disabled
from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.metrics import RequestCounters
from rollback_drills.drill.checkers import (
    Learnt,
    check_answered,
    check_answers,
    check_contents,
    check_database_at,
    check_deliveries,
    check_fresh,
    check_kept,
    check_release_variable,
    check_restore_ends_well,
    check_restored,
    check_rows,
    check_same_reads,
    check_stored,
)
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import UnprovenError
from rollback_drills.lab.backup import BackupAccount, Manifest, failure_of
from rollback_drills.lab.before import take_state
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import LARGE_OBJECTS
from rollback_drills.postgres.dump import defect_of
from rollback_drills.runtimes.protocols import Outcome
from rollback_drills.target.capabilities import tells_previous
from rollback_drills.target.target import Target


def check_repetitions(stack: Stack, drill: Drill, release: str, writes: Collection[Delivered]) -> None:
    """Senders repeat what they sent before the rollback: the release recognises it, and stores nothing twice."""
    target = stack.target
    agreed = {name: target.delivery_to(name).repeated for name in target.integrations_of(release)}
    common = {name: each.of(name) for name, each in agreed.items() if each is not None}
    if not common:
        return
    with drill.step("Senders repeat what they have sent before"):
        again = [stack.client.deliver(each.integration, each.id) for each in writes if each.integration in common]
        copies = stack.copies([each.id for each in again])
        with drill.together():
            other = {
                each.integration: each.answer.brief()
                for each in check_answered(drill, again)
                if not is_agreed(common[each.integration], each.answer)
            }
            drill.check(
                f"{len(again)} repetitions are answered as agreed",
                other,
                expected={},
                finding="repetition-answer-differs",
                detail=f"release {release} answers {other} instead of "
                f"{ {name: common[name].brief() for name in other} }",
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


def take_deliveries(stack: Stack, drill: Drill, lab: Lab, release: str) -> list[Delivered]:
    """Deliver to every integration of a healthy release, and learn which existing rows mere traffic changes."""
    delivered = check_deliveries(drill, stack, release, finding="steady-state-missing")
    watch_traffic(stack, drill, lab)
    return delivered


def watch_traffic(stack: Stack, drill: Drill, lab: Lab) -> None:
    """Learn which rows that were there before are changed by deliveries and probes: that is no loss later.

    For a healthy release, before anything else has happened to the stack.
    """
    with drill.aside():
        lab.watch_traffic(stack)
    note_touched(drill, lab.touched)


def check_seed(stack: Stack, drill: Drill, lab: Lab) -> None:
    """After a rollback, every row of the seed is there, but for what deliveries to the previous release change."""
    names = stack.target.integrations_of(stack.target.previous)
    note_touched(drill, lab.watch_again(stack, lambda: [stack.client.deliver(name) for name in names]))
    check_rows(drill, lab.seed_rows, stack.database)


def note_told_apart(stack: Stack, drill: Drill) -> None:
    """Say by what the releases are told apart, and what that does not prove."""
    target = stack.target
    if tells_previous(target):
        drill.fact("releases told apart by", "answers that only one of them gives")
        return
    missing = "[[behaviours]], [version.routes] or delivery.absent would name an answer that only it gives."
    if target.version is not None and target.version_of(target.current) != target.version_of(target.previous):
        drill.fact("releases told apart by", "the version that they report")
        drill.not_proven(
            f"That what answers is the code of release {target.previous}: only its version says so. {missing}"
        )
    else:
        drill.fact("releases told apart by", "what was started")
        drill.not_proven(
            f"That what answers is the code of release {target.previous}: nothing that the gateway answers says so. It "
            f"was started from its own tree or image, and serves. {missing}"
        )


def note_touched(drill: Drill, names: Collection[str]) -> None:
    """Say of which existing data the drill cannot prove that they survive, because traffic itself changes them."""
    if names:
        drill.not_proven(
            f"Whether the rollback keeps {', '.join(sorted(names))}: traffic itself changes it in rows that were there "
            "before, so it was not compared. Name it under database.volatile."
        )


def return_database_to(stack: Stack, drill: Drill, lab: Lab, release: str, *, planted: Collection[str] = ()) -> None:
    """Roll the database back to the release's head, with the newer scripts."""
    with drill.step("Roll back the database, if the previous release needs it", checklist="rollback-database"):
        revision, goal = stack.database.revision(), stack.alembic.head(release)
        known = stack.alembic.knows(release, revision)
        drill.observe(f"release {release} knows the revision {revision}", known)
        if revision != goal:
            downgrade(stack, drill, lab, goal, planted=planted)


def downgrade(
    stack: Stack, drill: Drill, lab: Lab, goal: str, *, argument: str = "", planted: Collection[str] = ()
) -> None:
    """Downgrade with the current release's scripts: judged by where it led, by what it kept, and by its exit code.

    Args:
        goal: the revision aimed at; ``argument`` is what alembic is told instead, as ``-1``.
        planted: as for `check_database_at`.
    """
    with drill.aside():
        before = take_state(stack, lab, goal)
    result = stack.alembic.downgrade(stack.target.current, argument or goal)
    with drill.aside():
        revision = stack.database.revision()
        if result.exit_code == 0 and revision != goal:
            drill.find("false-green", f"the downgrade exits 0, and the revision is {revision} instead of {goal}")
        with drill.together():
            drill.check("the downgrade succeeds", result.exit_code, expected=0, finding="downgrade-failed")
            check_database_at(drill, stack, lab.only_upgraded_to(goal), goal, planted=planted)
            if revision == goal:
                check_kept(drill, stack, lab, before, goal)


def check_started(drill: Drill, title: str, outcome: Outcome) -> None:
    """A release has started; without it, nothing that follows makes sense."""
    drill.check(
        title,
        outcome.started,
        finding="release-not-serving",
        detail=outcome.why,
        vital=True,
        timed=outcome.timed_out,
    )


def deploy(stack: Stack, drill: Drill, release: str) -> None:
    """Deploy a release; it has to start. Under Compose, the previous one must be selected by the release variable."""
    if release == stack.target.previous and stack.project is not None:
        check_release_variable(drill, stack)
        if stack.project.selection.needs_build:
            _note_build(drill, stack.project.selection.variable)
    check_started(drill, f"release {release} starts", stack.gateway.deploy(release))


def _note_build(drill: Drill, variable: str) -> None:
    gap = (
        f"That the Compose file brings the previous release back: {variable} changes only what is built, so that it "
        "takes `docker compose up -d --build`. The drill has given the release's own image the name instead."
    )
    if gap not in drill.evidence().gaps:
        drill.not_proven(gap)


def check_release_serves(stack: Stack, drill: Drill, release: str, *, off: Collection[str] = ()) -> list[Delivered]:
    """A step that checks the steady state of a release; nothing is delivered where it already fails.

    Args:
        off: integrations that are turned off.
    """
    with drill.step(f"Verify that release {release} serves", checklist="verify-health"):
        with drill.together():
            check_answers(drill, stack, release)
        return check_deliveries(drill, stack, release, off=off)


ROWS_NEEDED = 2  # with a single row, a migration that violates a UNIQUE constraint in production succeeds
CORRECT_DUMP = (
    "Correct what the error names: the privileges of the account, the version of pg_dump, the space on the disk. Raise "
    "an alarm when the backup command fails."
)
EMPTY_MEMORY = (
    "Recognise repetitions by what is in the database, or empty the memory of them (a cache, a file) as a step of the "
    "restore."
)


def back_up(
    stack: Stack,
    drill: Drill,
    directory: Path,
    *,
    name: str = "backup.sql",
    title: str = "Back up the database, before the migration",
) -> tuple[Path, Manifest]:
    """Take a backup, with a manifest of what it must hold.

    Clients go on writing, as in production: the manifest describes the snapshot that pg_dump reads. They are paused
    only for a backup command of the target's own, which cannot be given a snapshot.
    """
    file = directory / name
    with drill.step(title):
        account = stack.backups.account(directory)
        drill.observe("the backup commands connect with", account.title)
        with nullcontext() if stack.backups.shares_snapshot else stack.clients.paused():
            result, manifest = stack.backups.take(stack.database, file)
        drill.check(
            "the backup command succeeds",
            result.exit_code,
            expected=0,
            finding="backup-unusable",
            detail=failure_of("the backup command", result),
            remedy=CORRECT_DUMP,
        )
        defect = defect_of(file)
        drill.check(
            "the file is a complete dump",
            defect or "complete",
            expected="complete",
            finding="backup-unusable",
            detail=f"the backup command exits {result.exit_code}, and the file is unusable: {defect}",
        )
        drill.observe("manifest", manifest.to_json())
    if account.needed:
        _note_superuser(drill, account)
    return file, manifest


def _note_superuser(drill: Drill, account: BackupAccount) -> None:
    """Say, once, that a privilege was used which production's account need not have."""
    reason = "; ".join(line.strip() for line in account.needed.splitlines()[:3])
    sentence = (
        "The database was dumped and restored as a superuser, since with the gateway's account, which owns the "
        f"database, {reason}. That the account of production's backups can do it is not proven: name it with account "
        "under [backup]."
    )
    if sentence not in drill.evidence().gaps:
        drill.not_proven(sentence)


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
        check_restore_ends_well(drill, result)
    with drill.step("Compare the restored database with the backup's manifest"), drill.aside():
        before = [each.id for each in stack.client.delivered if each.acknowledged and each.at < manifest.began]
        check_fresh(drill, stack.target, manifest, fresh, acknowledged=before)
        with drill.together():
            check_restored(drill, manifest, fresh)
    return fresh


def given_up(stack: Stack, manifest: Manifest) -> list[Delivered]:
    """The drill's own deliveries that a restore of this backup loses: their senders have to repeat them."""
    return [each for each in stack.client.delivered if each.acknowledged and each.at >= manifest.began]


def check_repeated_after_restore(stack: Stack, drill: Drill, release: str, writes: Sequence[Delivered]) -> None:
    """Senders repeat what the restore gave up, and it is stored: nothing outside of the database remembers it.

    An answer by which a sender tries again later (none, 429, 5xx) proves nothing.
    """
    common = stack.target.integrations_of(release)
    repeated = [each for each in writes if each.integration in common]
    if not repeated:
        return
    with drill.step("Senders repeat what the restore gave up"):
        again = [stack.client.deliver(each.integration, each.id) for each in repeated]
        settled = [each for each in again if _is_settled(each.answer)]
        stored = stack.stored([each.id for each in again])
        lost = {each.id: each.answer.brief() for each in settled if each.id not in stored}
        if len(settled) < len(again):
            drill.not_proven(
                f"Repeated after a restore: {len(again) - len(settled)} of {len(again)} deliveries were not answered, "
                "or their senders were asked to try again later."
            )
        drill.check(
            f"{len(settled)} repetitions are stored",
            lost,
            expected={},
            finding="writes-lost",
            detail=f"after the restore, {len(lost)} of {len(settled)} repeated deliveries are answered and not stored, "
            f"for example with {next(iter(lost.values()), None)}: something outside of the database remembers them",
            remedy=EMPTY_MEMORY,
        )


def _is_settled(answer: Answer) -> bool:
    return answer.status is not None and answer.status < 500 and answer.status != TOO_MANY


def check_still_stored(stack: Stack, drill: Drill, writes: Sequence[Delivered]) -> None:
    """These deliveries have survived. `account_for_clients` accounts for all others at the end of the drill."""
    check_stored(drill, stack, writes, title="every delivery taken before is still stored")


def check_stored_as_sent(stack: Stack, drill: Drill, learnt: Learnt, release: str, names: Sequence[str]) -> None:
    """Further deliveries leave in the database what those of a healthy state have left."""
    with drill.step("Compare what deliveries leave in the database with what they left before"):
        if doubt := check_contents(drill, stack, learnt, release, names):
            drill.not_proven(doubt)


def check_read_as_before(stack: Stack, drill: Drill, lab: Lab) -> None:
    """The reads of which the target file says so (`same`) are answered as they were before the upgrade."""
    known = lab.known_reads
    asked = [each.name for each in stack.target.reads_of(stack.target.previous) if each.same]
    if not asked:
        return
    if not known.answers and not known.unknown:
        why = known.problem or "nothing was learnt before it"
        drill.not_proven(f"That reads are answered as before the upgrade: {why}.")
        return
    with drill.step("Compare what reads answer with what they answered before"):
        if doubt := check_same_reads(drill, stack, known):
            drill.not_proven(doubt)


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
    """The table with the most rows, quoted and schema-qualified. Where no table has two, clients write some first.

    Raises:
        UnprovenError: no table has two rows even so, and nothing can be shown on fewer.
    """
    for _ in range(ROWS_NEEDED + 1):
        rows = {name: table.rows for name, table in stack.database.data().tables.items() if name != LARGE_OBJECTS}
        fullest = max(rows, key=lambda name: rows[name], default="")
        if rows.get(fullest, 0) >= ROWS_NEEDED:
            return fullest
        for name in stack.target.integrations_of(stack.target.previous):
            stack.client.deliver(name)
    raise UnprovenError(
        f"no table has {ROWS_NEEDED} rows, and nothing can be shown on fewer: add some with database.seed or "
        "database.seed_command"
    )

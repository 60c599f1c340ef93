"""What several drills do or verify in the same way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from rollback_drills.clients.answers import Answer, is_agreed, is_disabled, is_rate_limited, matches
from rollback_drills.clients.delivery import Delivered
from rollback_drills.clients.metrics import RequestCounters
from rollback_drills.core.errors import DrillError
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import RowSet
from rollback_drills.postgres.dump import defect_of
from rollback_drills.target.target import Target


def deliver_to_each(
    stack: Stack, drill: Drill, release: str, *, rounds: int = 1, off: Collection[str] = ()
) -> list[Delivered]:
    """Deliver ``rounds`` webhooks to every integration of a release; all must be acknowledged and stored.

    Args:
        off: integrations that are turned off; they have to give the agreed answer instead.
    """
    names = [name for name in stack.target.integrations_of(release) if name not in off]
    for name in off:
        if name in stack.target.integrations_of(release):
            judge_disabled(drill, name, [stack.client.deliver(name).answer])
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    refused = {each.integration: each.answer.brief() for each in delivered if not each.acknowledged}
    limited = any(is_rate_limited(stack.target, each.integration, each.answer) for each in delivered)
    drill.check(
        f"all {len(delivered)} deliveries are acknowledged",
        refused,
        expected={},
        finding="deliveries-rate-limited" if limited else "release-not-serving",
    )
    missing = sorted({each.id for each in delivered} - stack.stored([each.id for each in delivered]))
    drill.check("every acknowledged delivery is stored", missing, expected=[], finding="writes-lost")
    return delivered


def judge_disabled(drill: Drill, integration: str, answers: Sequence[Answer]) -> None:
    """An integration that is off gives the answer that was agreed on for it, and no other."""
    agreed = drill.target.disabled_answer(integration)
    assert agreed is not None, f"nothing turns {integration} off"
    expected = agreed.brief()
    other = [answer.brief() for answer in answers if not is_disabled(drill.target, integration, answer)]
    told = next((answer.brief() for answer in answers if answer.brief() != expected), None)
    if told is not None and not other:
        drill.observe(f"answer of {integration}", told)
    drill.check(
        f"{integration} gives the agreed answer",
        other[0] if other else expected,
        expected=expected,
        finding="disabled-answer-differs",
        detail=f"{integration} answers {other[0] if other else ''} ({len(other)} of {len(answers)} times), "
        f"and not {expected}",
    )


def judge_repetitions(stack: Stack, drill: Drill, release: str, writes: Collection[Delivered]) -> None:
    """Senders repeat what they sent before the rollback: the release knows it again, and stores nothing twice."""
    agreed = stack.target.delivery.repeated
    if agreed is None:
        return
    with drill.step("Senders repeat what they have sent before"):
        common = stack.target.integrations_of(release)
        again = [stack.client.deliver(each.integration, each.id) for each in writes if each.integration in common]
        other = {
            each.integration: each.answer.brief()
            for each in again
            if not is_agreed(agreed.of(each.integration), each.answer)
        }
        copies = stack.copies([each.id for each in again])
        with drill.together():
            drill.check(
                f"{len(again)} repetitions are answered as agreed",
                other,
                expected={},
                finding="repetition-answer-differs",
                detail=f"release {release} answers {other}, and not {agreed.brief()}",
            )
            drill.check(
                "repetitions that are stored again",
                sorted(name for name, number in copies.items() if number > 1),
                expected=[],
                finding="writes-duplicated",
            )


def note_ungated(drill: Drill, integration: str) -> None:
    """An integration that no flag turns off, as the target file declares: a known gap, told and not judged."""
    reason = drill.target.ungated_of(drill.target.current)[integration]
    drill.note_gap("integration-ungated", f"no flag turns {integration} off: {reason}", subject=integration)


def judge_flag_defaults(stack: Stack, drill: Drill, release: str) -> None:
    """Where the target file says what a flag is whose variable is not set, that is how it is."""
    target = stack.target
    said = {name: target.flag_default(name, release) for name in target.gated_of(release)}
    expected = {name: "on" if on else "off" for name, on in said.items() if on is not None}
    if not expected:
        return
    with drill.step(f"Leave every flag of release {release} out of its environment"):
        stack.unset_flags()
        deploy(stack, drill, release)
        delivered = [stack.client.deliver(name) for name in expected]
        observed = {each.integration: _state(each, target) for each in delivered}
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
    """Roll the database back if the release does not know its revision, with the newer scripts, while they exist."""
    with drill.step("Roll back the database, if the previous release needs it", checklist="rollback-database"):
        revision, goal = stack.database.revision(), stack.alembic.head(release)
        known = stack.alembic.knows(release, revision)
        drill.observe(f"release {release} knows the revision {revision}", known)
        if revision != goal:
            result = stack.alembic.downgrade(stack.target.current, goal)
            judge_downgrade(stack, drill, lab, result.exit_code, goal, planted=planted)


def judge_downgrade(
    stack: Stack, drill: Drill, lab: Lab, exit_code: int | None, goal: str, *, planted: Collection[str] = ()
) -> None:
    """A downgrade is judged by where it led: revision, schema and rows of a database only ever upgraded to there.

    Args:
        planted: keys of schema objects that the drill itself has added, and that no downgrade is to remove.
    """
    revision = stack.database.revision()
    reference = lab.only_upgraded_to(goal)
    residue = reference.schema.diff(stack.database.schema())
    residue = replace(residue, left_over=tuple(entry for entry in residue.left_over if entry.key not in planted))
    if exit_code == 0 and revision != goal:
        drill.find("false-green", f"the downgrade exits 0, and the revision is {revision} instead of {goal}")
    with drill.together():
        drill.check("the downgrade succeeds", exit_code, expected=0, finding="downgrade-failed")
        drill.check("the revision is the one aimed at", revision, expected=goal, finding="revision-wrong")
        drill.check(
            "the schema is that of a database which was never upgraded further",
            residue.to_json() if residue else "identical",
            expected="identical",
            finding="schema-residue",
            detail="; ".join(residue.lines()),
        )
        if reference.rows is not None:
            judge_rows(drill, reference.rows, stack.database.rows())


def judge_rows(drill: Drill, before: RowSet, after: RowSet) -> None:
    """Every row of ``before`` is still there, unaltered; more rows are no harm."""
    try:
        lost = before.missing_from(after)
    except DrillError as error:  # the columns differ: there is no row to compare, and the schema check says why
        drill.observe("rows could not be compared", str(error))
        return
    there = {table: rows.total() for table, rows in before.tables.items()}
    drill.check(
        "every row that was there before is there, unaltered",
        {table: {"rows": rows - lost.get(table, 0)} for table, rows in there.items()},
        expected={table: {"rows": rows} for table, rows in there.items()},
        finding="rows-lost",
        detail=", ".join(f"{count} of {there[table]} rows of {table}" for table, count in lost.items()),
    )


def deploy(stack: Stack, drill: Drill, release: str) -> None:
    """Create the gateway from a release; it has to start."""
    outcome = stack.gateway.deploy(release)
    drill.check(
        f"release {release} starts", outcome.started, finding="release-not-serving", detail=outcome.why, vital=True
    )


def verify_release(stack: Stack, drill: Drill, release: str, *, off: Collection[str] = ()) -> list[Delivered]:
    """Health, version *and* behaviour, and deliveries that are really stored: the steady state of a release.

    Args:
        off: as for `deliver_to_each`.
    """
    with drill.step(f"Verify that release {release} serves", checklist="verify-health"):
        answer = stack.client.health()
        with drill.together():
            drill.check(
                "the gateway is healthy",
                stack.client.healthy(),
                finding="release-not-serving",
                detail=str(answer.brief()),
            )
            drill.check(
                "it reports its version",
                stack.client.version(),
                expected=stack.target.version_of(release),
                finding="version-wrong",
            )
            for request, (expected, observed) in stack.client.behaviour(release).items():
                drill.check(
                    f"{request} answers as only {release} does", observed, expected=expected, finding="wrong-code"
                )
            judge_write_probe(stack, drill)
        return deliver_to_each(stack, drill, release, off=off)


def judge_write_probe(stack: Stack, drill: Drill, *, usable: bool = True) -> None:
    """Where the target has one: it is positive as long as the schema can be used, and no longer."""
    probe = stack.target.write_probe
    if probe is None:
        return
    answer = stack.client.write_probe()
    drill.check(
        "the write probe is positive" if usable else "the write probe is not positive",
        matches(probe, answer),
        expected=usable,
        finding="write-probe-failed",
        detail=f"{probe.method} {probe.path} is answered {answer.brief()}"
        + ("" if usable else ", although the schema is gone"),
    )


def back_up(stack: Stack, drill: Drill, directory: Path) -> tuple[Path, Manifest]:
    """A backup counts only with what it must hold written down beside it.

    Clients write meanwhile, as they do in production: the manifest describes the snapshot that pg_dump reads. They are
    held back only where the target's own command takes the backup, which cannot be told what to read.
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


def account_for_writes(stack: Stack, drill: Drill, writes: list[Delivered]) -> None:
    """These have survived. The last step of the drill accounts for every other delivery as well (`client_account`)."""
    missing = sorted({each.id for each in writes} - stack.stored([each.id for each in writes]))
    drill.check("every delivery taken before is still stored", missing, expected=[], finding="writes-lost")


def error_rate_of(stack: Stack, names: tuple[str, ...], *, rounds: int) -> tuple[RequestCounters, list[Delivered]]:
    """Deliver to these integrations and read from the gateway's own counters what came of it."""
    before = stack.client.counters()
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    return stack.client.counters() - before, delivered


def errors_among(stack: Stack, names: tuple[str, ...], *, rounds: int) -> tuple[float, float]:
    """Requests and errors by the gateway's own counters; by what these deliveries were answered where it has none."""
    if stack.target.metrics is not None:
        traffic, _ = error_rate_of(stack, names, rounds=rounds)
        return traffic.requests, traffic.errors
    delivered = [stack.client.deliver(name) for _ in range(rounds) for name in names]
    return float(len(delivered)), float(sum(not each.acknowledged for each in delivered))


def fullest_table(stack: Stack) -> str:
    """The table with the most rows, quoted and schema-qualified."""
    tables = stack.database.data().tables
    return max(tables, key=lambda name: tables[name].rows)

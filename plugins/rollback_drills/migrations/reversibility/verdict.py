"""The verdict on a revision: its class and findings, from what its round trip showed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from rollback_drills.migrations.reversibility.database import ObservedStep
from rollback_drills.migrations.reversibility.declarations import Declarations
from rollback_drills.migrations.reversibility.large_objects import left_over, lost
from rollback_drills.migrations.reversibility.proof import Interruption, Lock, Proof
from rollback_drills.migrations.reversibility.snapshots import Loss, Snapshot, compare
from rollback_drills.migrations.walker.client import StepError
from rollback_drills.postgres.schema.tracker import SchemaChange

_NOT_NULL = "not-null constraint "
_PLAIN_NOT_NULL = re.compile(r'CONSTRAINT ("(?:[^"]|"")+"|\S+) NOT NULL ("(?:[^"]|"")+"|\S+)')
_MAX_LINES = 12  # of a difference in a finding's detail


@dataclass
class RoundTripResult:
    """The three steps of a round trip, and snapshots of the touched tables between them.

    ``rows_upgraded``: after the upgrade, of tables without a key. ``rows_extended``: after generated rows were added to
    the new schema. ``large_before`` and ``large_downgraded`` are the large objects. ``broken``: no revision describes
    the state of the database. ``up_again_error`` remains where a clean-up made the second upgrade succeed;
    ``up_again_failed`` says that it never did. ``colliding``: columns whose next insert fails since the downgrade.
    """

    up: ObservedStep
    rows_before: dict[str, Snapshot] = field(default_factory=dict)
    rows_upgraded: dict[str, Snapshot] = field(default_factory=dict)
    rows_extended: dict[str, Snapshot] = field(default_factory=dict)
    rows_downgraded: dict[str, Snapshot] = field(default_factory=dict)
    rows_up_again: dict[str, Snapshot] = field(default_factory=dict)
    large_before: Snapshot | None = None
    large_downgraded: Snapshot | None = None
    down: ObservedStep | None = None
    up_again: ObservedStep | None = None
    down_error: StepError | None = None
    up_again_error: StepError | None = None
    up_again_failed: bool = False
    downgrade_failed: bool = False
    broken: bool = False
    only_new_rows: bool = False
    colliding: dict[str, str] = field(default_factory=dict)
    refused_rows: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether upgrade and downgrade lead to the same two schemas each time."""
        if self.down is None or self.up_again is None or self.up_again_error is not None or self.refused_rows:
            return False
        up, down, again = (each.refresh.delta for each in (self.up, self.down, self.up_again))
        return not any(without_names_of_not_null(each)[0] for each in (up.then(down), down.then(again)))


def judge(
    proof: Proof, declarations: Declarations, result: RoundTripResult, blocking: float, *, strict_loss: bool = True
) -> None:
    """Fill in the class and the findings.

    Args:
        blocking: seconds for which a lock may block clients.
        strict_loss: whether it is a finding, if undeclared, that a downgrade drops what the upgrade has added.
    """
    if result.downgrade_failed:
        _judge_failed_downgrade(proof, result, declarations.reason("irreversible"))
    else:
        _judge_downgrade(proof, declarations, result, strict_loss)
    for lock in proof.every_lock:
        _judge_lock(proof, lock, blocking)


def judge_interruptions(proof: Proof, interruptions: Sequence[Interruption]) -> None:
    """Findings for interrupted steps that nothing restores, or that pass for complete."""
    for each in interruptions:
        if not each.restored_by:
            proof.find("interruption-not-restored", f"{proof.revision}: {each.where} and leaves {list(each.left)}")
        if each.taken_for_done:
            proof.find(
                "interruption-taken-for-done",
                f"{proof.revision}: {each.where}; a second attempt reports success but leaves: "
                + "; ".join(each.taken_for_done[:_MAX_LINES]),
            )


def _judge_lock(proof: Proof, lock: Lock, blocking: float) -> None:
    if not lock.blocks:
        return
    step = "" if lock.direction == "upgrade" else "the downgrade's "
    what = f"{proof.revision}: {step}{lock.mode} on {lock.relation} blocks {lock.blocks}"
    first = lock.statement.splitlines() or [""]
    if lock.work and lock.seconds is not None and lock.seconds > blocking:
        proof.find("migration-blocks-production", f"{what} for about {lock.seconds:.1f} s ({lock.work}): {first[0]}")
    elif lock.held > blocking:
        proof.find(
            "migration-blocks-production",
            f"{what} for {lock.held:.1f} s even with the few rows of this drill, from {first[0]} to the end of its"
            " transaction",
        )


# --- the downgrade ---------------------------------------------------------------------------------------


def _judge_failed_downgrade(proof: Proof, result: RoundTripResult, declared: str) -> None:
    proof.verdict = "irreversible by design" if declared else "irreversible"
    proof.reason = declared
    if not declared and result.down_error is not None:
        proof.find("downgrade-failed", f"{proof.revision}: {result.down_error.brief}")
    elif result.broken:
        proof.find(
            "interruption-not-restored",
            f"{proof.revision}: its downgrade, declared impossible, fails and leaves the schema changed",
        )


def _judge_downgrade(proof: Proof, declarations: Declarations, result: RoundTripResult, strict_loss: bool) -> None:
    restored = _judge_schema(proof, result)
    _judge_refusal(proof, result)
    if result.colliding:
        proof.find("sequence-rewound", _detail(proof, result.colliding.values()))
    _judge_second_upgrade(proof, result, restored)
    proof.losses = losses_of(result)
    _judge_losses(proof, declarations, restored, strict_loss or not _drops_what_was_added(proof, result))
    _classify(proof, declarations, result, restored)
    _judge_declarations(proof, declarations, result, restored)


def _judge_schema(proof: Proof, result: RoundTripResult) -> bool:
    """Whether the downgrade restored the schema."""
    assert result.down is not None
    net = result.up.refresh.delta.then(result.down.refresh.delta)
    kept, proof.renamed = without_names_of_not_null(net)
    difference = kept.diff()
    proof.schema = difference.lines() + left_over(result.large_before, result.large_downgraded)
    proof.reordered = net.reordered()
    if not proof.schema:
        return True
    empty = not result.down.outcome.statements
    proof.find("downgrade-empty" if empty else "schema-residue", _detail(proof, proof.schema))
    return False


def _judge_refusal(proof: Proof, result: RoundTripResult) -> None:
    if result.down_error is None:
        return
    which = "rows that only the new schema allows" if result.only_new_rows else "rows that the old schema allows too"
    proof.find(
        "downgrade-fails-on-rows",
        f"{proof.revision}: {result.down_error.brief}; {which}: {result.refused_rows}",
    )


def _judge_second_upgrade(proof: Proof, result: RoundTripResult, restored: bool) -> None:
    if not restored:  # the residue is the reason, and a finding already
        return
    if result.up_again_error is not None:
        if not proof.refused_rows:  # the first upgrade failed on rows too: a finding already
            proof.find("upgrade-not-repeatable", f"{proof.revision}: {result.up_again_error.brief}")
    elif result.down is not None and result.up_again is not None:
        differs, _ = without_names_of_not_null(result.down.refresh.delta.then(result.up_again.refresh.delta))
        if differs:
            proof.find("upgrade-not-repeatable", _detail(proof, differs.diff().lines()))


def _drops_what_was_added(proof: Proof, result: RoundTripResult) -> bool:
    """Whether all that is lost are columns and tables that the upgrade added, and it moved nothing into them."""
    moved = any(entry.key.startswith(("column ", "table ")) for entry in result.up.refresh.delta.diff().missing)
    return not moved and all(loss.dropped or loss.table not in result.rows_downgraded for loss in proof.losses)


def _judge_losses(proof: Proof, declarations: Declarations, restored: bool, strict: bool) -> None:
    """Losses that neither a declaration nor the schema's residue covers.

    Args:
        strict: whether it is a finding that what the upgrade has added is dropped.
    """
    if not proof.losses or declarations.reason("lossy") or declarations.reason("irreversible"):
        return
    uncovered = [loss for loss in proof.losses if restored or not loss.dropped]
    if old := [loss for loss in uncovered if loss.written == "before"]:
        proof.find("rows-lost", _detail(proof, (loss.line() for loss in old)))
    elif uncovered and not strict:
        proof.undeclared = True
    elif uncovered:
        proof.find("loss-undeclared", _detail(proof, (loss.line() for loss in proof.losses)))


def _classify(proof: Proof, declarations: Declarations, result: RoundTripResult, restored: bool) -> None:
    lossy, irreversible = declarations.reason("lossy"), declarations.reason("irreversible")
    if irreversible and (not restored or proof.losses):
        proof.verdict, proof.reason = "irreversible by design", irreversible
    elif not proof.losses and result.refused_rows and not _compared(result):
        proof.verdict, proof.reason = "unproven", "the downgrade refuses every row of the tables that it touches"
    elif not proof.losses:
        proof.verdict = "lossless"
    else:
        proof.verdict, proof.reason = "lossy by design" if lossy else "lossy", lossy


def _judge_declarations(proof: Proof, declarations: Declarations, result: RoundTripResult, restored: bool) -> None:
    """A declaration in the script itself has to be true."""
    if proof.losses:
        return
    touched = _touched(result)
    # A revision that touches no table loses nothing, whatever rows there are.
    compared = _compared(result) if touched else bool(result.rows_extended or result.rows_before)
    complete = compared and not proof.empty & touched and not result.refused_rows and not result.up_again_failed
    if "lossy" in declarations.own and complete:
        proof.find("declaration-untrue", f"{proof.revision} is declared to lose data, but loses none")
    if "irreversible" in declarations.own and restored:
        proof.find(
            "declaration-untrue", f"{proof.revision} is declared irreversible, but its downgrade restores everything"
        )


def _compared(result: RoundTripResult) -> bool:
    """Whether there were rows to compare in the tables that the round trip touched."""
    snapshots = [*result.rows_extended.values(), *result.rows_before.values()]
    return any(each.rows for each in snapshots if each.table in _touched(result))


def _touched(result: RoundTripResult) -> frozenset[str]:
    return result.up.touched | (result.down.touched if result.down is not None else frozenset())


def _detail(proof: Proof, lines: Iterable[str]) -> str:
    return f"{proof.revision}: " + "; ".join([line.strip() for line in lines][:_MAX_LINES])


# --- the schema ------------------------------------------------------------------------------------------


def without_names_of_not_null(delta: SchemaChange) -> tuple[SchemaChange, list[str]]:
    """The difference without NOT NULL constraints that differ in nothing but their names, and those constraints.

    Since PostgreSQL 18 they have names, which keep what a column or table was called when they were created (manual:
    "CREATE TABLE", NOT NULL). Whether a column allows NULL is part of the column's own definition.
    """
    renamed = [key for key, change in delta.objects.items() if key.startswith(_NOT_NULL) and _is_only_a_name(change)]
    kept = {key: change for key, change in delta.objects.items() if key not in renamed}
    return SchemaChange(kept, delta.order), [key.removeprefix(_NOT_NULL) for key in renamed]


def _is_only_a_name(change: tuple[str | None, str | None]) -> bool:
    """Neither side is NOT VALID or NO INHERIT."""
    return all(_PLAIN_NOT_NULL.fullmatch(text) for text in change if text is not None)


# --- the rows --------------------------------------------------------------------------------------------


def losses_of(result: RoundTripResult) -> list[Loss]:
    """Old rows that the downgrade did not bring back, then new values that the second upgrade did not bring back."""
    assert result.down is not None
    found = lost(result.large_before, result.large_downgraded)
    for name in sorted(result.up.touched | result.down.touched):
        if name in result.rows_before:
            found += compare(_expected_below(result, name), result.rows_downgraded.get(name), written="before")
    if result.up_again_failed and not result.rows_up_again:
        return found
    reported = {(loss.table, loss.column) for loss in found}
    for name in sorted(result.rows_extended):
        found += [loss for loss in _new_losses(result, name) if (loss.table, loss.column) not in reported]
    return found


def _new_losses(result: RoundTripResult, name: str) -> list[Loss]:
    downgraded = result.rows_downgraded.get(name)
    kept = downgraded.columns if downgraded is not None else ()
    losses = compare(result.rows_extended[name], result.rows_up_again.get(name), written="after", kept=kept)
    whole_table = downgraded is None and losses and not losses[0].column
    return losses[:1] if whole_table else losses  # not each of its columns besides


def _expected_below(result: RoundTripResult, name: str) -> Snapshot:
    """The rows that have to be there after the downgrade.

    Of a table without a key, the new rows count too: one that happens to equal an old row must not hide its loss.
    """
    before, upgraded = result.rows_before[name], result.rows_upgraded.get(name)
    extended = result.rows_extended.get(name)
    if before.key or upgraded is None or extended is None or not set(before.columns) <= set(extended.columns):
        return before
    new = Counter(extended.rows) - Counter(upgraded.rows)
    positions = [extended.columns.index(column) for column in before.columns]
    return replace(before, rows=before.rows + tuple(tuple(row[n] for n in positions) for row in new.elements()))

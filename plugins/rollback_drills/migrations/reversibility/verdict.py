"""From what the legs of a revision have shown to its class and findings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rollback_drills.migrations.reversibility.database import Moved
from rollback_drills.migrations.reversibility.declarations import Declarations
from rollback_drills.migrations.reversibility.proof import Interruption, Proof
from rollback_drills.migrations.reversibility.rows import Loss, Snapshot, compare
from rollback_drills.migrations.walker.client import StepError
from rollback_drills.postgres.schema.tracker import SchemaChange

_NOT_NULL = "not-null constraint "
_PLAIN_NOT_NULL = re.compile(r'CONSTRAINT ("(?:[^"]|"")+"|\S+) NOT NULL ("(?:[^"]|"")+"|\S+)')
_SHOWN = 12  # lines of a difference in a finding's detail


@dataclass
class RoundTripResult:
    """Up, down and up again, and the rows at each turn.

    ``before``: below, before the upgrade. ``risen``: after it, of tables without a key. ``above``: new rows included.
    ``below``: after the downgrade. ``after``: after the second upgrade. ``broken``: the database is in a state that no
    revision describes.
    """

    up: Moved
    before: dict[str, Snapshot] = field(default_factory=dict)
    risen: dict[str, Snapshot] = field(default_factory=dict)
    above: dict[str, Snapshot] = field(default_factory=dict)
    below: dict[str, Snapshot] = field(default_factory=dict)
    after: dict[str, Snapshot] = field(default_factory=dict)
    down: Moved | None = None
    again: Moved | None = None
    down_error: StepError | None = None
    again_error: StepError | None = None
    again_cleared: bool = False
    failed: bool = False
    broken: bool = False
    only_new: bool = False
    refused_rows: str = ""

    @property
    def steady(self) -> bool:
        """Up and down again lead to the same two schemas each time."""
        if self.down is None or self.again is None or self.again_error is not None or self.refused_rows:
            return False
        up, down, again = (each.refresh.delta for each in (self.up, self.down, self.again))
        return not any(without_names_of_not_null(each)[0] for each in (up.then(down), down.then(again)))


def judge(proof: Proof, declarations: Declarations, legs: RoundTripResult, blocking: float) -> None:
    """Fill in the class and the findings."""
    irreversible = declarations.reason("irreversible")
    if legs.failed:
        _no_way_back(proof, legs, irreversible)
    else:
        _judge_downgrade(proof, declarations, legs)
    for lock in proof.locks:
        if lock.blocks and lock.work and lock.seconds is not None and lock.seconds > blocking:
            proof.find(
                "migration-blocks-production",
                f"{proof.revision}: {lock.mode} on {lock.relation} stops {lock.blocks} for about {lock.seconds:.1f} s"
                f" ({lock.work}): {lock.statement.splitlines()[0]}",
            )
        elif lock.blocks and lock.held > blocking:
            proof.find(
                "migration-blocks-production",
                f"{proof.revision}: {lock.mode} on {lock.relation} stops {lock.blocks} for {lock.held:.1f} s, with but"
                f" the rows at hand, from {lock.statement.splitlines()[0]} to the end of its transaction",
            )


def judge_interruptions(proof: Proof, seen: Sequence[Interruption]) -> None:
    """Findings where a step that failed half-way leads to nothing good."""
    for each in seen:
        if not each.restored_by:
            proof.find("interruption-not-restored", f"{proof.revision}: {each.where}, and leaves {list(each.left)}")
        if each.taken_for_done:
            proof.find(
                "interruption-taken-for-done",
                f"{proof.revision}: {each.where}; the same again reports success, and leaves: "
                + "; ".join(each.taken_for_done[:_SHOWN]),
            )


def _no_way_back(proof: Proof, legs: RoundTripResult, declared: str) -> None:
    error = legs.down_error
    proof.verdict = "irreversible by design" if declared else "irreversible"
    proof.reason = declared
    if not declared and error is not None:
        proof.find("downgrade-failed", f"{proof.revision}: {error.brief}")
    elif legs.broken:
        proof.find(
            "interruption-not-restored",
            f"{proof.revision}: its downgrade is declared impossible, fails, and leaves the schema changed",
        )


def _judge_downgrade(proof: Proof, declarations: Declarations, legs: RoundTripResult) -> None:
    assert legs.down is not None
    restored = _judge_schema(proof, legs)
    _judge_refused(proof, legs)
    _judge_repetition(proof, legs, restored)
    proof.losses = losses_of(legs)
    # What is gone with a column or table that the downgrade did not bring back is told by the schema already.
    old = [loss for loss in proof.losses if loss.written == "before" and (restored or not loss.dropped)]
    reason = declarations.reason("lossy")
    if proof.losses and not reason and not declarations.reason("irreversible"):
        if old:
            proof.find("rows-lost", f"{proof.revision}: " + "; ".join(loss.line() for loss in old[:_SHOWN]))
        elif restored or any(not loss.dropped for loss in proof.losses):
            proof.find(
                "loss-undeclared", f"{proof.revision}: " + "; ".join(loss.line() for loss in proof.losses[:_SHOWN])
            )
    proof.verdict = "lossy by design" if proof.losses and reason else "lossy" if proof.losses else "lossless"
    proof.reason = reason if proof.losses else proof.reason
    seen = bool(legs.above or legs.before)
    if "lossy" in declarations.own and not proof.losses and seen and not legs.refused_rows and not legs.again_cleared:
        proof.find("declaration-untrue", f"{proof.revision} is declared to lose data, and loses none")
    if declarations.reason("irreversible"):
        if restored and not proof.losses and "irreversible" in declarations.own:
            proof.find(
                "declaration-untrue", f"{proof.revision} is declared irreversible, and its downgrade restores all"
            )
        elif not restored or proof.losses:
            proof.verdict, proof.reason = "irreversible by design", declarations.reason("irreversible")


def _judge_schema(proof: Proof, legs: RoundTripResult) -> bool:
    assert legs.down is not None
    net = legs.up.refresh.delta.then(legs.down.refresh.delta)
    kept, proof.renamed = without_names_of_not_null(net)
    difference = kept.diff()
    proof.schema = difference.lines()
    proof.reordered = net.reordered()
    if not difference:
        return True
    empty = not legs.down.walked.statements
    detail = f"{proof.revision}: " + "; ".join(line.strip() for line in proof.schema[:_SHOWN])
    proof.find("downgrade-empty" if empty else "schema-residue", detail)
    return False


def without_names_of_not_null(delta: SchemaChange) -> tuple[SchemaChange, list[str]]:
    """The difference without NOT NULL constraints of which only the name is another, and those.

    From PostgreSQL 18 on they have names, which keep what a column or table was called when they were made
    (manual: "CREATE TABLE", NOT NULL). Whether a column takes NULL is told of the column itself.
    """
    renamed = [key for key, change in delta.objects.items() if key.startswith(_NOT_NULL) and _is_a_name(change)]
    kept = {key: change for key, change in delta.objects.items() if key not in renamed}
    return SchemaChange(kept, delta.order), [key.removeprefix(_NOT_NULL) for key in renamed]


def _is_a_name(change: tuple[str | None, str | None]) -> bool:
    """Validated, and inherited as any other."""
    return all(_PLAIN_NOT_NULL.fullmatch(text) for text in change if text is not None)


def _judge_refused(proof: Proof, legs: RoundTripResult) -> None:
    if legs.down_error is None:
        return
    which = "rows that only the new schema allows" if legs.only_new else "rows that the old schema allows as well"
    proof.find(
        "downgrade-fails-on-rows",
        f"{proof.revision}: {legs.down_error.brief}; {which}: {legs.refused_rows}",
    )


def _judge_repetition(proof: Proof, legs: RoundTripResult, restored: bool) -> None:
    assert legs.down is not None
    if legs.again_error is not None:
        # What is left over is the reason otherwise, or rows that were refused at first: findings already.
        if restored and not proof.refused_rows:
            proof.find("upgrade-not-repeatable", f"{proof.revision}: {legs.again_error.brief}")
        return
    if legs.again is not None:
        differs, _ = without_names_of_not_null(legs.down.refresh.delta.then(legs.again.refresh.delta))
        if differs and restored:
            lines = "; ".join(line.strip() for line in differs.diff().lines()[:_SHOWN])
            proof.find("upgrade-not-repeatable", f"{proof.revision}: {lines}")


def losses_of(legs: RoundTripResult) -> list[Loss]:
    """Old rows that the way down did not bring back; then what only the new schema held and the way up did not."""
    assert legs.down is not None
    touched = legs.up.touched | legs.down.touched
    found: list[Loss] = []
    for name in sorted(touched):
        if name in legs.before:
            found += compare(_expected(legs, name), legs.below.get(name), written="before")
    told = {(loss.table, loss.column) for loss in found}
    if legs.after or (legs.above and not legs.again_cleared):
        for name in sorted(legs.above):
            below = legs.below.get(name)
            kept = below.columns if below is not None else ()
            losses = compare(legs.above[name], legs.after.get(name), written="after", kept=kept)
            if name not in legs.below and losses and not losses[0].column:
                losses = losses[:1]  # the whole table: not each of its columns besides
            found += [loss for loss in losses if (loss.table, loss.column) not in told]
    return found


def _expected(legs: RoundTripResult, name: str) -> Snapshot:
    """What has to be there after the downgrade. Of a table without a key that is more than the old rows: a new row
    that happens to be equal to an old one must not stand in for it.
    """
    before, risen, above = legs.before[name], legs.risen.get(name), legs.above.get(name)
    if before.key or risen is None or above is None or not set(before.columns) <= set(above.columns):
        return before
    new = Counter(above.rows) - Counter(risen.rows)
    places = [above.columns.index(column) for column in before.columns]
    return replace(before, rows=before.rows + tuple(tuple(row[place] for place in places) for row in new.elements()))

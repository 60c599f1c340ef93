"""A downgrade keeps what was there in the second before it: every row, large object and sequence."""

from __future__ import annotations

from collections.abc import Mapping

from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.before import StateBefore, declared_lossy, rows_lost, sequences_rewound
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres import SequenceState


def check_kept(judge: Judge, stack: Stack, lab: Lab, before: StateBefore, goal: str) -> None:
    """Compare with the state before, over what both schemas can hold.

    Where every revision that may have lost them is declared lossy, lost rows are recorded, and are no finding.
    """
    lost = rows_lost(stack, lab, before)
    reasons = declared_lossy(stack, before, goal, lost) if lost else {}
    told = ", ".join(f"{count} of {before.rows.counts[table]} rows of {table}" for table, count in lost.items())
    if reasons:
        judge.observe("rows that the downgrade destroys, as declared", {"rows": {**lost}, "declared": {**reasons}})
    else:
        judge.check(
            "every row that was there just before the downgrade is there, unaltered",
            {**lost},
            expected={},
            finding="rows-lost",
            detail=f"{told}: as they were just before the downgrade, this drill's own included, they are gone or "
            "altered, and another upgrade does not bring them back",
        )
    check_sequences(judge, before.sequences, stack.database.sequences())


def check_sequences(judge: Judge, before: Mapping[str, SequenceState], now: Mapping[str, SequenceState]) -> None:
    """No sequence has fallen behind its column, or behind where it was."""
    rewound = sequences_rewound(before, now)
    judge.check(
        "no sequence is behind its column, or behind where it was",
        [*rewound],
        expected=[],
        finding="sequence-rewound",
        detail="; ".join(rewound),
    )

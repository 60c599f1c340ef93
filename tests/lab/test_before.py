"""Sequences after a downgrade: behind their column, or behind where they were."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rollback_drills.lab.before import declared_lossy, sequences_rewound
from rollback_drills.postgres import SequenceState
from rollback_drills.target.target import Target

STATE = SequenceState(
    last_value=10, is_called=True, increment=1, owned_by="public.t.id", columns=("public.t.id",), minimum=1, maximum=8
)
BEHIND = replace(STATE, last_value=3)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (STATE, STATE),
        (STATE, replace(STATE, last_value=12, maximum=12)),
        (STATE, replace(STATE, last_value=11, is_called=False)),  # setval() to the next number
        (BEHIND, BEHIND),  # the seed has left it behind
        (replace(STATE, increment=-1), replace(STATE, increment=-1, last_value=-3, minimum=1)),
    ],
)
def test_what_is_no_fault(before: SequenceState, now: SequenceState) -> None:
    assert sequences_rewound({"public.t_id_seq": before}, {"public.t_id_seq": now}) == []


def test_a_sequence_without_rows_that_is_new() -> None:
    new = replace(STATE, last_value=1, is_called=False, columns=("public.u.id",), minimum=None, maximum=None)
    assert sequences_rewound({"public.t_id_seq": STATE}, {"public.u_id_seq": new}) == []


@pytest.mark.parametrize("name", ["public.t_id_seq", "public.t_id_seq1"])
def test_a_sequence_that_begins_again(name: str) -> None:
    now = replace(STATE, last_value=1, is_called=False)
    (said,) = sequences_rewound({"public.t_id_seq": STATE}, {name: now})
    assert said == f"{name} continues with 1, and public.t.id has 8 already"


def test_a_sequence_that_is_set_to_the_last_row_although_it_was_further() -> None:
    now = replace(STATE, last_value=8)
    (said,) = sequences_rewound({"public.t_id_seq": STATE}, {"public.t_id_seq": now})
    assert said == "public.t_id_seq continues with 9, and would have with 11 before"


LOSSY = "# rollback-drills: lossy: nobody needs it\n"
TOUCHES_USER = 'op.execute("DELETE FROM public.user")\n'


@pytest.mark.parametrize(
    ("sources", "table", "declared"),
    [
        ({"b": LOSSY + TOUCHES_USER, "c": "op.drop_table('t')"}, 'public."user"', {"b"}),
        ({"b": LOSSY, "c": LOSSY}, "public.user", {"b", "c"}),  # named by none: by a trigger, or by SQL in a file
        ({"b": LOSSY + TOUCHES_USER, "c": TOUCHES_USER}, "public.user", set()),
        ({"b": LOSSY, "c": TOUCHES_USER}, "public.user", set()),
        ({"b": LOSSY + TOUCHES_USER, "c": ""}, "public.user", set()),  # one that cannot be read
        ({"b": TOUCHES_USER, "c": TOUCHES_USER}, "public.user", set()),
    ],
)
def test_a_loss_is_declared_by_every_revision_that_may_have_caused_it(
    sources: dict[str, str], table: str, declared: set[str], reference_target: Target
) -> None:
    def at_or_below(release: str, revision: str) -> frozenset[str]:
        return frozenset("abc"[: "abc".index(revision) + 1])

    alembic = SimpleNamespace(at_or_below=at_or_below, source=lambda release, revision: sources[revision])
    stack: Any = SimpleNamespace(alembic=alembic, target=reference_target)
    before: Any = SimpleNamespace(revision="c")
    assert set(declared_lossy(stack, before, "a", [table])) == declared

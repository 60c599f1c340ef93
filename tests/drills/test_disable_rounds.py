"""Few rounds show every flag off next to every other one on, and no schedule could do with fewer."""

from __future__ import annotations

from itertools import permutations
from math import comb

import pytest
from drills.disable_rounds import FEW, confusable, disable_rounds, flag_rounds, rounds_needed
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=60, unique=True))
def test_every_ordered_pair_is_separated(names: list[str]):
    rounds = disable_rounds(names)
    for off, on in permutations(names, 2):
        assert any(off in members and on not in members for members in rounds)
    assert set().union(*rounds) == set(names)
    assert all(rounds), "a round that turns nothing off is a restart for nothing"


@pytest.mark.parametrize("count", range(2, 61))
def test_the_number_of_rounds_is_minimal(count: int):
    needed = rounds_needed(count)
    assert len(disable_rounds([str(number) for number in range(count)])) == needed
    # Sperner: no more than C(n, n//2) subsets of n rounds are an antichain.
    assert comb(needed - 1, (needed - 1) // 2) < count <= comb(needed, needed // 2)


@pytest.mark.parametrize(
    ("count", "rounds"), [(1, 1), (2, 2), (3, 3), (6, 4), (10, 5), (20, 6), (21, 7), (35, 7), (36, 8)]
)
def test_known_numbers_of_rounds(count: int, rounds: int):
    assert len(disable_rounds([str(number) for number in range(count)])) == rounds


def test_a_single_name_has_one_round():
    assert disable_rounds(["only"]) == [frozenset({"only"})]


def test_no_name_needs_no_round():
    assert disable_rounds([]) == []


def test_the_schedule_is_the_same_each_time():
    names = [f"n{number}" for number in range(21)]
    assert disable_rounds(names) == disable_rounds(names)


NAMES = st.lists(st.text("ab_-", min_size=1, max_size=4), min_size=1, max_size=40, unique=True)


@given(NAMES)
def test_the_rounds_of_flags_separate_every_pair_and_end_with_all_off(names: list[str]):
    rounds = flag_rounds(names)
    for off, on in permutations(names, 2):
        assert any(off in members and on not in members for members in rounds)
    assert frozenset(names) in rounds
    assert any(len(members) == len(names) - 1 for members in rounds) or len(names) == 1
    assert len(set(rounds)) == len(rounds), "no round is performed twice"
    assert all(rounds), "a round that turns nothing off is a restart for nothing"


@given(NAMES)
def test_a_name_that_can_be_taken_for_another_is_off_alone(names: list[str]):
    alone = {next(iter(members)) for members in flag_rounds(names) if len(members) == 1}
    assert alone >= set(names if len(names) <= FEW else confusable(names)[:FEW])


def test_names_that_contain_each_other():
    names = ["github", "jira", "github_actions", "git-hub-next", "slack", "MySlack"]
    assert confusable(names) == ["github", "github_actions", "git-hub-next", "slack", "MySlack"]
    assert confusable(["jira", "slack"]) == []


def test_what_21_flags_cost():
    names = ["github", "github_actions", *(f"n{number:02}" for number in range(19))]
    rounds = flag_rounds(names)
    assert len(rounds) == len(disable_rounds(names)) + 4
    assert frozenset(names) - {"github_actions"} in rounds

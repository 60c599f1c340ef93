"""How to see every flag off next to every other one on, in O(log N) restarts instead of N.

Each integration gets a distinct binary code of constant weight; in round r those whose bit r is set are
turned off. Two different codes of equal weight each have a bit that the other has not (they form an antichain,
Sperner 1928), so for every ordered pair there is a round with the first off and the second on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from math import comb


def rounds_needed(count: int) -> int:
    """The smallest number of rounds whose middle binomial coefficient reaches ``count`` (7 suffice for 35)."""
    rounds = 1
    while comb(rounds, rounds // 2) < count:
        rounds += 1
    return rounds


def disable_rounds(names: Sequence[str]) -> list[frozenset[str]]:
    """Which names to turn off in each round, so that every ordered pair is seen one off and the other on.

    A single name gets one round. Names must be distinct.
    """
    if len(names) == 1:
        return [frozenset(names)]
    rounds = rounds_needed(len(names))
    codes = islice(combinations(range(rounds), rounds // 2), len(names))
    off: list[set[str]] = [set() for _ in range(rounds)]
    for name, code in zip(names, codes, strict=True):
        for position in code:
            off[position].add(name)
    return [frozenset(members) for members in off if members]

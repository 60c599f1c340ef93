"""How to see every flag off next to every other one on, in O(log N) restarts instead of N.

Each integration gets a distinct binary code of constant weight; in round r those whose bit r is set are
turned off. Two different codes of equal weight each have a bit that the other has not (they form an antichain,
Sperner 1928), so for every ordered pair there is a round with the first off and the second on.

Pairs are not all: some gateways go wrong only where a list of flags has one element, or none. `flag_rounds` adds these.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from math import comb

FEW = 8  # names, of which each is turned off alone, and left on alone if it is one of half as many


def flag_rounds(names: Sequence[str]) -> list[frozenset[str]]:
    """Which names to turn off in each round: every ordered pair, names alone, all but one, all.

    Each of a `FEW` names is turned off alone, which shows every ordered pair as well. Of more names, a `FEW` are turned
    off alone that a comparison can confuse (`confusable`), and one that contains another is left on alone.
    """
    few = len(names) <= FEW
    alone = [frozenset({name}) for name in (names if few else confusable(names)[:FEW])]
    left_on = names if len(names) <= FEW // 2 else [_most_confusable(names)]
    all_but_one = [frozenset(names) - {name} for name in left_on]
    pairs = [] if few else disable_rounds(names)
    return [off for off in dict.fromkeys((*pairs, *alone, *all_but_one, frozenset(names))) if off]


def confusable(names: Sequence[str]) -> list[str]:
    """The names that contain another one, or are contained in one: as a prefix, a suffix or anywhere.

    Case, hyphens and underscores do not count, since variables have others than paths.
    """
    plain = {name: "".join(each for each in name.lower() if each not in "-_") for name in names}
    return [
        name
        for name in names
        if any(plain[name] in plain[other] or plain[other] in plain[name] for other in names if other != name)
    ]


def _most_confusable(names: Sequence[str]) -> str:
    """A name that contains another one; the last of all where none does."""
    return max(confusable(names), key=len, default=names[-1])


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

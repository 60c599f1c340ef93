"""Accounts for every delivery: acknowledged ones must be stored exactly once, rejected ones must not be stored.

Pure functions, from attempts and stored ids to counts and ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rollback_drills.clients.traffic.records import Fate
from rollback_drills.evidence.model import Writes

LISTED = 50  # ids listed in the evidence; an artifact lists all


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """A delivery that was sent; ``at``: when it was answered, in monotonic seconds."""

    id: str
    fate: Fate
    at: float


@dataclass(frozen=True, slots=True)
class DeliveryLedger:
    """All ids by result, in the order of their answers."""

    acknowledged: int
    lost: tuple[str, ...]
    given_up: frozenset[str]
    duplicated: tuple[str, ...]
    unexpected: tuple[str, ...]
    uncertain: int
    oldest_lost: float | None

    @property
    def lost_unexpectedly(self) -> tuple[str, ...]:
        """The lost deliveries that the procedure did not give up."""
        return tuple(each for each in self.lost if each not in self.given_up)

    def writes(self, trigger: float, objective: float | None = None, *, judged: bool = True) -> Writes:
        """For the evidence.

        Args:
            judged: False if the drill may not have said yet which losses it expects.
            trigger: when the decision to roll back was made, in monotonic seconds.
            objective: seconds of data that may be lost; None: not judged.
        """
        rpo = max(0.0, trigger - self.oldest_lost) if self.oldest_lost is not None else 0.0
        return Writes(
            acknowledged=self.acknowledged,
            lost=self.lost[:LISTED],
            lost_more=max(0, len(self.lost) - LISTED),
            expected_lost=sum(each in self.given_up for each in self.lost),
            duplicated=self.duplicated[:LISTED],
            duplicated_more=max(0, len(self.duplicated) - LISTED),
            unexpected=self.unexpected[:LISTED],
            unexpected_more=max(0, len(self.unexpected) - LISTED),
            uncertain=self.uncertain,
            rpo_seconds=round(rpo, 3),
            rpo_objective_seconds=objective,
            judged=judged,
        )


def account(
    attempts: Sequence[DeliveryAttempt], stored: Mapping[str, int], given_up: Collection[tuple[float, float]] = ()
) -> DeliveryLedger:
    """Compare the answers with what is stored.

    An id that was sent several times counts by its best answer: once acknowledged, it must be stored. It is stored
    too often if it is stored more often than it was sent.

    Args:
        stored: how many copies of each id are in the database.
        given_up: intervals (monotonic seconds, from and until) whose acknowledged deliveries the procedure is known
            to lose.
    """
    sent = Counter(each.id for each in attempts)
    by_id: dict[str, list[DeliveryAttempt]] = {}
    for each in sorted(attempts, key=lambda attempt: attempt.at):
        by_id.setdefault(each.id, []).append(each)
    acknowledged = {
        name: next(each.at for each in tries if each.fate == "acknowledged")
        for name, tries in by_id.items()
        if any(each.fate == "acknowledged" for each in tries)
    }
    refused = [name for name, tries in by_id.items() if all(each.fate == "refused" for each in tries)]
    lost = [name for name in acknowledged if not stored.get(name)]
    return DeliveryLedger(
        acknowledged=len(acknowledged),
        lost=tuple(lost),
        given_up=frozenset(
            name for name in lost if any(since <= acknowledged[name] <= until for since, until in given_up)
        ),
        duplicated=tuple(name for name in by_id if stored.get(name, 0) > sent[name]),
        unexpected=tuple(name for name in refused if stored.get(name)),
        uncertain=len(by_id) - len(acknowledged) - len(refused),
        oldest_lost=min((acknowledged[name] for name in lost), default=None),
    )

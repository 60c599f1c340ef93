"""How much of the suite's own traffic the healthy releases can take, and what follows for rate and window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rollback_drills.target.target import Target

BUSY = 0.5  # of one worker's time that the load may take; the rest is the drill's own requests
SAMPLES = 3  # requests of each kind by which a cost is known
PLAYED = 2.0  # seconds for which the load is played where one worker would not do
WAITED = 3.0  # times its usual duration that an answer may take while the load is played
SPARE = 0.25  # seconds beyond that
_LEAST = 0.01  # requests per second


@dataclass(frozen=True, slots=True)
class Cost:
    """What one request of each kind costs an idle release, in seconds."""

    release: str
    health: float
    delivery: float
    read: float | None = None

    @property
    def seconds(self) -> float:
        """Of a request of the load: they are of each kind in turn."""
        kinds = [self.health, self.delivery, *([self.read] if self.read is not None else [])]
        return sum(kinds) / len(kinds)

    @property
    def rate(self) -> float:
        """Requests per second that keep a single worker busy for `BUSY` of its time."""
        return BUSY / max(self.seconds, 1e-6)

    @classmethod
    def of(cls, release: str, health: Sequence[float], delivery: Sequence[float], read: Sequence[float] = ()) -> Cost:
        return cls(release, median(health), median(delivery), median(read) if read else None)


@dataclass(frozen=True, slots=True)
class Pace:
    """The load of every drill of a run.

    Attributes:
        rate: requests per second, of all kinds together.
        window: consecutive good answers of each kind that end a recovery.
        reason: why rate or window are not those of the target file; empty if they are.
        kinds: of requests, which take turns.
    """

    rate: float
    window: int
    reason: str = ""
    kinds: int = 2

    @property
    def window_seconds(self) -> float:
        """How long a window takes: of `kinds` requests, one is of the same kind."""
        return self.kinds * self.window / self.rate if self.rate else 0.0


def pace_of(target: Target, slowest: Cost | None = None) -> Pace:
    """The target file's load, unless that is more than the healthy releases can take.

    A window follows the rate: it may take half of ``gateway.ready_timeout``.

    Args:
        slowest: the release that cannot take the target file's rate, if one cannot.
    """
    asked, kinds = asked_rate(target), 3 if target.reads_of(target.previous) else 2
    if not asked:
        return Pace(0.0, target.traffic.window, kinds=kinds)
    rate = asked if slowest is None else min(asked, max(_LEAST, _rounded(slowest.rate)))
    reasons = []
    if slowest is not None and rate < asked:
        reasons.append(
            f"{rate:g} requests per second instead of {asked:g}: a delivery to release {slowest.release} takes "
            f"{slowest.delivery:.2g} s and a health probe {slowest.health:.2g} s, and more would overload it"
        )
    most = max(1, int(rate * target.gateway.ready_timeout / (2 * kinds)))
    window = min(target.traffic.window, most)
    if window < target.traffic.window:
        reasons.append(
            f"a window of {window} good answers of each kind instead of {target.traffic.window}, which would take "
            f"{kinds * target.traffic.window / rate:.0f} s at {rate:g} requests per second"
        )
    return Pace(rate, window, "; ".join(reasons), kinds)


def asked_rate(target: Target) -> float:
    """The target file's rate, of which what is limited uses half of the limit at most; the drill has the rest."""
    rate, all_kinds = target.traffic.rate, target.traffic.rate_limit
    deliveries = target.delivery.rate_limit if target.delivery is not None else None
    return min(rate, deliveries or rate, all_kinds / 2 if all_kinds else rate)  # every other request is a delivery


def _rounded(rate: float) -> float:
    """Down to two digits."""
    scale: float = 10.0 ** (1 - math.floor(math.log10(rate)))
    return math.floor(rate * scale) / scale

"""The measurements of former runs: one line per run in ``history.jsonl``, and the trend of each drill.

A run counts for a trend if it drilled the same cases of the same drill, target and runtime. Recovery times are compared
with those of complete runs in which all cases passed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pydantic import BaseModel, ConfigDict, ValidationError

from rollback_drills.evidence.model import (
    DrillEvidence,
    Verdict,
)
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.files import unwritable
from rollback_drills.report.views.groups import NOT_BEGUN

HISTORY = "history.jsonl"
SHOWN = 5
"""How many former runs a trend shows, and a median is taken of."""
_LEAST = 3  # former runs below which a median means nothing
_FACTOR, _SECONDS = 2.0, 1.0  # a recovery that exceeds both is called out


class PastDrill(BaseModel):
    """What one drill measured; null where it did not."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    verdict: Verdict
    recovery: float | None = None
    downtime: float | None = None
    lost: int | None = None


class PastRun(BaseModel):
    """One line of the history: a run and the figures of its drills, by their ids."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: int = 1
    run: str
    finished_at: str
    target: str
    runtime: str
    complete: bool
    drills: dict[str, PastDrill]


@dataclass(frozen=True, slots=True)
class History:
    """The former runs, oldest first, and how many lines could not be read."""

    runs: tuple[PastRun, ...] = ()
    unreadable: int = 0


def far_longer(now: float, before: float) -> bool:
    """Whether a recovery time of ``now`` seconds is worth pointing out beside ``before``."""
    return now > _FACTOR * before and now - before > _SECONDS


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run in the trend of a drill."""

    run: str
    passed: bool
    recovery: float | None
    downtime: float | None
    lost: int | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The last former runs of a drill and the present one, oldest first."""

    points: tuple[TrendPoint, ...]
    median: float | None
    runs: int

    @property
    def now(self) -> TrendPoint:
        return self.points[-1]

    @property
    def factor(self) -> float | None:
        """The recovery time over its median, if that is worth reporting."""
        now = self.now.recovery
        if self.median is None or now is None or not far_longer(now, self.median):
            return None
        return now / self.median if self.median else None


def past_of(run: RunEvidence) -> PastRun:
    """The figures of ``run`` that later runs are compared with."""
    return PastRun(
        run=run.run,
        finished_at=run.finished_at,
        target=run.target.name,
        runtime=run.runtime.name,
        complete=not run.interrupted,
        drills={drill.id: _past(drill) for drill in run.drills if drill.verdict not in NOT_BEGUN},
    )


def _past(drill: DrillEvidence) -> PastDrill:
    return PastDrill(
        verdict=drill.verdict,
        recovery=drill.recovery.seconds if drill.recovery else None,
        downtime=round(drill.traffic.longest_downtime, 3) if drill.traffic else None,
        lost=drill.writes.all_lost if drill.writes and drill.writes.judged else None,
    )


def read_history(file: Path) -> History:
    """Every run that ``file`` knows; a line that cannot be read is counted and left out. No file: no history.

    Raises:
        DrillError: the file is there and cannot be read.
    """
    found: dict[str, PastRun] = {}
    unreadable = 0
    try:
        with file.open("rb") as lines:
            for line in lines:
                try:
                    past = PastRun.model_validate_json(line)
                except ValidationError:
                    unreadable += bool(line.strip())
                    continue
                found.pop(past.run, None)  # a run that was rendered again counts once, as it is now
                found[past.run] = past
    except FileNotFoundError:
        return History()
    except OSError as error:
        raise unwritable(file, error) from error
    return History(tuple(found.values()), unreadable)


def append_history(file: Path, run: RunEvidence) -> None:
    """Add ``run`` as the last line, after ending a line that a killed process left incomplete.

    Raises:
        DrillError: it cannot be written.
    """
    line = past_of(run).model_dump_json(exclude_none=True).encode() + b"\n"
    try:
        with file.open("a+b") as lines:
            if lines.tell() and _last_byte(file) != b"\n":
                line = b"\n" + line
            lines.write(line)
    except OSError as error:
        raise unwritable(file, error) from error


def _last_byte(file: Path) -> bytes:
    with file.open("rb") as lines:
        with suppress(OSError):
            lines.seek(-1, os.SEEK_END)
        return lines.read(1)


def trend(run: RunEvidence, drills: Sequence[DrillEvidence], history: History) -> Trend | None:
    """The trend of one drill, its cases taken together (the longest of their times); None without former runs."""
    performed = [drill for drill in drills if drill.verdict not in NOT_BEGUN]
    if not performed:
        return None
    former = [_point(past.run, cases, past.complete) for past, cases in _comparable(run, performed, history)]
    if not former:
        return None
    last = former[-SHOWN:]
    times = [point.recovery for point in last if point.passed and point.recovery is not None]
    now = _point(run.run, [_past(drill) for drill in performed], not run.interrupted)
    return Trend((*last, now), median(times) if len(times) >= _LEAST else None, len(times))


def _comparable(
    run: RunEvidence, drills: Sequence[DrillEvidence], history: History
) -> Iterator[tuple[PastRun, list[PastDrill]]]:
    ids = [drill.id for drill in drills]
    itself = {run.run, *(source.run for source in run.merged)}
    for past in history.runs:
        same = (past.target, past.runtime) == (run.target.name, run.runtime.name) and past.run not in itself
        if same and all(name in past.drills for name in ids):
            yield past, [past.drills[name] for name in ids]


def _point(run: str, cases: Sequence[PastDrill], complete: bool) -> TrendPoint:
    recoveries = [case.recovery for case in cases if case.recovery is not None]
    downtimes = [case.downtime for case in cases if case.downtime is not None]
    lost = [case.lost for case in cases if case.lost is not None]
    return TrendPoint(
        run=run,
        passed=complete and all(case.verdict == "passed" for case in cases),
        recovery=max(recoveries, default=None),
        downtime=max(downtimes, default=None),
        lost=sum(lost) if lost else None,
    )

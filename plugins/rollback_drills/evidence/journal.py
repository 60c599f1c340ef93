"""The journal of a worker: one JSON line per event, written as it happens, so that a crash loses nothing.

Events: ``drill-started`` (the drill's head), ``step`` (a step that has ended) and ``drill`` (the whole evidence).
The events of a killed worker become drills with the verdict ``incomplete``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, JsonValue

from rollback_drills.evidence.model import DrillEvidence, Step

_FORMAT = 1
_PAYLOADS: dict[str, type[DrillEvidence] | type[Step]] = {
    "drill-started": DrillEvidence,
    "step": Step,
    "drill": DrillEvidence,
}


class Journal:
    """Appends events to one file; the kernel has every line before the drill goes on.

    Args:
        on_problem: called once, when a line cannot be written; after that, nothing is written. The drill is
            still worth performing: only a crash would lose what the journal lacks.
    """

    def __init__(self, file: Path, on_problem: Callable[[OSError], None] = lambda error: None) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._on_problem = file.open("ab", buffering=0), on_problem

    def drill_started(self, evidence: DrillEvidence) -> None:
        self._write("drill-started", evidence.id, evidence)

    def step(self, drill: str, step: Step) -> None:
        self._write("step", drill, step)

    def drill(self, evidence: DrillEvidence) -> None:
        self._write("drill", evidence.id, evidence)

    def close(self) -> None:
        self._file.close()

    def _write(self, event: str, drill: str, payload: BaseModel) -> None:
        line: dict[str, JsonValue] = {"v": _FORMAT, "event": event, "drill": drill}
        line["payload"] = payload.model_dump(mode="json")
        content = memoryview(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        try:
            while content and not self._file.closed:
                content = content[self._file.write(content) :]
        except OSError as error:
            self._file.close()
            self._on_problem(error)


def read_journals(files: Iterable[Path]) -> list[DrillEvidence]:
    """The drills of some journals, in the order in which they began; unreadable lines are skipped.

    If another worker repeated a drill that a killed worker had begun, the repetition counts.
    """
    drills: dict[str, DrillEvidence] = {}
    for file in files:
        for drill, evidence in _read(file).items():
            drills[drill] = max(drills.get(drill, evidence), evidence, key=_weight)
    return sorted(drills.values(), key=lambda drill: drill.started_at)


def _weight(evidence: DrillEvidence) -> tuple[bool, str]:
    """What counts of one drill: a performance that ended before one that was cut short, then the later one."""
    return evidence.verdict != "incomplete", evidence.started_at


def _read(file: Path) -> dict[str, DrillEvidence]:
    drills: dict[str, DrillEvidence] = {}
    for payload, drill in _events(file):
        if isinstance(payload, DrillEvidence):
            drills[drill] = payload
        elif drill in drills:
            steps = (*drills[drill].steps, payload)
            seconds = steps[-1].at + steps[-1].seconds
            drills[drill] = drills[drill].model_copy(update={"steps": steps, "seconds": seconds})
    return drills


def _events(file: Path) -> Iterator[tuple[DrillEvidence | Step, str]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                model = _PAYLOADS[record["event"]]
                yield model.model_validate(record["payload"]), str(record["drill"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # torn, since the process was killed while it wrote this line, or by another version

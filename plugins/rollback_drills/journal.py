"""The journal of a worker: one JSON line per event, written as it happens, so that a crash loses nothing.

Events: ``drill-started`` (the drill's head), ``step`` (a step that has ended) and ``drill`` (the whole evidence).
What a killed worker leaves is folded into drills whose verdict is ``incomplete``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, JsonValue, ValidationError

from rollback_drills.evidence import DrillEvidence, Step

_FORMAT = 1


class Journal:
    """Appends events to one file; every line is handed to the kernel before the drill goes on."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a", encoding="utf-8")

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
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()


def read_journals(files: Iterable[Path]) -> list[DrillEvidence]:
    """The drills of some journals, in the order in which they began; a torn last line is left out."""
    drills: dict[str, DrillEvidence] = {}
    for file in files:
        for event, drill, payload in _events(file):
            if event == "step" and drill in drills:
                steps = (*drills[drill].steps, Step.model_validate(payload))
                seconds = steps[-1].at + steps[-1].seconds
                drills[drill] = drills[drill].model_copy(update={"steps": steps, "seconds": seconds})
            elif event in ("drill-started", "drill"):
                drills[drill] = DrillEvidence.model_validate(payload)
    return list(drills.values())


def _events(file: Path) -> Iterable[tuple[str, str, JsonValue]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
                yield record["event"], record["drill"], record["payload"]
            except (ValueError, KeyError, TypeError, ValidationError):
                return  # the process was killed while it wrote this line; nothing follows it

"""What a drill without pytest needs: a clock that a test moves, machines of every load, and what a drill records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rollback_drills.core.machine import MachineLoad
from rollback_drills.drill.drill import Drill
from rollback_drills.runtimes.protocols import CommandResult

SECRET = "hunter2-and-more"


class Clock:
    """A meter whose time passes only where a test says so."""

    def __init__(self) -> None:
        self.now, self.target_seconds = 100.0, 0.0

    def elapsed(self) -> float:
        return self.now

    @contextmanager
    def recovery(self) -> Iterator[None]:
        yield


def idle(*, late: float = 0.0) -> MachineLoad:
    return MachineLoad(load=0.5, cpus=2, slowdown=1.0, late=late)


def overloaded(*, late: float = 0.0) -> MachineLoad:
    return MachineLoad(load=20.0, cpus=2, slowdown=8.0, late=late)


def result(output: str = "", *argv: str, code: int | None = 0, seconds: float = 0.5) -> CommandResult:
    return CommandResult(argv or ("tool",), code, output, "", seconds, "here")


def loss(**changes: Any) -> dict[str, Any]:
    return {"table": "t", "column": "c", "rows": 1, "written": "after", "example": "x", "line": "one row"} | changes


def everything_written(drill: Drill, tmp_path: Path) -> str:
    files = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    return drill.evidence().model_dump_json() + "".join(files) + " ".join(map(str, tmp_path.rglob("*")))

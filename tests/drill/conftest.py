"""A drill without pytest, and its clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.lone_drill import SECRET, Clock, idle

from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    Plan,
)
from rollback_drills.target.target import Target


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(tmp_path: Path, reference_target: Target, clock: Clock):
    def make(**options: Any) -> Drill:
        plan = {"id": "drills/test_x.py::test_y[1]", "title": "t", "runbook": "scenario-a"} | options.pop("plan", {})
        return Drill(
            Plan(**plan),
            target=reference_target,
            meter=clock,
            redactor=Redactor([SECRET]),  # type: ignore[arg-type]
            directory=tmp_path / "run",
            **{"machine": idle, **options},
        )

    return make


@pytest.fixture
def drill(make: Any) -> Drill:
    return make()

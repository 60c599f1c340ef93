"""Says before the run begins that it will perform drills: header, report and scheduling follow from it."""

from __future__ import annotations

import pytest

from rollback_drills.pytest_plugin import activate


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    activate(config)

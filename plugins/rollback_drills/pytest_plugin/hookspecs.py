"""The hooks that this plugin calls, for conftest files and other plugins to implement."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollback_drills.runtimes import AddedRuntime
    from rollback_drills.target.target import Target


@pytest.hookspec
def pytest_rollback_drills_runtimes(config: pytest.Config) -> Iterable[AddedRuntime]:  # type: ignore[empty-body]
    """Runtimes besides our own, for ``--drill-runtime=NAME``. Called once in every process."""


@pytest.hookspec(firstresult=True)
def pytest_rollback_drills_target(config: pytest.Config, load: Callable[[], Target]) -> Target | None:
    """The system under drill, instead of the one whose file was named; None: that one.

    Args:
        config: pytest's.
        load: reads the file that was named with ``--drill-target`` or ``drill_target``, to change what it says.
    """

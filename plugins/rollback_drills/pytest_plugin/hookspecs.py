"""The hooks that this plugin calls, for conftest files and other plugins to implement.

Each is called once in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollback_drills.evidence.findings.entry import FindingKind
    from rollback_drills.runbook.sections import RunbookSection
    from rollback_drills.runtimes import AddedRuntime
    from rollback_drills.target.target import Target


@pytest.hookspec
def pytest_rollback_drills_runtimes(config: pytest.Config) -> Iterable[AddedRuntime]:  # type: ignore[empty-body]
    """Runtimes for ``--drill-runtime=NAME``, besides the built-in ones."""


@pytest.hookspec
def pytest_rollback_drills_findings(config: pytest.Config) -> Iterable[FindingKind]:  # type: ignore[empty-body]
    """Findings for ``drill.check(…, finding=code)`` and ``drill.find(code, …)``, besides those of the catalogue."""


@pytest.hookspec
def pytest_rollback_drills_sections(config: pytest.Config) -> Iterable[RunbookSection]:  # type: ignore[empty-body]
    """Sections of the runbook for ``@pytest.mark.drill(…, runbook=id)``, besides the built-in ones."""


@pytest.hookspec(firstresult=True)
def pytest_rollback_drills_target(config: pytest.Config, load: Callable[[], Target]) -> Target | None:
    """The system under drill, in place of the named file; None to take that file.

    Args:
        config: pytest's configuration.
        load: reads the file that ``--drill-target`` or ``drill_target`` names.
    """

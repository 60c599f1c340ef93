"""Properties of a test in the JUnit file that pytest writes, for CI services."""

from __future__ import annotations

import pytest

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.report.formats.junit import PREFIX, properties


def record_properties(item: pytest.Item, report: pytest.TestReport, evidence: DrillEvidence) -> None:
    """Add what a drill measured as properties of its test: ``--junitxml`` writes them, under pytest-xdist too.

    They go into the item as well, because the JUnit file takes them from the report of the teardown.
    """
    measured = list(properties(evidence))
    for known in (item.user_properties, report.user_properties):
        known[:] = [*(entry for entry in known if not str(entry[0]).startswith(PREFIX)), *measured]

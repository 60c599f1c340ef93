"""Prints the detection matrix, which drill caught which fault with which finding, and the healthy variants.

``ROLLBACK_DRILLS_TEST_UNTIL`` (seconds since the epoch) begins no fault after that time, and says how many are left
out. From day to day, others are the last.
"""

from __future__ import annotations

import math
import os
import time

import pytest

UNTIL = float(os.environ.get("ROLLBACK_DRILLS_TEST_UNTIL") or "inf")
DAY, STRIDE = 86_400, 53  # seconds; by how many items the order moves from day to day


@pytest.hookimpl(trylast=True)  # what is selected
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Perform them in the order of the day, if not all may be performed."""
    if items and math.isfinite(UNTIL):  # every worker has the same day, that of the end
        first = int(UNTIL // DAY) * STRIDE % len(items)
        items[:] = items[first:] + items[:first]


@pytest.fixture(autouse=True)
def in_time() -> None:
    """Begin nothing once the time is over."""
    if time.time() > UNTIL:
        pytest.skip("no time is left")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a row for every fault, and one for every healthy variant."""
    rows, healthy = [], []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = dict(report.user_properties)
            if "fault" in told:
                caught = ", ".join(told.get("caught by", ())) or "no drill"
                rows.append((str(told["fault"]), str(told["finding"]), caught, outcome == "passed"))
            if "healthy" in told:
                healthy.append((str(told["healthy"]), outcome == "passed"))
    late = [report for report in terminalreporter.getreports("skipped") if "no time is left" in str(report.longrepr)]
    if late:
        terminalreporter.line(f"not performed, since no time was left: {len(late)}")
    if rows:
        print_faults(terminalreporter, sorted(rows))
    if healthy:
        print_healthy(terminalreporter, sorted(healthy))


def print_faults(terminal: pytest.TerminalReporter, rows: list[tuple[str, str, str, bool]]) -> None:
    terminal.section("planted faults")
    fault, finding = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in rows:
        verdict = "caught" if row[3] else "NOT CAUGHT AS PLANNED"
        terminal.line(f"{row[0]:{fault}}  {row[1]:{finding}}  {verdict}: {row[2]}")
    caught = sum(row[3] for row in rows)
    terminal.line(f"detection rate: {caught} of {len(rows)} ({caught / len(rows):.0%})")


def print_healthy(terminal: pytest.TerminalReporter, rows: list[tuple[str, bool]]) -> None:
    terminal.section("healthy variants")
    width = max(len(name) for name, _ in rows)
    for name, passed in rows:
        terminal.line(f"{name:{width}}  {'no finding' if passed else 'NOT WITHOUT A FINDING'}")
    terminal.line(f"without a finding: {sum(passed for _, passed in rows)} of {len(rows)}")

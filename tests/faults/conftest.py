"""Prints the detection matrix: which drill caught which fault, with which finding."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print a row for every fault."""
    rows = []
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = dict(report.user_properties)
            if "fault" in told:
                caught = ", ".join(told.get("caught by", ())) or "no drill"
                rows.append((str(told["fault"]), str(told["finding"]), caught, outcome == "passed"))
    if not rows:
        return
    terminalreporter.section("planted faults")
    fault, finding = (max(len(row[column]) for row in rows) for column in (0, 1))
    for row in sorted(rows):
        verdict = "caught" if row[3] else "NOT CAUGHT AS PLANNED"
        terminalreporter.line(f"{row[0]:{fault}}  {row[1]:{finding}}  {verdict}: {row[2]}")
    caught = sum(row[3] for row in rows)
    terminalreporter.line(f"detection rate: {caught} of {len(rows)} ({caught / len(rows):.0%})")

"""Prints the detection matrix, which drill caught which fault with which finding, and the healthy variants."""

from __future__ import annotations

import pytest


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

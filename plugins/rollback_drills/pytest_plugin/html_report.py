"""Columns and links in the report of pytest-html. Everything that is added to it is escaped here."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest

from rollback_drills.evidence.model import DrillEvidence, Finding
from rollback_drills.pytest_plugin.keys import EVIDENCE
from rollback_drills.pytest_plugin.session import DrillSession
from rollback_drills.report.views.groups import anchor_of

_TEST_ID_CELL = 1


class _PytestHtmlReport(Protocol):
    nodeid: str
    when: str


class HtmlColumns:
    """Registered on the controller; its hooks exist only where pytest-html is installed and not blocked."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:  # pytest-html has no types
        report.title = f"Rollback drills {self._session.run}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: list[str]) -> None:
        cells.insert(2, '<th class="sortable" data-column-type="verdict">Verdict</th>')
        cells.insert(3, "<th>Recovery</th>")
        cells.insert(4, "<th>Findings</th>")

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(self, report: _PytestHtmlReport, cells: list[str]) -> None:
        # pytest-html does not escape test ids, and a parameter may hold anything.
        test_id = report.nodeid if report.when == "call" else f"{report.nodeid}::{report.when}"
        cells[_TEST_ID_CELL] = f'<td class="col-testId">{escape(test_id)}</td>'
        evidence = next((DrillEvidence.from_json(text) for text in getattr(report, EVIDENCE, ())[-1:]), None)
        verdict = recovery = findings = ""
        if evidence is not None:
            verdict = f'<a href="{self._link()}#{anchor_of(evidence.id)}">{escape(evidence.verdict)}</a>'
            recovery = escape(_recovery(evidence))
            findings = escape(", ".join(dict.fromkeys(map(_brief, evidence.findings))))
        cells.insert(2, f'<td class="col-verdict">{verdict}</td>')
        cells.insert(3, f'<td class="col-recovery">{recovery}</td>')
        cells.insert(4, f'<td class="col-findings">{findings}</td>')

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        prefix.append(f'<p><a href="{self._link()}">Incident document of this run</a></p>')

    def _link(self) -> str:
        """From pytest-html's report, wherever it was asked for, to the incident document."""
        config = self._session.config
        report = Path(config.invocation_params.dir, os.path.expandvars(config.option.htmlpath)).expanduser()
        return escape(quote(os.path.relpath(self._session.directory / "incident.html", report.parent)))


def discard_html_report(config: pytest.Config, directory: Path) -> None:
    """Keep pytest-html from writing into a directory that is about to be removed, and from printing that path."""
    if Path(getattr(config.option, "htmlpath", None) or "").parent != directory:
        return
    for plugin in config.pluginmanager.get_plugins():
        if type(plugin).__module__.startswith("pytest_html."):
            config.pluginmanager.unregister(plugin)


def _brief(finding: Finding) -> str:
    if finding.fails:
        return finding.code
    return f"{finding.code} ({'accepted' if finding.accepted else 'known gap'})"


def _recovery(evidence: DrillEvidence) -> str:
    recovery = evidence.recovery
    if recovery is None:
        return "not measured"
    taken = "never" if recovery.seconds is None else f"{recovery.seconds:.1f} s"
    return taken if recovery.objective_seconds is None else f"{taken} of {recovery.objective_seconds:g} s"

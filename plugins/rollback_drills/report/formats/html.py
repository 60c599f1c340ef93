"""The incident document: one HTML file that loads nothing else.

It can be read and printed without scripts. Its only script keeps what people fill in, and saves a completed copy; the
content security policy blocks any other.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import cut, visible
from rollback_drills.report.views.limits import LADDER
from rollback_drills.report.views.question import of_migrations_only
from rollback_drills.report.views.report import Report, Reports
from rollback_drills.report.views.runs import Runs
from rollback_drills.report.views.steps import File

MAX_BYTES = 1_000_000
"""The limit of the document's size, whatever the logs."""
GAME_DAY_BYTES, MIGRATIONS_BYTES = 400_000, 60_000
"""The limits of a game day of up to 80 drills, and of a walk through up to 16 migrations."""

_TEMPLATES = Path(__file__).parents[1] / "templates"
_LONGEST = 20_000  # characters of any one text, a safety net behind the model's own limits
_OFTEN = 120  # characters up to which a text is likely to be met again


def budget(run: RunEvidence) -> int:
    """The bytes that the document of a run may have: what belongs to its kind, and more for each drill beyond it."""
    if of_migrations_only(run):
        return min(MAX_BYTES, MIGRATIONS_BYTES + 2_000 * max(0, len(run.drills) - 16))
    return min(MAX_BYTES, GAME_DAY_BYTES + 5_000 * max(0, len(run.drills) - 80))


def render_html(reports: Reports, *, files: Sequence[File] = (), max_bytes: int | None = None) -> str:
    """The incident document of a run, usually under ``max_bytes`` of UTF-8.

    Args:
        reports: the run's reports.
        files: the run's files for the manifest, without this document.
        max_bytes: the upper bound; texts and lists are shortened until the document fits. Default: `budget`.
    """
    max_bytes = budget(reports.run) if max_bytes is None else max_bytes
    for limits in LADDER:
        report = reports.within(limits).with_files(files, limits)
        if limits is not LADDER[-1] and _estimate(report) > max_bytes:
            continue  # spares rendering what will not fit
        page = _render(report)
        if len(page.encode()) < max_bytes:
            break
    return page


def _estimate(report: Report) -> int:
    """A low estimate of the document's bytes."""
    steps = [step for drill in report.drills for case in drill.shown for step in case.steps]
    output = sum(len(command.output) for step in steps for command in step.commands)
    entries = sum(len(step.checks) + len(step.commands) for step in steps)
    return 30_000 + 1_500 * len(report.drills) + 700 * len(steps) + 150 * entries + output


def _render(report: Report) -> str:
    style, script = _part("incident.css"), _part("incident.js")
    template = _environment().get_template("incident.html.j2")
    hashes = {"style_hash": _hash(style), "script_hash": _hash(script)}
    return template.render(report=report, style=Markup(style), script=Markup(script), **hashes)


def render_index(runs: Runs) -> str:
    """The index of all runs: one HTML file, without a script."""
    style = _part("incident.css")
    return _environment().get_template("index.html.j2").render(runs=runs, style=Markup(style), style_hash=_hash(style))


@cache
def _part(name: str) -> str:
    """A style or script without the indentation and the comments that only its source needs."""
    text = re.sub(r"(?m)^\s*//.*\n|/\*.*?\*/", "", (_TEMPLATES / name).read_text(encoding="utf-8"))
    text = re.sub(r"\s*\n\s*", "\n", text)
    return re.sub(r"(?<=[:;,{}])[ \n]+|[ \n]+(?=[{}])|;(?=\s*})", "", text) if name.endswith(".css") else text


@cache
def _hash(text: str) -> str:
    """As the page's content security policy names the only script and style that it allows."""
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _harmless(value: object) -> object:
    """Make the value of a template's expression safe to show; Jinja2 calls it for every expression."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _short(value) if len(value) <= _OFTEN else escape(visible(cut(value, _LONGEST)))


@lru_cache(maxsize=8192)
def _short(text: str) -> Markup:
    return escape(visible(text))

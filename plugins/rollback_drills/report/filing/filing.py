"""The files of a run: written whole or not at all, listed with their SHA-256, and found under ``latest``."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.filing.files import PATIENCE, TEMPORARY, ReportLockedError, one_at_a_time, write_whole
from rollback_drills.report.filing.history import HISTORY, PastRun, append_history, read_history
from rollback_drills.report.filing.manifest import ManifestEntry, entries, read_manifest, write_manifest
from rollback_drills.report.formats.html import render_html, render_index
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.text import size, visible
from rollback_drills.report.views.report import Reports
from rollback_drills.report.views.runs import runs_of
from rollback_drills.report.views.steps import File

EVIDENCE, PAGE, SUMMARY, INDEX = "evidence.json", "incident.html", "incident.md", "index.html"
_INDEX_TITLE = "<title>Rollback drills: all runs</title>"


def file_report(
    run: RunEvidence,
    directory: Path,
    *,
    again: bool = False,
    patience: float = PATIENCE,
    against: PastRun | None = None,
) -> Reports:
    """Write the report of ``run`` into ``directory``, and add the run to what its neighbours share.

    That is the history, the index, the chain of manifests, and ``latest``. Runs that end at the same time take turns.

    Args:
        against: the run that it is compared with; by default the last comparable one beside it.
        again: whether an earlier run is rendered again; ``latest`` then never moves back to it.
        patience: seconds to wait for another run; after that the report is written, but nothing shared is touched.

    Returns:
        The reports, for further renderers.

    Raises:
        DrillError: a file cannot be written, or another run that is being filed does not end.
    """
    neighbours = directory.parent
    try:
        with one_at_a_time(neighbours, patience=patience):
            reports = Reports(run, read_history(neighbours / HISTORY), against)
            write_report(reports, directory)
            append_history(neighbours / HISTORY, run)
            write_index(neighbours)
            if not (again and _is_older(run, neighbours / "latest")):
                refresh_latest(neighbours, directory)
    except ReportLockedError as error:
        write_report(Reports(run, against=against), directory, chained=False)
        what = f"the report is in {directory}, but not in {HISTORY}, the chain of manifests and latest: {error.what}"
        raise DrillError(what, fix=error.fix) from None
    return reports


def write_index(reports_dir: Path) -> Path:
    """Write ``index.html``, which lists all runs of the history, into ``reports_dir``.

    A file of that name that is not an index of runs stays as it is.

    Raises:
        DrillError: it cannot be written.
    """
    file = reports_dir / INDEX
    with suppress(OSError):
        if _INDEX_TITLE not in file.read_text(encoding="utf-8", errors="replace")[:4000]:
            return file
    history = read_history(reports_dir / HISTORY)
    return write_whole(file, render_index(runs_of(history, lambda run: _openable(reports_dir, run))))


def _openable(reports_dir: Path, run: str) -> bool:
    """Whether the document of a run lies in ``reports_dir``; a name that leads elsewhere is none."""
    return Path(run).name == run and (reports_dir / run / PAGE).is_file()


def _is_older(run: RunEvidence, latest: Path) -> bool:
    """Whether ``run`` ended before the one that ``latest`` points to."""
    try:
        return run.finished_at < read_manifest(latest).finished_at
    except DrillError:
        return False


def write_report(reports: Reports, directory: Path, *, chained: bool = True) -> tuple[Path, ...]:
    """Write evidence, incident document, summary and manifest of a run into ``directory``.

    The manifest also lists the files that are already there, such as artifacts.

    Args:
        chained: whether the manifest names the previous run's; only one run at a time may do that.

    Returns:
        The files written, the manifest last.

    Raises:
        DrillError: a file cannot be written.
    """
    run = reports.run
    evidence = write_whole(directory / EVIDENCE, evidence_json(run))
    summary = write_whole(directory / SUMMARY, render_markdown(reports))
    files = [_file(entry, run) for entry in entries(directory) if entry.path != PAGE]
    page = write_whole(directory / PAGE, render_html(reports, files=files))
    return evidence, page, summary, write_manifest(run.run, directory, finished_at=run.finished_at if chained else "")


def refresh_latest(reports_dir: Path, run_dir: Path) -> Path:
    """Let ``latest`` in ``reports_dir`` point to ``run_dir``: a relative link, replaced in one step.

    Returns:
        The link, or ``latest.txt`` with the relative path where links are impossible.

    Raises:
        DrillError: neither can be written.
    """
    relative = os.path.relpath(run_dir, reports_dir)
    link, text = reports_dir / "latest", reports_dir / "latest.txt"
    temporary = reports_dir / f".latest.{os.getpid()}{TEMPORARY}"
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(relative, target_is_directory=True)
        temporary.replace(link)
    except OSError:  # this file system or user has no links, or a real directory has that name
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return write_whole(text, relative + "\n")
    with suppress(OSError):
        text.unlink(missing_ok=True)
    return link


def evidence_json(run: RunEvidence) -> str:
    """``run`` as JSON, with characters that UTF-8 cannot encode (lone surrogates) spelt out."""
    try:
        return run.model_dump_json(indent=1) + "\n"
    except PydanticSerializationError:
        return json.dumps(_encodable(run.model_dump(mode="python")), ensure_ascii=False, indent=1) + "\n"


def _encodable(value: JsonValue) -> JsonValue:
    match value:
        case str():
            return value if value.isascii() or _encodes(value) else visible(value)
        case list() | tuple():
            return [_encodable(item) for item in value]
        case dict():
            return {str(_encodable(key)): _encodable(item) for key, item in value.items()}
        case _:
            return value


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _file(entry: ManifestEntry, run: RunEvidence) -> File:
    recorded = {item.path: item.sha256 for drill in run.drills for item in drill.artifacts}
    note = "" if recorded.get(entry.path, entry.sha256) == entry.sha256 else "differs from the recorded file"
    return File(entry.path, entry.path, size(entry.size), entry.sha256, note)

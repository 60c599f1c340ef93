"""The files of a run: written whole or not at all, listed with their SHA-256, and found under ``latest``."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import PydanticSerializationError

from rollback_drills.errors import DrillError
from rollback_drills.evidence import RunEvidence
from rollback_drills.report.html import render_html
from rollback_drills.report.markdown import render_markdown
from rollback_drills.report.steps import File
from rollback_drills.report.text import size, visible

EVIDENCE, PAGE, SUMMARY, MANIFEST = "evidence.json", "incident.html", "incident.md", "manifest.json"
_TEMPORARY = ".part"
_REMEDIES = {
    errno.ENOSPC: "free some space on that file system, or choose another report directory",
    errno.EDQUOT: "free some space in your quota, or choose another report directory",
    errno.EROFS: "choose a report directory on a file system that is not read-only",
    errno.EACCES: "make the directory writable for the user that runs the drills, or choose another one",
    errno.EPERM: "make the directory writable for the user that runs the drills, or choose another one",
}


class ManifestEntry(BaseModel):
    """A file of the run; ``path`` is relative to the run's directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class Manifest(BaseModel):
    """``manifest.json``: every file of the run besides itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    files: tuple[ManifestEntry, ...]


def write_report(run: RunEvidence, directory: Path) -> tuple[Path, ...]:
    """Write evidence, incident document, summary and manifest of ``run`` into ``directory``.

    Files that are already there (artifacts, another report) are listed in the manifest too.

    Returns:
        The files written, the manifest last.

    Raises:
        DrillError: a file cannot be written.
    """
    evidence = _write(directory / EVIDENCE, evidence_json(run))
    summary = _write(directory / SUMMARY, render_markdown(run))
    files = [_file(entry, run) for entry in _entries(directory) if entry.path != PAGE]
    page = _write(directory / PAGE, render_html(run, files=files))
    return evidence, page, summary, write_manifest(run.run, directory)


def write_manifest(run: str, directory: Path) -> Path:
    """List every file of ``directory`` in its manifest; to be called again after a file was added.

    Raises:
        DrillError: the manifest cannot be written, or a file cannot be read.
    """
    manifest = Manifest(run=visible(run), files=tuple(_entries(directory)))
    return _write(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")


def verify_manifest(directory: Path) -> tuple[str, ...]:
    """One sentence for each file that was changed, removed or added since the manifest was written.

    Raises:
        DrillError: there is no readable manifest.
    """
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DrillError(f"{path} cannot be read", cause=str(error), fix="name the directory of one run") from error
    there = {entry.path: entry for entry in _entries(directory)}
    listed = {entry.path: entry for entry in manifest.files}
    gone = [f"{name} is missing" for name in listed if name not in there]
    changed = [f"{name} was changed" for name in listed if name in there and there[name] != listed[name]]
    added = [f"{name} was added" for name in there if name not in listed]
    return (*changed, *gone, *added)


def refresh_latest(reports_dir: Path, run_dir: Path) -> Path:
    """Let ``latest`` in ``reports_dir`` point to ``run_dir``: a relative link, replaced in one step.

    Returns:
        The link, or ``latest.txt`` with the relative path where links are impossible.

    Raises:
        DrillError: neither can be written.
    """
    relative = os.path.relpath(run_dir, reports_dir)
    link, text = reports_dir / "latest", reports_dir / "latest.txt"
    temporary = reports_dir / f".latest.{os.getpid()}{_TEMPORARY}"
    try:
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(relative, target_is_directory=True)
        temporary.replace(link)
    except OSError:  # no links on this file system or for this user, or a real directory bears the name
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return _write(text, relative + "\n")
    with suppress(OSError):
        text.unlink(missing_ok=True)
    return link


def evidence_json(run: RunEvidence) -> str:
    """``run`` as JSON; characters that no UTF-8 file can hold (lone surrogates) are spelt out."""
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


def _entries(directory: Path) -> Iterator[ManifestEntry]:
    """Every regular file below ``directory`` by path; links and the manifest itself are none of the run's files."""
    try:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_symlink() or not path.is_file() or name == MANIFEST or name.endswith(_TEMPORARY):
                continue
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield ManifestEntry(path=visible(name), size=path.stat().st_size, sha256=digest)
    except OSError as error:
        raise DrillError(f"the files of {directory} cannot be listed", cause=str(error),
                         fix="see that nothing else writes there and that it is readable") from error  # fmt: skip


def _file(entry: ManifestEntry, run: RunEvidence) -> File:
    recorded = {item.path: item.sha256 for drill in run.drills for item in drill.artifacts}
    note = "" if recorded.get(entry.path, entry.sha256) == entry.sha256 else "differs from what was recorded"
    return File(entry.path, entry.path, size(entry.size), entry.sha256, note)


def _write(path: Path, text: str) -> Path:
    """Write ``text`` beside ``path`` and move it there, so that nobody ever reads half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        fix = _REMEDIES.get(error.errno or 0, "choose another report directory")
        raise DrillError(f"{path} cannot be written", cause=error.strerror or str(error), fix=fix) from error
    return path

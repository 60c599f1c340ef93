"""The manifest of a run: SHA-256 of each of its files, and of the manifest of the run before it.

So the manifests of a report directory are a chain: to change an old run, one must change all later manifests too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollback_drills.core.errors import DrillError
from rollback_drills.report.filing.files import TEMPORARY, write_whole
from rollback_drills.report.text import count, visible

MANIFEST = "manifest.json"


class ManifestEntry(BaseModel):
    """A file of the run; ``path`` is relative to the run's directory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    sha256: str


class PreviousRun(BaseModel):
    """The run filed just before this one; its directory, of the same name, is beside this one's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    sha256: str = Field(description="of its manifest.json")


class RunManifest(BaseModel):
    """``manifest.json``: every file of the run besides itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    finished_at: str = ""
    previous: PreviousRun | None = None
    files: tuple[ManifestEntry, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a run's manifest says about its files and about the runs before it."""

    run: str
    files: int
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_manifest(run: str, directory: Path, *, finished_at: str = "") -> Path:
    """List every file of ``directory`` in its manifest; to be called again after a file was added.

    Args:
        run: the run's name.
        directory: where its files are; the runs before it are beside it.
        finished_at: when it ended, ISO 8601 in UTC; empty: the run is no part of the chain.

    Raises:
        DrillError: the manifest cannot be written, or a file cannot be read.
    """
    manifest = RunManifest(
        run=visible(run),
        finished_at=finished_at,
        previous=_previous(directory, visible(run)) if finished_at else None,
        files=tuple(entries(directory)),
    )
    return write_whole(directory / MANIFEST, manifest.model_dump_json(indent=2) + "\n")


def read_manifest(directory: Path) -> RunManifest:
    """The manifest of the run in ``directory``.

    Raises:
        DrillError: there is none, or it cannot be read.
    """
    path = directory / MANIFEST
    fix = "name the directory of one run, for example reports/latest"
    try:
        return RunManifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DrillError(f"{path} cannot be read", cause=error.strerror or str(error), fix=fix) from error
    except ValidationError as error:
        first = error.errors()[0]
        cause = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise DrillError(f"{path} is not a manifest", cause=cause, fix=fix) from error


def verify(directory: Path) -> Verification:
    """Compare the files of a run with its manifest, and the manifests of the runs before it with each other.

    Raises:
        DrillError: there is no readable manifest.
    """
    directory = directory.resolve()
    manifest = read_manifest(directory)
    there = {entry.path: entry for entry in entries(directory)}
    listed = {entry.path: entry for entry in manifest.files}
    gone = [f"{name} was removed" for name in listed if name not in there]
    changed = [f"{name} was changed" for name in listed if name in there and there[name] != listed[name]]
    added = [f"{name} was added" for name in there if name not in listed]
    broken, notes = _follow(directory, manifest)
    return Verification(manifest.run, len(listed), (*changed, *gone, *added, *broken), tuple(notes))


def _follow(directory: Path, manifest: RunManifest) -> tuple[list[str], list[str]]:
    """Which manifests of earlier runs were changed, and how far back they could be followed."""
    seen = {manifest.run}
    while (link := manifest.previous) is not None:
        if Path(link.run).name != link.run or link.run in seen:
            return [f"the manifest of run {manifest.run} names {link.run!r} as the run before it"], []
        try:
            content = (directory.parent / link.run / MANIFEST).read_bytes()
        except OSError:
            gone = f"run {link.run}, the one before {manifest.run}, is gone"
            return [], [f"{gone}: the chain of manifests ends there"]
        if hashlib.sha256(content).hexdigest() != link.sha256:
            return [f"the manifest of run {link.run} was changed after run {manifest.run} had been written"], []
        seen.add(link.run)
        manifest = read_manifest(directory.parent / link.run)
    back = len(seen) - 1
    return [], [f"the chain of manifests is unbroken over {count(back, 'earlier run')}"] if back else []


def _previous(directory: Path, run: str) -> PreviousRun | None:
    """The end of the chain: the run that no other names as its predecessor. A run in the chain keeps its place.

    End times do not decide it: two runs may end in the same second, or in another order than they were filed, and
    clocks are set back. They only decide where an earlier version forked the chain.
    """
    filed = {manifest.run: (manifest, path) for path in directory.parent.iterdir() if (manifest := _filed(path))}
    if run in filed:
        return filed[run][0].previous
    followed = {manifest.previous.run for manifest, _ in filed.values() if manifest.previous}
    ends = [(manifest.finished_at, name) for name, (manifest, _) in filed.items() if name not in followed]
    if not ends or run in followed:  # its successor is in the chain already, and cannot precede it
        return None
    _, last = max(ends)
    return PreviousRun(run=last, sha256=hashlib.sha256((filed[last][1] / MANIFEST).read_bytes()).hexdigest())


def _filed(path: Path) -> RunManifest | None:
    """The manifest of a run in the chain; None if a directory is no run, or has another name."""
    if path.is_symlink() or not (path / MANIFEST).is_file():
        return None
    try:
        manifest = read_manifest(path)
    except DrillError:
        return None  # verifying that run reports it
    return manifest if manifest.finished_at and manifest.run == path.name else None


def entries(directory: Path) -> Iterator[ManifestEntry]:
    """Every regular file below ``directory`` by path, without links and the manifest itself.

    Raises:
        DrillError: a file cannot be read.
    """
    try:
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_symlink() or not path.is_file() or name == MANIFEST or name.endswith(TEMPORARY):
                continue
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield ManifestEntry(path=visible(name), size=path.stat().st_size, sha256=digest)
    except OSError as error:
        raise DrillError(
            f"the files of {directory} cannot be listed",
            cause=str(error),
            fix="make it readable, and let nothing else write there",
        ) from error

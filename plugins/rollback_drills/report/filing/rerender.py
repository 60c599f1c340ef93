"""A report from existing evidence: of one run again, or of several as one. No run is ever overwritten."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from rollback_drills.core.errors import DrillError
from rollback_drills.evidence.run import (
    SCHEMA_VERSION,
    RunEvidence,
)
from rollback_drills.report.filing.files import unwritable
from rollback_drills.report.filing.filing import EVIDENCE, PAGE, SUMMARY, file_report
from rollback_drills.report.filing.history import past_of
from rollback_drills.report.filing.manifest import MANIFEST, verify
from rollback_drills.report.filing.merging import Source, merge, place_of
from rollback_drills.report.text import visible
from rollback_drills.report.views.report import Reports

_WRITTEN_ANEW = {EVIDENCE, PAGE, SUMMARY, MANIFEST}


def run_directory(directory: Path) -> Path:
    """Follow ``latest.txt``, which replaces the link ``latest`` where links are impossible."""
    text = directory.with_name(f"{directory.name}.txt")
    if directory.is_dir() or not text.is_file():
        return directory
    return directory.with_name(text.read_text(encoding="utf-8", errors="replace").strip())


def report_again(
    directories: Sequence[Path], output: Path, *, different_targets: bool = False, against: Path | None = None
) -> tuple[Reports, tuple[str, ...]]:
    """Render the report of one run again, or of several as one, into a new directory.

    Args:
        against: the directory of the run that it is compared with.

    Returns:
        The reports, and which files of the sources, and of ``against``, were changed since their runs wrote them.

    Raises:
        DrillError: a source cannot be read, they do not belong together, or ``output`` is there or cannot be written.
    """
    directories = [run_directory(directory).resolve() for directory in directories]
    sources = [_read(directory) for directory in directories]
    _refuse(output, directories)
    run = sources[0].run
    if len(sources) > 1:
        run = merge(sources, output.resolve().name, different_targets=different_targets)
    changes = changes_of([*directories, *([against] if against else [])])
    _create(output)
    try:
        if len(sources) == 1:
            _copy_all(directories[0], output)
        else:
            for directory, source in zip(directories, sources, strict=True):
                _copy_artifacts(directory, source.run, run, output)
        reports = file_report(run, output, again=True, against=past_of(read_run(against)) if against else None)
    except (DrillError, OSError) as error:
        shutil.rmtree(output, ignore_errors=True)  # half a report is worse than none
        raise error if isinstance(error, DrillError) else unwritable(output, error) from error
    return reports, changes


def read_run(directory: Path) -> RunEvidence:
    """The evidence of the run in ``directory``.

    Raises:
        DrillError: it cannot be read, or is not evidence that this version reads.
    """
    return _read(run_directory(directory)).run


def _read(directory: Path) -> Source:
    file = directory / EVIDENCE
    fix = "name the directory of a completed run, for example reports/latest"
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DrillError(f"{file} cannot be read", cause=error.strerror or str(error), fix=fix) from None
    try:
        run = RunEvidence.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        cause = f"{'.'.join(map(str, first['loc'])) or 'the file'}: {first['msg']}"
        raise DrillError(
            f"{file} is not evidence that this version reads (schema {SCHEMA_VERSION})",
            cause=cause,
            fix="use the version of rollback-drills that the run was made with, or a newer one",
        ) from None
    if run.schema_version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        raise DrillError(
            f"{file} has the schema {visible(run.schema_version)}, and this version reads {SCHEMA_VERSION}",
            fix="use the version of rollback-drills that the run was made with",
        )
    # It is written in the present schema; fields that the schema has gained since keep their defaults.
    run = run.model_copy(update={"schema_version": SCHEMA_VERSION})
    return Source(run, hashlib.sha256(content).hexdigest())


def _refuse(output: Path, sources: Sequence[Path]) -> None:
    if output.is_symlink() or (output.exists() and not (output.is_dir() and not any(output.iterdir()))):
        raise DrillError(f"{output} is there already", fix="name a new directory: nothing is overwritten")
    for source in sources:
        if output.resolve().is_relative_to(source):
            raise DrillError(
                f"{output} lies within the run {source}",
                fix="name a directory beside it: a run's files stay as they are",
            )


def _create(output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            output.rmdir()  # an empty one; this fails if anything has come into it meanwhile
        output.mkdir()
    except OSError as error:
        raise unwritable(output, error) from error


def changes_of(directories: Sequence[Path]) -> tuple[str, ...]:
    """Which files of these runs were changed since the runs wrote them, each once."""
    resolved = dict.fromkeys(run_directory(directory).resolve() for directory in directories)
    return tuple(line for directory in resolved for line in _changes(directory))


def _changes(directory: Path) -> list[str]:
    """Which of a run's files, and of the chain that it belongs to, were changed."""
    try:
        found = verify(directory).changes
    except DrillError as error:
        return [f"{directory.name}: {error.what}"]
    return [f"{directory.name}: {change}" for change in found]


def _copy_all(source: Path, output: Path) -> None:
    """Every file of the run except those that are rendered again."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_file() and not path.is_symlink() and name.as_posix() not in _WRITTEN_ANEW:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, output / name)


def _copy_artifacts(source: Path, run: RunEvidence, merged: RunEvidence, output: Path) -> None:
    """The artifacts of the drills that count; a missing one is reported as a change of its run."""
    wanted = {artifact.path for drill in merged.drills for artifact in drill.artifacts}
    for drill in run.drills:
        for artifact in drill.artifacts:
            place, path = place_of(artifact.path, run.run), source / artifact.path
            inside = path.resolve().is_relative_to(source) and (output / place).resolve().is_relative_to(
                output.resolve()
            )
            if place in wanted and inside and path.is_file():
                (output / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, output / place)

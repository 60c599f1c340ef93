"""The checks: cheap ones first, then a stack, then each release. What depends on a failed check is left out."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from rollback_drills.cli.doctor.backup import examine_backups
from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.doctor.release import examine_release
from rollback_drills.cli.doctor.rows import examine_rows
from rollback_drills.cli.doctor.scripts import examine_scripts
from rollback_drills.cli.doctor.selection import examine_selection
from rollback_drills.cli.doctor.unfilled import left_to_fill_in
from rollback_drills.clients.traffic import Sender
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.errors import DrillError
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.lab.lab import Lab
from rollback_drills.migrations import JOINT
from rollback_drills.runtimes import resolve
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import clean_environment
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace, root
from rollback_drills.target.target import Target

ROOM = 1 << 30  # bytes that a run needs in the directory for temporary files
_LONGEST = 600  # characters per line


def examine(
    file: Path, runtime: str, progress: Callable[[str], None], on_choice: Callable[[str], None] = lambda name: None
) -> Generator[Diagnosis, None, None]:
    """Check a target; yields each diagnosis as soon as it is known. Leaves nothing behind.

    Args:
        file: the target file.
        runtime: auto, embedded, docker or compose.
        progress: receives a line of progress before each slow step.
        on_choice: receives the name of the runtime, once it is chosen.
    """
    try:
        target = Target.load(file)
    except DrillError as error:
        yield Diagnosis.of("target file", error)
        yield from left_to_fill_in(file)
        return
    redactor = Redactor(target.known_secrets)
    with contextlib.closing(_examine(target, runtime, progress, on_choice, redactor)) as diagnoses:
        for each in diagnoses:
            yield replace(each, detail=_shortened(redactor.text(each.detail)), fix=_shortened(redactor.text(each.fix)))


def _shortened(text: str) -> str:
    """Cut long lines; after redaction, since half a secret would not be recognised."""
    return "\n".join(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in text.splitlines())


def _examine(
    target: Target,
    runtime: str,
    progress: Callable[[str], None],
    on_choice: Callable[[str], None],
    redactor: Redactor,
) -> Generator[Diagnosis, None, None]:
    yield Diagnosis("target file", "ok", str(target.file))
    yield from left_to_fill_in(target.file)
    yield from _files(target)
    try:
        removal.sweep()
        yield _disk()
        progress("choosing a runtime")
        choice = resolve(runtime, target, tell=progress)
    except DrillError as error:
        yield Diagnosis.of("runtime", error)
        return
    on_choice(choice.name)
    yield Diagnosis("runtime", "ok", f"{choice.name}, {choice.reason}")
    run = f"doctor-{secrets.token_hex(4)}"
    try:
        with contextlib.ExitStack() as opened:
            workspace = Workspace(run, "doctor")
            opened.callback(removal.close, workspace)
            meter = Meter()
            started = choice.make(target, workspace, meter)
            opened.callback(started.close)
            sender = _sender(workspace.path) if target.traffic.rate else None
            if sender is not None:
                opened.callback(sender.close)
            lab = Lab(target, started, meter, run, sender, redactor.add_known)
            opened.callback(lab.disconnect)
            for secret in (lab.role_password, *started.secrets()):
                redactor.add_known(secret)
            yield from _examine_stack(lab, workspace.path, progress)
    except DrillError as error:
        yield Diagnosis.of("stack", error)


def _sender(directory: Path) -> Sender:
    """The process that sends the drills' traffic."""
    environment, log = clean_environment(directory), directory / "traffic.log"
    return Sender(lambda: PipedConversation(ARGV, cwd=directory, env=environment, log=log))


def _files(target: Target) -> Iterator[Diagnosis]:
    for title, name, fix in (
        *(("runbook", each.file, "correct file under [runbook]") for each in (target.runbook,) if each is not None),
        *(("seed", name, "correct seed under [database]") for name in target.database.seed),
    ):
        path = target.path(name)
        if path.is_file():
            yield Diagnosis(title, "ok", name)
        else:
            yield Diagnosis(title, "problem", f"{path} does not exist", fix)


def _disk() -> Diagnosis:
    free = shutil.disk_usage(root()).free
    detail = f"{free / (1 << 30):.1f} GiB free in {root()}"
    if free < ROOM:
        return Diagnosis("disk", "problem", detail, "free some space, or set TMPDIR to another directory")
    return Diagnosis("disk", "ok", detail)


def _examine_stack(lab: Lab, private: Path, progress: Callable[[str], None]) -> Iterator[Diagnosis]:
    target = lab.target
    title = "releases, PostgreSQL"
    try:
        progress("obtaining the releases and starting PostgreSQL")
        lab.runtime.start()
        yield Diagnosis(title, "ok", _started(lab))
        yield from examine_selection(lab)
        title = "migrations, seed"
        progress("migrating a new database with both releases")
        lab.prepare()
    except DrillError as error:
        yield Diagnosis.of(title, error)
        return
    yield from examine_rows(lab, title)
    yield from _examine_migrations(lab)
    progress("taking and restoring backups")
    yield from examine_backups(lab, private)
    for release in (target.previous, target.current) if target.serves else ():
        progress(f"checking release {release}")
        yield from examine_release(lab, release)


def _started(lab: Lab) -> str:
    """The runtime's facts that fit on a line; the others are for the report."""
    return "; ".join(f"{name}: {fact}" for name, fact in lab.runtime.facts().items() if "\n" not in str(fact))


def _examine_migrations(lab: Lab) -> Iterator[Diagnosis]:
    stack = lab.stack()
    try:
        heads = {release: stack.alembic.head(release) for release in (lab.target.previous, lab.target.current)}
        yield _heads(heads)
        yield from examine_scripts(lab, stack, heads)
    except DrillError as error:
        yield Diagnosis.of("alembic", error)
    finally:
        lab.discard(stack)


def _heads(heads: Mapping[str, str]) -> Diagnosis:
    (previous, below), (current, above) = heads.items()
    detail = f"{previous} is at {below}, {current} at {above}"
    if JOINT in below or JOINT in above:
        return Diagnosis("alembic", "problem", f"{detail}: several heads", "merge them with `alembic merge heads`")
    if below == above:
        return Diagnosis("alembic", "note", f"{detail}: there is no migration between them, so none is rolled back")
    return Diagnosis("alembic", "ok", detail)

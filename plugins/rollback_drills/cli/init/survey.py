"""A survey of a project: compose file, Dockerfile, alembic.ini, Git tags, sources. Nothing is run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rollback_drills.cli.init.compose_file import ComposeFacts, read_compose
from rollback_drills.cli.init.releases import Tags, commits_of, tags_of
from rollback_drills.cli.init.routes import Route, Sources
from rollback_drills.cli.init.settings import settings_in

_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_SKIPPED = frozenset({".git", ".venv", "venv", "env", "node_modules", "__pycache__", "site-packages", ".tox", "dist"})
_RUNBOOK = re.compile(r"(rollback|runbook|playbook).*\.md$", re.IGNORECASE)
_MOST_FILES = 2_000  # that are read
_MOST_BYTES = 200_000  # of one source file

_APPLICATIONS = {
    "uvicorn": re.compile(r"^(?P<name>\w+)\s*(?::[^=\n]+)?=\s*(?:fastapi\.)?(?:FastAPI|Starlette|Litestar)\(", re.M),
    "gunicorn": re.compile(r"^(?P<name>\w+)\s*(?::[^=\n]+)?=\s*(?:flask\.)?Flask\(", re.M),
}
_FACTORY = re.compile(r"^def (?P<name>(?:create|make|get|build)_app)\(", re.M)
# In CMD or ENTRYPOINT, as a list or for a shell, whatever runs before it: `… && uvicorn --host=0.0.0.0 app.main:app`.
_STARTS = re.compile(
    r"""^\s*(?:CMD|ENTRYPOINT)\b.*\b(?P<server>uvicorn|gunicorn)\b[^&|;\n]*?["'\s](?P<application>[\w.]+:\w+(?:\(\))?)""",
    re.M,
)
_ARGUMENT = re.compile(r"^\s*ARG\s+(?P<name>\w*(?:VERSION|RELEASE)\w*)", re.M)
_ROUTE = re.compile(r"""["'](?P<path>/[\w\-./{}<>:]*)["']""")
_VARIABLE = re.compile(r"""(?:environ(?:\.get)?|getenv)\s*[\[(]\s*["'](?P<name>[A-Z][A-Z0-9_]+)["']""")
# The database's variables, also where one of the project's own functions reads them.
_OF_DATABASE = re.compile(
    r"""["'](?P<name>(?:DB|DATABASE|POSTGRES|PG)_?(?:HOST|PORT|NAME|USER|PASSWORD|URL|DSN))["']"""
)
_OPTION = re.compile(r"^(?P<name>script_location|version_locations|sqlalchemy\.url)\s*=\s*(?P<value>.*)$", re.M)


@dataclass(frozen=True, slots=True)
class AlembicFacts:
    """The directories of alembic.ini and of the scripts, relative to the project's root."""

    file: str
    directory: str
    versions: str


@dataclass(slots=True)
class Survey:
    """What was found; what is missing is None."""

    root: Path
    compose: ComposeFacts | None = None
    alembic: AlembicFacts | None = None
    tags: Tags | None = None
    dockerfile: str | None = None
    dockerfile_text: str = ""
    release_arguments: tuple[str, ...] = ()  # of the Dockerfile, with names that suggest the release
    migrates_on_start: str | None = None  # the file that does
    server: str | None = None  # uvicorn or gunicorn
    application: str | None = None  # module:name, or module:name() for a factory under gunicorn
    is_factory: bool = False
    application_file: str = ""
    variables: dict[str, str] = field(default_factory=dict)  # read from the environment, with the file that reads them
    required: dict[str, str] = field(default_factory=dict)  # those of them that have no default
    scripts: dict[str, str] = field(default_factory=dict)  # shell scripts, by path
    sources: Sources = field(default_factory=Sources)
    routes: list[Route] = field(default_factory=list)  # from the syntax of the sources
    quoted: dict[str, str] = field(default_factory=dict)  # paths in quotes, with their file
    requirements: tuple[str, ...] = ()
    runbook: str | None = None
    problems: list[str] = field(default_factory=list)  # files that could not be read

    @property
    def name(self) -> str:
        return self.root.name or "gateway"

    def route(self, *patterns: str) -> tuple[str, str] | None:
        """The first path that matches the first possible pattern, and its file.

        Routes are preferred to paths in quotes, and exact matches to those below a prefix.
        """
        read = [(each.path, each.file) for each in self.routes if each.method == "GET"]
        below = [each for each in sorted(read, key=lambda each: len(each[0])) if each[0].count("/") > 1]
        for before, paths in (("", read), (r"/(?:api|v\d+|[\w.\-]+/v\d+)(?:/v\d+)?", below), ("", self.quoted.items())):
            for pattern in patterns:
                for path, file in paths:
                    if re.fullmatch(before + pattern, path):
                        return path, file
        return None


def survey(root: Path) -> Survey:
    """Read the files below ``root``."""
    found = Survey(root.resolve())
    _read_compose_file(found)
    _read_alembic(found)
    found.tags = tags_of(found.root) or commits_of(found.root, found.alembic.versions if found.alembic else None)
    for name in ("Dockerfile", "docker/Dockerfile", "deploy/Dockerfile"):
        if found.dockerfile is None and (found.root / name).is_file():
            found.dockerfile = name
            found.dockerfile_text = _text(found.root / name)
            arguments = (match["name"] for match in _ARGUMENT.finditer(found.dockerfile_text))
            python = "PYTHON_VERSION"  # the base image's, not the release's
            found.release_arguments = tuple(dict.fromkeys(each for each in arguments if each != python))
    found.requirements = tuple(
        name for name in ("requirements.txt", "requirements/base.txt") if (found.root / name).is_file()
    )[:1]
    for file in _files(found.root):
        _read_file(found, file)
    found.routes = found.sources.routes()
    if found.application is None:
        _read_command(found)
    return found


def _read_command(found: Survey) -> None:
    """What the image starts, where no source says what the application is called."""
    started = list(_STARTS.finditer(found.dockerfile_text.replace("\\\n", " ")))
    if started:
        found.server, found.application = started[-1]["server"], started[-1]["application"]
        found.application_file = found.dockerfile or ""


def _read_compose_file(found: Survey) -> None:
    for name in _COMPOSE:
        file = found.root / name
        if file.is_file():
            try:
                found.compose = read_compose(file)
            except ValueError as error:
                found.problems.append(f"{name}: {error}")
            return


def _read_alembic(found: Survey) -> None:
    candidates = [found.root / "alembic.ini", *sorted(found.root.glob("*/alembic.ini"))]
    for file in filter(Path.is_file, candidates):
        options = {match["name"]: match["value"].strip() for match in _OPTION.finditer(_text(file))}
        location = options.get("script_location", "alembic").replace("%(here)s", ".")
        directory = file.parent.relative_to(found.root)
        beside = "script_location" not in options and (file.parent / "env.py").is_file()  # as Flask-Migrate makes it
        versions = os.path.normpath(directory / ("." if beside else location) / "versions")
        found.alembic = AlembicFacts(
            file.relative_to(found.root).as_posix(), "" if directory == Path() else directory.as_posix(), versions
        )
        return


def _read_file(found: Survey, file: Path) -> None:
    name = file.relative_to(found.root).as_posix()
    if _RUNBOOK.search(name) and found.runbook is None:
        found.runbook = name
    if file.suffix not in (".py", ".sh", "") or (file.suffix == "" and "ockerfile" not in file.name):
        return
    text = _text(file)
    if found.migrates_on_start is None and file.suffix != ".py" and re.search(r"alembic.*\bupgrade\b", text):
        found.migrates_on_start = name
    if file.suffix == ".sh":
        found.scripts[name] = text
    if file.suffix != ".py" or file.name.startswith("test_") or "tests" in Path(name).parts:
        return
    if found.application is None:
        _find_application(found, name, text)
    found.sources.add(text, name)
    for match in (*_VARIABLE.finditer(text), *_OF_DATABASE.finditer(text)):
        found.variables.setdefault(match["name"], name)
    for variable, required in settings_in(text).items():
        found.variables.setdefault(variable, name)
        if required:
            found.required.setdefault(variable, name)
    for match in _ROUTE.finditer(text):
        found.quoted.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", match["path"]), name)


def _find_application(found: Survey, file: str, text: str) -> None:
    module = file.removesuffix(".py").removesuffix("/__init__")
    in_layout = module.startswith("src/") and module.count("/") > 1 and not (found.root / "src/__init__.py").is_file()
    module = (module.removeprefix("src/") if in_layout else module).replace("/", ".")  # src/main.py is src.main
    for server, pattern in _APPLICATIONS.items():
        match = pattern.search(text)
        if match:
            found.server, found.application, found.application_file = server, f"{module}:{match['name']}", file
            return
    factory = _FACTORY.search(text)
    if factory is None:
        return
    if "Flask(" in text:
        found.server, found.application = "gunicorn", f"{module}:{factory['name']}()"
    elif re.search(r"(FastAPI|Starlette)\(", text):
        found.server, found.application, found.is_factory = "uvicorn", f"{module}:{factory['name']}", True
    else:
        return
    found.application_file = file


def _files(root: Path) -> Iterator[Path]:
    seen = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith("."))
        for name in sorted(files):
            seen += 1
            if seen > _MOST_FILES:
                return
            yield Path(directory) / name


def _text(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ""

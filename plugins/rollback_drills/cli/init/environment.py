"""The gateway's environment, from compose file and Dockerfile, with placeholders for what each run generates."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_POSTGRES = re.compile(r"postgres(?:ql)?(?P<driver>\+\w+)?://")
_ADDRESS = "{database_user}:{database_password}@{database_host}:{database_port}/{database_name}"
_URL_NAME = re.compile(r"(\w+_)?(DATABASE|DB|POSTGRES|SQLALCHEMY(_DATABASE)?)_(URL|URI|DSN)|DSN")
_PARTS = (
    (r"(DB|DATABASE|POSTGRES|PG)_?HOST(NAME)?|POSTGRES_SERVER", "{database_host}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?PORT", "{database_port}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?(NAME|DB|DATABASE)", "{database_name}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?USER(NAME)?", "{database_user}"),
    (r"(DB|DATABASE|POSTGRES|PG)_?PASS(WORD)?", "{database_password}"),
)
_SECRET = re.compile(r"SECRET|TOKEN|PASS|PWD|PRIVATE|CREDENTIAL|SIGNING|DSN|(^|_)KEYS?$|API_?KEY", re.IGNORECASE)
_WITH_PASSWORD = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?P<rest>[^}]*)\}|(?P<plain>[A-Za-z_]\w*))")
_DOLLAR = "\0"  # in place of $$, Compose's escape for a dollar sign
_DEFAULT = re.compile(r":?-(?P<default>.*)", re.DOTALL)
_INSTRUCTION = re.compile(r"^\s*(?P<word>ENV|WORKDIR)\s+(?P<rest>(?:[^\n\\]|\\\n|\\.)*)", re.MULTILINE | re.IGNORECASE)
_PAIR = re.compile(r"""(?P<name>\w+)=(?P<value>"[^"]*"|'[^']*'|\S*)""")
# Set for the image, and useless to a process in a tree.
_OF_THE_IMAGE = re.compile(
    r"PATH|HOME|LANG|LC_\w+|DEBIAN_FRONTEND|PYTHON_\w+|(PIP|UV|POETRY|VIRTUAL)_\w+|VIRTUAL_ENV|GPG_KEY"
)


@dataclass(frozen=True, slots=True)
class Variable:
    """``value`` is a template for the target file; if None, it has to be filled in. ``why`` explains it."""

    name: str
    value: str | None
    why: str


def database_placeholder(name: str, written: str) -> str | None:
    """The placeholders that give a variable the disposable database's address; None if it is not an address.

    Args:
        written: its current value, if any, whose scheme is kept.
    """
    match = _POSTGRES.match(written)
    if match is None and not _URL_NAME.fullmatch(name):
        return next((value for pattern, value in _PARTS if re.fullmatch(pattern, name)), None)
    driver = match["driver"] if match is not None else None
    if driver is None:
        return "{database_url}"
    scheme = written.partition("://")[0]
    return "{sqlalchemy_url}" if scheme == "postgresql+psycopg" else f"{scheme}://{_ADDRESS}"


def from_compose(
    environment: Mapping[str, str], *, file: str, release_variable: str | None, port: int | None
) -> Iterator[Variable]:
    """The variables of a compose service; values that look like secrets are never copied."""
    for name, raw in environment.items():
        written = raw.replace("$$", _DOLLAR)
        placeholder = database_placeholder(name, written)
        if placeholder is not None:
            yield Variable(name, placeholder, f"{file}: the database")
            continue
        value = _VARIABLE.sub(_default, written) if _resolvable(written) else None
        if _VARIABLE.fullmatch(written) and _names(written) == {release_variable}:
            yield Variable(name, "{release}", f"{file}: the release")
        elif any(map(_SECRET.search, (name, *_names(written)))) or _WITH_PASSWORD.search(written):
            yield Variable(name, None, f"a secret in {file}, not copied; any made-up value will do for drills")
        elif value is None:
            yield Variable(name, None, f"{file} takes it from the environment")
        elif port is not None and value == str(port) and name.endswith("PORT"):
            yield Variable(name, "{port}", f"{file}: the port")
        else:
            yield Variable(name, value.replace(_DOLLAR, "$").replace("{", "{{").replace("}", "}}"), file)


def from_dockerfile(text: str, file: str) -> Iterator[Variable]:
    """The variables of ENV that a process in a release's tree needs too; paths in WORKDIR become paths in the tree."""
    directory = ""
    for match in _INSTRUCTION.finditer(text):
        rest = match["rest"].replace("\\\n", " ").strip()
        if match["word"].upper() == "WORKDIR":
            directory = rest.rstrip("/")
            continue
        first, _, others = rest.partition(" ")
        pairs = [(each["name"], each["value"].strip("\"'")) for each in _PAIR.finditer(rest)]
        for name, value in pairs if "=" in first else [(first, others.strip())]:
            if _OF_THE_IMAGE.fullmatch(name) or _SECRET.search(name) or database_placeholder(name, value):
                continue
            kept = _in_tree(value, directory) if name == "PYTHONPATH" else value
            if "$" not in kept:
                yield Variable(name, kept if name == "PYTHONPATH" else kept.replace("{", "{{").replace("}", "}}"), file)


def _in_tree(path: str, directory: str) -> str:
    """``/app/src:/app`` in the image becomes ``{tree}/src:{tree}``; variables are left out."""
    parts = [part for part in path.split(":") if part and "$" not in part]
    inside = [
        part.replace(directory, "{tree}", 1) if directory and part.startswith(directory) else part for part in parts
    ]
    return ":".join(part if part.startswith(("/", "{")) else f"{{tree}}/{part}".removesuffix("/.") for part in inside)


def _names(written: str) -> set[str]:
    """The caller's variables in a value."""
    return {match["name"] or match["plain"] for match in _VARIABLE.finditer(written)}


def _resolvable(written: str) -> bool:
    return bool(written) and all(_DEFAULT.match(match["rest"] or "") for match in _VARIABLE.finditer(written))


def _default(match: re.Match[str]) -> str:
    found = _DEFAULT.match(match["rest"] or "")
    return found["default"] if found is not None else ""

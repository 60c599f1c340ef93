"""Reads migration scripts without running them: their revisions, and problems of the history.

For collecting tests, which must neither import the user's code nor start anything. A revision that a script computes is
not read; alembic's own view comes from the walker.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollback_drills.migrations.walker.client import ScriptHistory

COMPUTED = "which cannot be read without running it"
"""In the problem of a script that computes its revision: no problem for alembic, which runs it."""
_NAMES = ("revision", "down_revision", "depends_on", "branch_labels")


@dataclass(frozen=True, slots=True)
class Script:
    """One script; ``title`` is the first line of its docstring, ``content`` is kept, for a release may be removed."""

    id: str
    down: tuple[str, ...]
    depends_on: tuple[str, ...]
    labels: tuple[str, ...]
    title: str
    path: Path
    content: bytes = field(repr=False, compare=False)

    @property
    def file(self) -> str:
        return self.path.name


@dataclass(frozen=True, slots=True)
class Scripts:
    """All scripts, in the order of the history, and its problems."""

    scripts: tuple[Script, ...]
    problems: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(script.id for script in self.scripts)

    @property
    def heads(self) -> tuple[str, ...]:
        below = {down for script in self.scripts for down in script.down}
        return tuple(script.id for script in self.scripts if script.id not in below)

    def after(self, revision: str) -> tuple[str, ...]:
        """The revisions that are neither ``revision`` (or its unambiguous beginning) nor below it.

        Raises:
            LookupError: there is no such revision.
        """
        candidates = [each for each in self.ids if each == revision] or [
            each for each in self.ids if each.startswith(revision)
        ]
        if len(candidates) != 1:
            raise LookupError(f"{len(candidates) or 'no'} revisions begin with {revision!r}")
        by_id = {script.id: script for script in self.scripts}
        below: set[str] = set()
        pending = candidates
        while pending:
            each = pending.pop()
            if each not in below and each in by_id:
                below.add(each)
                pending += [*by_id[each].down, *by_id[each].depends_on]
        return tuple(each for each in self.ids if each not in below)


def read_scripts(directories: Iterable[Path]) -> Scripts:
    """Read every ``.py`` file of these directories; a missing directory counts as empty."""
    scripts: list[Script] = []
    problems: list[str] = []
    for directory in dict.fromkeys(each.resolve() for each in directories):  # one place may be written in two ways
        for file in sorted(directory.glob("*.py")):
            if file.name.startswith(("__init__", ".#")):
                continue
            found = _read(file)
            if isinstance(found, str):
                problems.append(found)
            else:
                scripts.append(found)
    problems += _order_problems(scripts)
    return Scripts(_ordered(scripts), tuple(problems))


def scripts_of(history: ScriptHistory) -> Scripts:
    """The scripts as alembic has read them."""
    scripts = [
        Script(each.id, each.down, each.depends_on, each.labels, each.doc, Path(each.path), each.source.encode())
        for each in history.revisions
    ]
    return Scripts(_ordered(scripts), tuple(each.message for each in history.problems))


def _read(file: Path) -> Script | str:
    try:
        content = file.read_bytes()
        tree = ast.parse(content, str(file))
    except (OSError, SyntaxError, ValueError) as error:
        where = f" at line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        return f"{file.name} cannot be read{where}: {getattr(error, 'msg', None) or error}"
    values: dict[str, object] = {}
    for name, value in _assigned(tree):
        if name in _NAMES:
            try:
                values[name] = ast.literal_eval(value)
            except ValueError:
                return f"{file.name} computes {name}, {COMPUTED}"
    if not isinstance(values.get("revision"), str):
        return f"{file.name} sets no revision"
    title = (ast.get_docstring(tree) or "").strip().partition("\n")[0]
    return Script(
        str(values["revision"]),
        _names(values.get("down_revision")),
        _names(values.get("depends_on")),
        _names(values.get("branch_labels")),
        title,
        file,
        content,
    )


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names and what is assigned to them at the top level: ``a = b = 1``, ``a: str = ""``, ``a, b = 1, None``."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _pairs(target, node.value)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple | ast.List) else []
        if len(values) == len(target.elts):
            for each, part in zip(target.elts, values, strict=True):
                yield from _pairs(each, part)
        else:  # unpacked from something that only running the script shows
            yield from ((each.id, value) for each in target.elts if isinstance(each, ast.Name))


def _names(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(each) for each in value) if isinstance(value, list | tuple | set) else ()


def _order_problems(scripts: Sequence[Script]) -> list[str]:
    problems = []
    files: dict[str, list[str]] = {}
    labels = {label for script in scripts for label in script.labels}
    for script in scripts:
        files.setdefault(script.id, []).append(script.file)
    for revision, names in files.items():
        if len(names) > 1:
            problems.append(f"{' and '.join(names)} have the same revision {revision}")
    for script in scripts:
        for down in script.down:
            if down not in files:
                problems.append(f"{script.file} builds on the revision {down}, which no script has")
        for needed in script.depends_on:
            if needed not in files and needed.partition("@")[0] not in labels and not _is_prefix(needed, files):
                problems.append(f"{script.file} depends on the revision {needed}, which no script has")
    circle = {script.id for script in scripts} - {script.id for script in _ordered(scripts)}
    if circle:
        problems.append(f"the revisions {', '.join(sorted(circle))} build on each other in a circle")
    return problems


def _is_prefix(text: str, ids: Iterable[str]) -> bool:
    return any(each.startswith(text) for each in ids)


def _ordered(scripts: Sequence[Script]) -> tuple[Script, ...]:
    """Those below first; scripts in a circle are left out."""
    known = {script.id: script for script in scripts}
    done: dict[str, Script] = {}
    waiting = list(known.values())
    while waiting:
        ready = [each for each in waiting if _is_ready(each, known, done)]
        if not ready:
            break
        for each in ready:
            done[each.id] = each
        waiting = [each for each in waiting if each.id not in done]
    return tuple(done.values())


def _is_ready(script: Script, known: Collection[str], done: Collection[str]) -> bool:
    return all(below in done or below not in known for below in (*script.down, *script.depends_on))

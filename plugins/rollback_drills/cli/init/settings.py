"""Settings of pydantic, environs, decouple and starlette: the variables that a project reads, from the syntax alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_CALL = re.compile(r"""\b(?:config|env|environ)(?:\.[a-z_]+)?\(\s*["'](?P<name>[A-Z][A-Z0-9_]+)["'](?P<rest>[^)\n]*)""")


def settings_in(text: str) -> dict[str, bool]:
    """The variables that a source file reads by a library for settings, and whether each has to be set."""
    found = {match["name"]: "," not in match["rest"] for match in _CALL.finditer(text)}
    if "BaseSettings" in text:
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return found
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and any(_ends_with(base, "Settings") for base in node.bases):
                found |= dict(_fields(node))
    return found


def _fields(settings: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    prefix = _prefix(settings)
    for node in settings.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        if name == "model_config" or name.startswith("_") or "ClassVar" in ast.unparse(node.annotation):
            continue
        alias = _alias(node.value)
        yield (alias or prefix + name).upper(), node.value is None or _is_required(node.value)


def _prefix(settings: ast.ClassDef) -> str:
    """``env_prefix`` of ``model_config``, or of the inner class ``Config`` of pydantic 1."""
    for node in ast.walk(settings):
        if isinstance(node, ast.keyword):
            names = [node.arg or ""]
        elif isinstance(node, ast.Assign):
            names = [ast.unparse(target) for target in node.targets]
        else:
            continue
        if "env_prefix" in names and isinstance(node.value, ast.Constant):
            return str(node.value.value)
    return ""


def _alias(value: ast.expr | None) -> str:
    """The alias of a ``Field``, which replaces prefix and name."""
    for keyword in value.keywords if isinstance(value, ast.Call) else ():
        if keyword.arg in ("alias", "validation_alias", "env"):
            named = keyword.value
            if isinstance(named, ast.Call) and named.args:  # AliasChoices("A", "B")
                named = named.args[0]
            if isinstance(named, ast.Constant) and isinstance(named.value, str):
                return named.value
    return ""


def _is_required(value: ast.expr) -> bool:
    """Whether a ``Field`` has no default; any other value is one."""
    if isinstance(value, ast.Constant):
        return value.value is Ellipsis
    if not (isinstance(value, ast.Call) and _ends_with(value.func, "Field")):
        return False
    given = {keyword.arg for keyword in value.keywords}
    if given & {"default", "default_factory"}:
        return False
    return not value.args or (isinstance(value.args[0], ast.Constant) and value.args[0].value is Ellipsis)


def _ends_with(node: ast.expr, name: str) -> bool:
    written = ast.unparse(node).partition("[")[0]
    return written.endswith(name)

"""Routes that take deliveries, found in the sources by their syntax; nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WRITING = ("post", "put")
_SOUNDS = re.compile(r"webhook|hook|integration|ingest|event|callback", re.IGNORECASE)
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\{(\w+)(?::\w+)?\}")  # Flask's and Starlette's, with their converters


@dataclass(frozen=True, slots=True)
class Route:
    """``path`` with its parameters as ``{name}``; ``method`` in upper case."""

    path: str
    method: str
    file: str


@dataclass(frozen=True, slots=True)
class DeliveryRoute:
    """``path`` as a target file has it, and the integrations where each has a route of its own."""

    path: str
    method: str
    file: str
    integrations: tuple[str, ...] = ()


def routes_in(text: str, file: str) -> Iterator[Route]:
    """The routes of FastAPI, Starlette, Flask and aiohttp that take POST or PUT; none where it is not Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    prefixes = dict(_prefixes(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for path, method in _routes(node):
                owner = node.func.value if isinstance(node.func, ast.Attribute) else None
                prefix = prefixes.get(owner.id, "") if isinstance(owner, ast.Name) else ""
                yield Route(_PARAMETER.sub(lambda match: f"{{{match[1] or match[2]}}}", prefix + path), method, file)


def _prefixes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """``hooks = APIRouter(prefix="/hooks")``, ``Blueprint(…, url_prefix=…)``: by the variable's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and isinstance(node.targets[0], ast.Name):
            for keyword in node.value.keywords:
                if keyword.arg in ("prefix", "url_prefix"):
                    yield node.targets[0].id, _text(keyword.value)


def _routes(call: ast.Call) -> Iterator[tuple[str, str]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    path = (
        _text(call.args[0])
        if call.args
        else next((_text(each.value) for each in call.keywords if each.arg == "path"), "")
    )
    if not path.startswith("/"):
        return
    if name.removeprefix("add_") in _WRITING:
        yield path, name.removeprefix("add_").upper()
    elif name in ("route", "api_route", "add_url_rule", "add_api_route", "Route"):
        named = next((each.value for each in call.keywords if each.arg == "methods"), None)
        elements = named.elts if isinstance(named, ast.List | ast.Tuple | ast.Set) else ()
        methods = {_text(each).upper() for each in elements}
        yield from ((path, each.upper()) for each in _WRITING if each.upper() in methods)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def delivery_route(routes: Sequence[Route]) -> DeliveryRoute | None:
    """The route that sounds most like deliveries: one for all integrations rather than one for each."""
    sounding = [each for each in routes if _SOUNDS.search(each.path)]
    with_parameter = next((each for each in sounding if "{" in each.path), None)
    if with_parameter is not None:
        names = re.findall(r"\{\w+\}", with_parameter.path)
        path = with_parameter.path.replace(names[0], "{integration}", 1)
        for other in names[1:]:
            path = path.replace(other, "{unique}", 1)
        return DeliveryRoute(path, with_parameter.method, with_parameter.file)
    families: dict[tuple[str, str], list[Route]] = {}
    for each in sounding:
        families.setdefault((each.path.rpartition("/")[0], each.method), []).append(each)
    family = max(families.items(), key=lambda item: len(item[1]), default=None)
    if family is None:
        return None
    (parent, method), members = family
    names = list(dict.fromkeys(each.path.rpartition("/")[2] for each in members))
    if not _SOUNDS.search(parent):  # the last part is what sounds so, and no integration's name
        return DeliveryRoute(members[0].path, method, members[0].file)
    return DeliveryRoute(f"{parent}/{{integration}}", method, members[0].file, tuple(names))

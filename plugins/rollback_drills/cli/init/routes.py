"""Routes that take deliveries, found by the syntax of the sources; nothing is imported."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rollback_drills.cli.init.routers import Module, Mounts, Ref, read_module

_METHODS = ("get", "post", "put")
WRITING = ("POST", "PUT")
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
    """``path`` as in a target file, and the integrations if each has its own route."""

    path: str
    method: str
    file: str
    integrations: tuple[str, ...] = ()


class Sources:
    """The source files of a project; routes are known once all are read, since files include each other."""

    def __init__(self) -> None:
        self._modules: list[Module] = []
        self._found: list[tuple[Route, Ref]] = []

    def add(self, text: str, file: str) -> None:
        """Add a file; one that is not Python is ignored.

        Args:
            file: its path from the project's root.
        """
        with contextlib.suppress(
            SyntaxError, ValueError, RecursionError, MemoryError
        ):  # generated sources may be deeply nested
            tree = ast.parse(text)
            module = read_module(tree, file)
            self._modules.append(module)
            for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
                owner = module.refer(call.func.value) if isinstance(call.func, ast.Attribute) else (module.name, "")
                self._found += [(Route(path, method, file), owner) for path, method in _routes(call)]

    def routes(self) -> list[Route]:
        """The routes of FastAPI, Starlette, Flask and aiohttp for GET, POST or PUT, in the order of files."""
        mounts = Mounts(self._modules)
        return [replace(route, path=_plain(mounts.prefix(owner) + route.path)) for route, owner in self._found]


def _plain(path: str) -> str:
    return _PARAMETER.sub(lambda match: f"{{{match[1] or match[2]}}}", path)


def _routes(call: ast.Call) -> Iterator[tuple[str, str]]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if call.args else next((each.value for each in call.keywords if each.arg == "path"), None)
    path = _text(first)
    if path is None or (path and not path.startswith("/")):  # an empty path is the router's prefix itself
        return
    if name.removeprefix("add_") in _METHODS:
        yield path, name.removeprefix("add_").upper()
    elif name in ("route", "api_route", "add_url_rule", "add_api_route", "Route"):
        named = next((each.value for each in call.keywords if each.arg == "methods"), None)
        elements = named.elts if isinstance(named, ast.List | ast.Tuple | ast.Set) else ()
        methods = {(_text(each) or "").upper() for each in elements} or {"GET"}
        yield from ((path, each.upper()) for each in _METHODS if each.upper() in methods)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def delivery_route(routes: Sequence[Route]) -> DeliveryRoute | None:
    """The route that is most likely for deliveries: preferably one for all integrations."""
    sounding = [each for each in routes if each.method in WRITING and _SOUNDS.search(each.path)]
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
    if not _SOUNDS.search(parent):  # the last part is the keyword, not an integration
        return DeliveryRoute(members[0].path, method, members[0].file)
    return DeliveryRoute(f"{parent}/{{integration}}", method, members[0].file, tuple(names))

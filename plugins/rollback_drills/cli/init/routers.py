"""The path prefixes of routers: from a router's own file, and from the files that include it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

Ref = tuple[str, str]  # the dotted name of a module, and a name in it
_INCLUDING = {"include_router": "prefix", "register_blueprint": "url_prefix", "mount": "path"}
_LONGEST = 8  # imports that are followed from one name to the next


@dataclass(frozen=True)
class Mount:
    """``replaces``: Flask uses this prefix instead of the blueprint's own."""

    owner: Ref
    router: Ref
    prefix: ast.expr | None
    replaces: bool


@dataclass
class Module:
    """One source file, and what its names refer to."""

    name: str
    is_package: bool = False
    imported: dict[str, Ref] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)  # names imported from more than one place
    prefixes: dict[str, ast.expr] = field(default_factory=dict)
    constants: dict[str, set[str]] = field(default_factory=dict)
    mounts: list[Mount] = field(default_factory=list)

    def refer(self, node: ast.expr) -> Ref:
        """What a name or attribute refers to, as far as this file shows."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, (self.name, node.id))
        if isinstance(node, ast.Attribute):
            first, _, rest = ast.unparse(node.value).partition(".")
            module = ".".join(filter(None, [*self.imported.get(first, (first,)), rest]))
            return (self.name if first == "self" else module), node.attr
        return self.name, ""


def read_module(tree: ast.Module, file: str) -> Module:
    """Read a source file; ``file`` is its path from the project's root."""
    path = file.removesuffix(".py").removeprefix("src/")
    module = Module(path.removesuffix("/__init__").replace("/", "."), path.endswith("/__init__"))
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            source = _imported_from(module, node)
            _import(module, {each.asname or each.name: (source, each.name) for each in node.names})
        elif isinstance(node, ast.Import):
            split = {each.asname: each.name.rpartition(".") for each in node.names if each.asname}
            _import(module, {name: (source, last) for name, (source, _, last) in split.items()})
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            _assigned(module, node.targets[0] if isinstance(node, ast.Assign) else node.target, node.value)
    module.mounts = [mount for node in nodes if isinstance(node, ast.Call) for mount in _mounts(module, node)]
    return module


def _import(module: Module, names: Mapping[str, Ref]) -> None:
    module.ambiguous |= {name for name, ref in names.items() if module.imported.get(name, ref) != ref}
    module.imported |= names


def _imported_from(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = len(parts) - node.level + module.is_package
    return ".".join([*parts[: max(kept, 0)], *filter(None, [node.module])])


def _assigned(module: Module, target: ast.expr, value: ast.expr) -> None:
    name = _name(target)
    if not name:
        return
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        module.constants.setdefault(name, set()).add(value.value)
    elif isinstance(value, ast.Call):
        prefix = next((each.value for each in value.keywords if each.arg in ("prefix", "url_prefix")), None)
        if prefix is not None:
            module.prefixes[name] = prefix


def _mounts(module: Module, call: ast.Call) -> Iterator[Mount]:
    """``app.include_router(hooks.router, prefix=…)``, ``register_blueprint(…)``, ``app.mount("/path", other)``."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _INCLUDING:
        return
    kind = call.func.attr
    named = {each.arg: each.value for each in call.keywords}
    given = list(call.args)
    prefix = named.get(_INCLUDING[kind])
    if kind == "mount" and prefix is None and given:
        prefix = given.pop(0)
    router = given[0] if given else named.get("app" if kind == "mount" else "router")
    # What has no name, such as StaticFiles(…), has no routes.
    if router is not None and _name(router) and _first(router) not in module.ambiguous:
        owner = module.refer(call.func.value)
        yield Mount(owner, module.refer(router), prefix, kind == "register_blueprint" and prefix is not None)


class Mounts:
    """Follows routers through all files of a project."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = {each.name: each for each in modules}
        self._constants: dict[str, set[str]] = {}
        for each in self._modules.values():
            for name, values in each.constants.items():
                self._constants.setdefault(name, set()).update(values)
        mounts = [mount for each in self._modules.values() for mount in each.mounts]
        self._mounted = {self._resolve(each.router): each for each in reversed(mounts)}  # the first one counts

    def prefix(self, router: Ref, seen: frozenset[Ref] = frozenset()) -> str:
        """The prefix of a router's routes, without the parts that the sources do not show."""
        router = self._resolve(router)
        module = self._modules.get(router[0])
        own = self._path(module.prefixes.get(router[1])) if module is not None else ""
        mount = self._mounted.get(router)
        if mount is None or router in seen:
            return own
        outer = self.prefix(mount.owner, seen | {router}) + self._path(mount.prefix)
        return outer if mount.replaces else outer + own

    def _resolve(self, ref: Ref) -> Ref:
        """Where a name comes from that is imported through other modules."""
        for _ in range(_LONGEST):
            module = self._find(ref[0])
            if module is None:
                return ref
            ref = (module.name, ref[1])
            if ref[1] not in module.imported:
                return ref
            ref = module.imported[ref[1]]
        return ref

    def _find(self, name: str) -> Module | None:
        """The module with this name; the project may be imported from a directory below its root."""
        name = name.removeprefix("src.")
        if name in self._modules:
            return self._modules[name]
        ending = [each for known, each in self._modules.items() if name and known.endswith(f".{name}")]
        return ending[0] if len(ending) == 1 else None

    def _path(self, node: ast.expr | None) -> str:
        """A prefix as far as it is a literal; '' if that is not a path."""
        text = self._text(node).rstrip("/")
        return text if text.startswith("/") else ""

    def _text(self, node: ast.expr | None) -> str:
        """A literal, or a constant that the project defines once."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else ""
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(each) for each in node.values)
        if isinstance(node, ast.FormattedValue):
            return self._text(node.value)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._text(node.left) + self._text(node.right)
        values = self._constants.get(_name(node), set())
        return next(iter(values)) if len(values) == 1 else ""


def _name(node: ast.expr | None) -> str:
    """The last part of a dotted name; '' if it is not a name."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _first(node: ast.expr | None) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return _name(node)

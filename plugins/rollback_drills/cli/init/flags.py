"""Feature flags among environment variables: names that differ only in one part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType

_SHAPES = (
    re.compile(r"(?P<before>[A-Z0-9_]*?INTEGRATIONS?_)(?P<name>[A-Z0-9_]+?)(?P<after>_ENABLED)"),
    re.compile(r"(?P<before>[A-Z0-9_]*?FEATURE_)(?P<name>[A-Z0-9_]+)(?P<after>)"),
    re.compile(r"(?P<before>ENABLE_)(?P<name>[A-Z0-9_]+)(?P<after>)"),
    re.compile(r"(?P<before>)(?P<name>[A-Z0-9_]+)(?P<after>_ENABLED)"),
)
_STATES = (("true", "false"), ("on", "off"), ("enabled", "disabled"), ("yes", "no"), ("1", "0"))


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """``pattern`` as in a target file, and the integrations in lower case."""

    pattern: str
    integrations: tuple[str, ...]
    on: str = "true"
    off: str = "false"

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(self.pattern.replace("{NAME}", name.upper()) for name in self.integrations)


def flags_among(variables: Iterable[str], values: Mapping[str, str] = MappingProxyType({})) -> FlagFacts | None:
    """The largest family of variables that look like the flags of integrations; None if there is none.

    Args:
        values: known values; variables that are on or off and share a prefix are a family, whatever the prefix.
    """
    families: dict[str, list[str]] = {}
    for variable in variables:
        for shape in _SHAPES:
            match = shape.fullmatch(variable)
            if match:
                families.setdefault(f"{match['before']}{{NAME}}{match['after']}", []).append(match["name"].lower())
                break
    switched: dict[str, list[str]] = {}
    for variable, value in values.items():
        prefix, underscore, rest = variable.partition("_")
        if underscore and rest and _state(value) is not None and f"{prefix}_{{NAME}}" not in families:
            switched.setdefault(f"{prefix}_{{NAME}}", []).append(rest.lower())
    families |= {pattern: names for pattern, names in switched.items() if len(names) > 1 and not families}
    if not families:
        return None
    pattern, names = max(families.items(), key=lambda item: len(item[1]))
    shared = _shared_beginning(names) if pattern.startswith("{NAME}") else ""
    pattern, names = f"{shared.upper()}{pattern}", [name.removeprefix(shared) for name in names]
    found = FlagFacts(pattern, tuple(dict.fromkeys(names)))
    states = filter(None, (_state(values[name]) for name in found.variables if name in values))
    on, off = next(states, (found.on, found.off))
    return FlagFacts(found.pattern, found.integrations, on, off)


def _shared_beginning(names: Sequence[str]) -> str:
    """The whole words with which all names begin, with a final underscore; '' for a single name."""
    words = zip(*(name.split("_")[:-1] for name in names), strict=False) if len(set(names)) > 1 else ()
    shared = [word[0] for word in takewhile(lambda each: len(set(each)) == 1, words)]
    return "_".join([*shared, ""]) if shared else ""


def _state(value: str) -> tuple[str, str] | None:
    """The spelling of on and off, if a value is one of them; ``${NAME:-true}`` counts as its default."""
    written = re.sub(r"^\$\{\w+:?-(.*)\}$", r"\1", value)
    return next((pair for pair in _STATES if written.lower() in pair), None)

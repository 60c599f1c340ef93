"""Feature flags among environment variables: names that differ in one place and share the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_SHAPES = (
    re.compile(r"(?P<before>[A-Z0-9_]*?INTEGRATIONS?_)(?P<name>[A-Z0-9_]+?)(?P<after>_ENABLED)"),
    re.compile(r"(?P<before>[A-Z0-9_]*?FEATURE_)(?P<name>[A-Z0-9_]+)(?P<after>)"),
    re.compile(r"(?P<before>ENABLE_)(?P<name>[A-Z0-9_]+)(?P<after>)"),
    re.compile(r"(?P<before>)(?P<name>[A-Z0-9_]+)(?P<after>_ENABLED)"),
)


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """``pattern`` as a target file wants it, and the integrations in lower case."""

    pattern: str
    integrations: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(self.pattern.replace("{NAME}", name.upper()) for name in self.integrations)


def flags_among(variables: Iterable[str]) -> FlagFacts | None:
    """The largest family of variables that look like flags of integrations; None where there is no such."""
    families: dict[str, list[str]] = {}
    for variable in variables:
        for shape in _SHAPES:
            match = shape.fullmatch(variable)
            if match:
                families.setdefault(f"{match['before']}{{NAME}}{match['after']}", []).append(match["name"].lower())
                break
    if not families:
        return None
    pattern, names = max(families.items(), key=lambda item: len(item[1]))
    return FlagFacts(pattern, tuple(dict.fromkeys(names)))

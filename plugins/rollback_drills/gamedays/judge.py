from typing import Protocol

from pydantic import JsonValue


class Judge(Protocol):
    """Records what was expected and observed, and raises where they differ: a drill, or the search for a failure."""

    def check(
        self,
        title: str,
        observed: JsonValue,
        *,
        expected: JsonValue = True,
        finding: str | None = None,
        detail: str = "",
    ) -> bool: ...

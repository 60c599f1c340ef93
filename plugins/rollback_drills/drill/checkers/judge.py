"""Who judges: a drill, a random game day, or `Problems`."""

from __future__ import annotations

from typing import Protocol

from pydantic import JsonValue

from rollback_drills.evidence.model import strictly_equal


class Judge(Protocol):
    """Records what was expected and what was observed."""

    def check(
        self,
        title: str,
        observed: JsonValue,
        *,
        expected: JsonValue = True,
        finding: str | None = None,
        detail: str = "",
        remedy: str = "",
    ) -> bool:
        """Compare two values.

        Args:
            finding: the catalogue's code for a difference.
            detail: what the finding says; by default title, expected and observed.
            remedy: what to do in this case; by default the catalogue's remedy.

        Returns:
            Whether they are equal. A judge may raise instead where they differ.
        """

    def observe(self, title: str, value: JsonValue) -> None:
        """Record a fact that is not judged; a judge may ignore it."""


class Problems:
    """A judge that never raises: lists what is wrong, for a procedure that is performed again until it ends well.

    Attributes:
        findings: the codes of those that have one.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.findings: list[str] = []

    def check(
        self,
        title: str,
        observed: JsonValue,
        *,
        expected: JsonValue = True,
        finding: str | None = None,
        detail: str = "",
        remedy: str = "",
    ) -> bool:
        if strictly_equal(expected, observed):
            return True
        if finding is not None:
            self.findings.append(finding)
        self.lines.append(detail or f"{title}: expected {expected!r}, observed {observed!r}")
        return False

    def observe(self, title: str, value: JsonValue) -> None:
        """Not a problem."""

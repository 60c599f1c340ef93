"""The errors that a person reads: what is wrong, what was observed, and how to fix it."""

from __future__ import annotations


class DrillError(Exception):
    """A drill cannot be performed, for a reason that its user can fix.

    Args:
        what: one sentence: what is wrong, and where.
        cause: what was observed, for example the last log lines of a process.
        fix: how to fix it.
    """

    def __init__(self, what: str, *, cause: str = "", fix: str = "") -> None:
        self.what, self.cause, self.fix = what, cause, fix
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.cause.strip():
            quoted = self.cause.strip().splitlines()
            lines.append("\n  ".join(["Cause:", *quoted]) if len(quoted) > 1 else f"Cause: {self.cause.strip()}")
        if self.fix:
            lines.append(f"To fix this: {self.fix}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.cause, self.fix)


def _rebuild(kind: type[DrillError], what: str, cause: str, fix: str) -> DrillError:
    return kind(what, cause=cause, fix=fix)


class TargetError(DrillError):
    """The target file is wrong; raised before anything is started."""


class RuntimeUnavailableError(DrillError):
    """The runtime that was asked for by name cannot run here."""


RuntimeUnavailable = RuntimeUnavailableError  # its name in 0.1.0


class StackError(DrillError):
    """A part of the disposable stack did not start, died, or did not respond in time."""


class BackupRefusedError(DrillError):
    """A backup differs from its manifest; it was refused before anything was destroyed."""


class DrillTimeoutError(StackError):
    """The drill's time limit (``--drill-timeout``) is used up."""

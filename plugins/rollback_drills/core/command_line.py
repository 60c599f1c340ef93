"""What the command ``rollback-drills run`` and the pytest plugin agree on."""

from __future__ import annotations

import os

TYPED_COMMAND = "ROLLBACK_DRILLS_COMMAND"  # environment variable: the command as it was typed

_AMBIGUOUS = ("--alembic-baseline",)  # without --alembic- it is another option


def typed_command() -> str:
    """What was typed after ``rollback-drills``; empty in a run of plain pytest."""
    return os.environ.get(TYPED_COMMAND, "")


def shorter_names(option: str) -> tuple[str, ...]:
    """Further names of an option of the drills: none in a run of plain pytest, whose namespace belongs to others.

    >>> import os; os.environ[TYPED_COMMAND] = "run"
    >>> shorter_names("--drill-runtime")
    ('--runtime',)
    >>> os.environ[TYPED_COMMAND] = "migrations"
    >>> shorter_names("--drill-alembic-python")
    ('--alembic-python', '--python')
    """
    command = typed_command().partition(" ")[0]
    if not command:
        return ()
    short = "--" + option.removeprefix("--drill-")
    if command == "migrations" and short.startswith("--alembic-") and short not in _AMBIGUOUS:
        return short, "--" + short.removeprefix("--alembic-")
    return (short,)

"""Quotes the gateway's log with what is wrong: an answer seldom says why, the log usually does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.lab.stack import Stack

LINES = 8  # of the log, per row


def with_log(stack: Stack, rows: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """Add to each problem what the gateway has written since the row before it, at most `LINES` lines of it.

    Args:
        rows: made one after the other, while the gateway runs.
    """
    seen = stack.gateway.logs()
    for row in rows:
        log = stack.gateway.logs()
        new, seen = _added(seen, log), log
        if row.outcome == "problem" and (quoted := new.strip().splitlines()[-LINES:]):
            said = "\n".join(f"  {line.rstrip()}" for line in quoted)
            yield replace(row, detail=f"{row.detail}\nthe gateway's log meanwhile:\n{said}")
        else:
            yield row


def _added(before: str, after: str) -> str:
    """What a log has gained; both are only its ends, and a re-created gateway begins a new one."""
    if after.startswith(before):
        return after[len(before) :]
    last = before.splitlines()[-1:] if before.strip() else []
    _, found, rest = after.rpartition(last[0]) if last else ("", "", after)
    return rest if found else after

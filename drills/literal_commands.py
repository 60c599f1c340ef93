"""What the drills of literal commands share: the step that types one, and the finding where it misleads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from shlex import quote
from uuid import uuid4

from rollback_drills.clients.delivery import prepare
from rollback_drills.core.errors import TargetError
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack
from rollback_drills.runbook import linter
from rollback_drills.runbook.context import Context
from rollback_drills.target.target import Target


@contextmanager
def to_the_letter(drill: Drill, command: str) -> Iterator[None]:
    with drill.step(f"To the letter: `{command}`"):
        yield


def report_if_in_runbook(stack: Stack, drill: Drill, code: str, misled: bool, detail: str) -> None:
    """A finding only where the command misleads *and* the target's runbook contains it."""
    lines = linter.find(code, runbook_text(stack.target), _context(stack.target))
    drill.observe("the command misleads", misled)
    drill.observe("lines of the runbook that contain it", [f"{each.line}: {each.text}" for each in lines])
    if misled and lines and stack.target.runbook is not None:
        numbers = ", ".join(str(each.line) for each in lines)
        drill.find(code, f"{stack.target.runbook.file}, line {numbers}: `{lines[0].text}`. {detail}")


def runbook_text(target: Target) -> str:
    """The runbook; empty where the target has none."""
    if target.runbook is None:
        return ""
    try:
        return target.path(target.runbook.file).read_text(errors="replace")
    except OSError as error:
        raise TargetError(
            f"{target.file}: runbook.file: {target.runbook.file} cannot be read: {error.strerror}",
            fix="name the text file that holds the runbook; a title is enough to begin with",
        ) from None


def _context(target: Target) -> Context:
    compose, flags, sample = target.compose, target.flags, target.sample
    return Context(
        gateway=compose.gateway if compose is not None else "gateway",
        database=compose.database if compose is not None else "db",
        webhook=sample.path if sample is not None else "",
        flag=(flags.variable or "") if flags is not None else "",
    )


def curl_command(stack: Stack, integration: str, options: str) -> str:
    """The curl command with which an operator sends a delivery, signed where the target wants it signed."""
    unique = f"letter-{uuid4().hex}"
    prepared = prepare(stack.target, integration, unique)
    headers = dict(prepared.headers)
    if prepared.signer is not None:
        headers |= prepared.signer.headers(prepared.body.encode(), unique, int(time.time()))
    given = " ".join(f"-H {quote(f'{name}: {text}')}" for name, text in headers.items())
    body = f"--data-raw {quote(prepared.body)}" if prepared.body else ""
    return f"curl {options} -X {prepared.method} {given} {body} {quote(stack.gateway.base_url + prepared.path)}"

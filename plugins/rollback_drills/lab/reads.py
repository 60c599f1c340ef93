"""What reads answer before any upgrade: the previous release, on its own schema and with the seed's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_drills.clients.answers import Answer, is_taken
from rollback_drills.lab.stack import Stack
from rollback_drills.target.target import Target

QUOTED = 120  # characters of a value in a sentence
_NOTHING = object()  # where one of two documents has no value at all


@dataclass(frozen=True, slots=True)
class KnownReads:
    """What reads answered, and what is not known.

    Attributes:
        unknown: the reads whose answers prove nothing later, and why.
        problem: why nothing is known at all; empty where something is, or nothing had to be.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""


def learn_reads(stack: Stack) -> KnownReads:
    """Ask the running previous release, write something, restart it, and ask again: only what stays the same counts.

    Only accepted answers are learnt: some seconds after a start, a release may still refuse what it answers later.

    Raises:
        StackError: it does not start again.
    """
    first = same_reads(stack)
    if not first:
        return KnownReads()
    for name in stack.target.integrations_of(stack.target.previous):
        stack.client.deliver(name)
    stack.must_start(stack.gateway.restart())
    again = same_reads(stack)
    doubts = {name: _doubt(stack.target, name, answer, again[name]) for name, answer in first.items()}
    unknown = {name: doubt for name, doubt in doubts.items() if doubt}
    return KnownReads({name: answer for name, answer in again.items() if name not in unknown}, unknown)


def _doubt(target: Target, name: str, first: Answer, again: Answer) -> str:
    """Why the answers before the upgrade say nothing about one after it; empty if they do."""
    for answer in (first, again):
        if not is_taken(target, name, answer):
            return f"before the upgrade, it was answered {_brief(answer.error or answer.status)}"
    return "writes or a restart change its answer by themselves" if difference_of(first, again) else ""


def same_reads(stack: Stack) -> dict[str, Answer]:
    """The answers to the reads of which the target file says that a rollback leaves them as they are (`same`)."""
    reads = stack.target.reads_of(stack.target.previous)
    return {each.name: stack.client.read(each) for each in reads if each.same}


def difference_of(before: Answer, after: Answer) -> str:
    """Where two answers differ, in a few words; empty where they do not."""
    if before.status != after.status or before.error != after.error:
        return f"{_brief(after.error or after.status)} instead of {_brief(before.error or before.status)}"
    return _first_difference("", before.body, after.body)


def _first_difference(place: str, before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        pairs = [(f"{place}/{key}", before.get(key, _NOTHING), after.get(key, _NOTHING)) for key in keys]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(f"{place}/{index}", *both) for index, both in enumerate(zip(before, after, strict=True))]
    else:
        same = type(before) is type(after) and before == after
        return "" if same else f"{place or 'the answer'} is {_brief(after)} instead of {_brief(before)}"
    return next(filter(None, (_first_difference(*each) for each in pairs)), "")


def _brief(value: object) -> str:
    if value is _NOTHING:
        return "absent"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"

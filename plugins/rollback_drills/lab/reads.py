"""What reads answer before any upgrade: the previous release, on its own schema and with the seed's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollback_drills.clients.answers import Answer
from rollback_drills.lab.stack import Stack

QUOTED = 120  # characters of a value in a sentence
_NOTHING = object()  # where one of two documents has no value at all


@dataclass(frozen=True, slots=True)
class KnownReads:
    """What reads answered; ``unstable`` are those whose answers a write or a restart changes by itself."""

    answers: Mapping[str, Answer] = field(default_factory=dict)
    unstable: tuple[str, ...] = ()


def learn_reads(stack: Stack) -> KnownReads:
    """Ask the running previous release, write something, restart it, and ask again: only what stays the same counts.

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
    unstable = tuple(name for name, answer in first.items() if difference_of(answer, again[name]))
    return KnownReads({name: answer for name, answer in again.items() if name not in unstable}, unstable)


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

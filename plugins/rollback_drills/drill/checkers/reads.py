"""Reads are answered, and those of which the target file says so are answered the same before and after a rollback."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.clients.answers import Answer, is_taken
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.stack import Stack

QUOTED = 120  # characters of a value in a sentence
_NOTHING = object()  # where one of two documents has no value at all


@dataclass(frozen=True, slots=True)
class KnownReads:
    """What reads answered in a healthy state; ``unstable`` are those whose answers mere traffic changes."""

    answers: dict[str, Answer]
    unstable: tuple[str, ...]


def check_reads(judge: Judge, stack: Stack, release: str) -> None:
    """Every read of the target file is answered with an accepted status."""
    answers = {each.name: stack.client.read(each) for each in stack.target.reads_of(release)}
    wrong = {name: each.brief() for name, each in answers.items() if not is_taken(stack.target, name, each)}
    if answers:
        judge.check(
            f"{len(answers)} reads are answered",
            wrong,
            expected={},
            finding="release-not-serving",
            detail="; ".join(f"{name}: {json.dumps(each, ensure_ascii=False)}" for name, each in wrong.items()),
            timed=not any(answers[name].answered for name in wrong),
        )


def learn_reads(stack: Stack) -> KnownReads:
    """Ask a healthy gateway, write something, and ask again: only what stays the same is held against another state."""
    first = _same_reads(stack)
    if not first:
        return KnownReads({}, ())
    for name in stack.target.integrations_of(stack.target.previous):
        stack.client.deliver(name)
    again = _same_reads(stack)
    unstable = tuple(name for name, answer in first.items() if difference_of(answer, again[name]))
    return KnownReads({name: answer for name, answer in again.items() if name not in unstable}, unstable)


def check_same_reads(judge: Judge, stack: Stack, known: KnownReads) -> str:
    """Reads are answered as before; a difference counts if it is seen twice.

    Returns:
        What could not be told, as a sentence; empty where all could.
    """
    seen, silent = _differences(stack, known)
    if seen:
        still, _ = _differences(stack, known)
        seen = {name: each for name, each in seen.items() if name in still}
    if known.answers:
        judge.check(
            f"{len(known.answers)} reads are answered as before",
            {**seen},
            expected={},
            finding="read-differs",
            detail="; ".join(f"{name}: {each}" for name, each in seen.items()),
        )
    unclear = [f"{name} (traffic itself changes its answer)" for name in known.unstable]
    unclear += [f"{name} (no answer)" for name in silent]
    return f"That reads are answered as before the rollback: {', '.join(unclear)}." if unclear else ""


def _same_reads(stack: Stack) -> dict[str, Answer]:
    reads = stack.target.reads_of(stack.target.previous)
    return {each.name: stack.client.read(each) for each in reads if each.same}


def _differences(stack: Stack, known: KnownReads) -> tuple[dict[str, str], list[str]]:
    """What differs, by name; and the reads that were not answered, of which nothing is told."""
    now = {name: answer for name, answer in _same_reads(stack).items() if name in known.answers}
    silent = [name for name, answer in now.items() if not (answer.answered and known.answers[name].answered)]
    found = {name: difference_of(known.answers[name], answer) for name, answer in now.items() if name not in silent}
    return {name: each for name, each in found.items() if each}, silent


def difference_of(before: Answer, after: Answer) -> str:
    """Where two answers differ, in a few words; empty where they do not."""
    if before.status != after.status or before.error != after.error:
        return f"{_brief(after.error or after.status)} instead of {_brief(before.error or before.status)}"
    return _first_difference("", before.body, after.body)


def _first_difference(place: str, before: JsonValue | object, after: JsonValue | object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [*before, *(key for key in after if key not in before)]
        pairs = [(f"{place}/{key}", before.get(key, _NOTHING), after.get(key, _NOTHING)) for key in keys]
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = [(f"{place}/{index}", *both) for index, both in enumerate(zip(before, after, strict=True))]
    else:
        same = before is after or (_NOTHING not in (before, after) and _equal(before, after))
        return "" if same else f"{place or 'the answer'} is {_brief(after)} instead of {_brief(before)}"
    return next(filter(None, (_first_difference(*each) for each in pairs)), "")


def _equal(before: object, after: object) -> bool:
    return type(before) is type(after) and json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)


def _brief(value: object) -> str:
    if value is _NOTHING:
        return "absent"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]}…"

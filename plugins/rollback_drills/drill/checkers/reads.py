"""Reads are answered, and those of which the target file says so as they were before the upgrade."""

from __future__ import annotations

import json

from rollback_drills.clients.answers import is_rate_limited, is_taken
from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.lab.reads import KnownReads, difference_of, same_reads
from rollback_drills.lab.stack import Stack


def check_reads(judge: Judge, stack: Stack, release: str) -> None:
    """Every read of the target file is answered with an accepted status."""
    answers = {each.name: stack.client.read(each) for each in stack.target.reads_of(release)}
    limited = any(is_rate_limited(stack.target, name, each) for name, each in answers.items())
    wrong = {name: each.brief() for name, each in answers.items() if not is_taken(stack.target, name, each)}
    if answers:
        judge.check(
            f"{len(answers)} reads are answered",
            wrong,
            expected={},
            finding="deliveries-rate-limited" if limited else "release-not-serving",
            detail="; ".join(f"{name}: {json.dumps(each, ensure_ascii=False)}" for name, each in wrong.items()),
            timed=all(answers[name].silent for name in wrong),
        )


def check_same_reads(judge: Judge, stack: Stack, known: KnownReads) -> str:
    """The previous release answers reads as it did before the upgrade; a difference counts if it is seen twice.

    Returns:
        What could not be told, as a sentence; empty where all could.
    """
    seen, silent = _differences(stack, known)
    if seen:
        still, _ = _differences(stack, known)
        seen = {name: each for name, each in seen.items() if name in still}
    if known.answers:
        judge.check(
            f"{len(known.answers)} reads are answered as before the upgrade",
            {**seen},
            expected={},
            finding="read-differs",
            detail="; ".join(f"{name}: {each}" for name, each in seen.items()),
        )
    unclear = [f"{name} ({why})" for name, why in {**known.unknown, **silent}.items()]
    return f"That reads are answered as before the upgrade: {', '.join(unclear)}." if unclear else ""


def _differences(stack: Stack, known: KnownReads) -> tuple[dict[str, str], dict[str, str]]:
    """What differs, by name; and the reads that were not answered, of which nothing is told, and why."""
    now = {name: answer for name, answer in same_reads(stack).items() if name in known.answers}
    silent = {name: f"no answer: {answer.error}" for name, answer in now.items() if not answer.answered}
    silent |= {
        name: "the gateway's rate limit" for name, each in now.items() if is_rate_limited(stack.target, name, each)
    }
    found = {name: difference_of(known.answers[name], answer) for name, answer in now.items() if name not in silent}
    return {name: each for name, each in found.items() if each}, silent

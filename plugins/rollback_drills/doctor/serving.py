"""One release on its own schema: does it start, is it healthy, does it say its version, take and refuse webhooks?"""

from __future__ import annotations

import json
from collections.abc import Iterator

from rollback_drills.answers import Answer, is_disabled
from rollback_drills.doctor.diagnosis import Diagnosis
from rollback_drills.errors import DrillError
from rollback_drills.lab import Lab, Stack
from rollback_drills.probes import Delivered
from rollback_drills.target import Target

_LONGEST = 300  # characters of an answer that are quoted
_LISTED = 5  # integrations whose answers are quoted


def examine_release(lab: Lab, release: str) -> Iterator[Diagnosis]:
    """Start a release and ask it all that a drill will ask it."""
    stack = lab.stack(release)
    try:
        outcome = stack.gateway.deploy(release)
        title = f"{release}: start"
        if not outcome.started:
            detail = f"it does not start (exit code {outcome.exit_code})\n{outcome.log}".strip()
            yield Diagnosis(title, "problem", detail, "correct start and env under [gateway], or ready_timeout")
            return
        yield Diagnosis(title, "ok", f"ready after {outcome.seconds:.1f} s")
        yield _health(stack, release)
        yield _version(stack, release)
        yield from _webhooks(stack, release)
        if lab.target.flags is not None:
            yield from _disabled(stack, release)
    except DrillError as error:
        yield Diagnosis.of(release, error)
    finally:
        lab.discard(stack)


def _health(stack: Stack, release: str) -> Diagnosis:
    answer = stack.client.health()
    if stack.client.healthy():
        return Diagnosis(f"{release}: health", "ok", _brief(answer))
    return Diagnosis(f"{release}: health", "problem", _brief(answer), "correct path, status or body under [health]")


def _version(stack: Stack, release: str) -> Diagnosis:
    said = stack.client.version()
    expected = stack.target.version_of(release)
    if said == expected:
        return Diagnosis(f"{release}: version", "ok", expected)
    detail = f"it says {json.dumps(said)[:_LONGEST]}, not {expected!r}"
    fix = "correct path or pointer under [version], or say under version.expected what it calls itself"
    return Diagnosis(f"{release}: version", "problem", detail, fix)


def _webhooks(stack: Stack, release: str) -> Iterator[Diagnosis]:
    names = stack.target.integrations_of(release)
    delivered = [stack.client.deliver(name) for name in names]
    refused = [each for each in delivered if not each.acknowledged]
    for each in refused:
        fix = "correct [delivery], or say `since` where only the current release has it"
        yield Diagnosis(f"{release}: {each.integration}", "problem", _brief(each.answer), fix)
    taken = [each.id for each in delivered if each.acknowledged]
    missing = set(taken) - stack.stored(taken)
    if missing:
        detail = f"{len(missing)} of {len(taken)} acknowledged deliveries are not found in the database"
        yield Diagnosis(f"{release}: stored", "problem", detail, "correct stored under [delivery]")
    if not refused and not missing:
        yield Diagnosis(f"{release}: webhooks", "ok", f"{len(names)} integrations take and store deliveries")


def _disabled(stack: Stack, release: str) -> Iterator[Diagnosis]:
    """All flags off at once, and on again: the drills find out about each beside the others."""
    flags, names = stack.target.flags, stack.target.integrations_of(release)
    assert flags is not None
    for title, on in (("flags off", False), ("flags on again", True)):
        stack.set_flags(dict.fromkeys(names, on))
        if not stack.gateway.recreate().started:
            yield Diagnosis(f"{release}: {title}", "problem", stack.gateway.logs(), "correct variable under [flags]")
            return
        delivered = [stack.client.deliver(name) for name in names]
        wrong = [each for each in delivered if not _as_agreed(stack.target, each, on)]
        if wrong:
            fix = "correct variable, on and off under [flags]"
            fix += "" if on else ", or disabled there or under [integrations.NAME]"
            yield Diagnosis(f"{release}: {title}", "problem", _listed(stack.target, wrong, len(names), on), fix)
        else:
            yield Diagnosis(f"{release}: {title}", "ok", f"{len(names)} integrations answer as agreed")


def _as_agreed(target: Target, delivered: Delivered, on: bool) -> bool:
    return delivered.acknowledged if on else is_disabled(target, delivered.integration, delivered.answer)


def _listed(target: Target, wrong: list[Delivered], number: int, on: bool) -> str:
    """What they answered, and what was agreed on, a line for each of the first."""
    lines = [f"{len(wrong)} of {number} integrations do not answer as agreed"]
    for each in wrong[:_LISTED]:
        agreed = target.disabled_answer(each.integration)
        wanted = f"; agreed is {_json(agreed.brief())}" if agreed is not None and not on else ""
        lines.append(f"{each.integration}: {_brief(each.answer)}{wanted}")
    return "\n".join(lines)


def _brief(answer: Answer) -> str:
    return _json(answer.brief())[:_LONGEST]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

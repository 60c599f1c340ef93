"""Checks one release on its own schema: start, health, version, behaviours, webhooks, signatures and flags."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.cli.doctor.quotes import with_log
from rollback_drills.cli.doctor.rows import touched_rows
from rollback_drills.cli.doctor.start_failure import not_started
from rollback_drills.cli.doctor.traffic import examine_traffic
from rollback_drills.clients.answers import Answer, is_disabled, is_rate_limited, is_taken, matches
from rollback_drills.clients.delivery import Delivered
from rollback_drills.core.errors import DrillError
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.report.text import count
from rollback_drills.target.probe_tables import Version, WriteProbe
from rollback_drills.target.target import Target

_FORGED = "unsigned and wrongly signed deliveries"
_REFUSED = {  # what a refused probe asks for
    400: 'set headers = { Host = "…" } under [health] if the gateway accepts certain hosts only; else correct path',
    401: 'set headers under [health] with what it asks for, or login = "NAME" and [logins.NAME]',
    403: 'set headers under [health] with what it asks for, or login = "NAME" and [logins.NAME]',
    426: 'set headers = { X-Forwarded-Proto = "https" } under [health], as the proxy in front of it does',
}
_LOGIN = "correct [logins.NAME], and let the seed create its user (database.seed or database.seed_command)"
_LIMITED = "set rate_limit under [traffic], or lift the limit with a variable under [gateway.env]"
_LISTED = 5  # integrations whose answers are listed


def examine_release(lab: Lab, release: str) -> Iterator[Diagnosis]:
    """Start a release and check everything that drills need of it."""
    stack = lab.stack(release)
    try:
        outcome = stack.gateway.deploy(release)
        if not outcome.started:
            yield not_started(release, outcome)
            return
        yield Diagnosis(f"{release}: start", "ok", f"ready after {outcome.seconds:.1f} s")
        yield from with_log(stack, _examine_running(lab, stack, release))
        for name, reason in lab.target.ungated_of(release).items():
            yield Diagnosis(f"{release}: {name}", "note", f"it has no flag: {reason}")
    except DrillError as error:
        yield Diagnosis.of(release, error)
    finally:
        lab.discard(stack)


def _examine_running(lab: Lab, stack: Stack, release: str) -> Iterator[Diagnosis]:
    """What a started release answers."""
    if lab.target.health is not None:
        yield _health(stack, release)
    if lab.target.write_probe is not None:
        yield _write_probe(stack, release, lab.target.write_probe)
    if lab.target.version is not None:
        yield _version(stack, release, lab.target.version)
    yield from _behaviours(stack, release)
    yield from _webhooks(stack, release)
    yield from touched_rows(lab, stack, release)
    if any(lab.target.delivery_to(name).signature is not None for name in lab.target.integrations_of(release)):
        yield _signatures(stack, release)
    if lab.sender is not None:
        yield examine_traffic(stack, lab.sender, release)
    yield from _flags(stack, release)


def _health(stack: Stack, release: str) -> Diagnosis:
    answer = stack.client.health()
    if stack.client.healthy():
        return Diagnosis(f"{release}: health", "ok", _brief(answer))
    fix = "correct path, status or body under [health]"
    return Diagnosis(f"{release}: health", "problem", _brief(answer), _REFUSED.get(answer.status or 0, fix))


def _version(stack: Stack, release: str, asked: Version) -> Diagnosis:
    said = stack.client.version()
    expected = stack.target.version_of(release)
    if said == expected:
        return Diagnosis(f"{release}: version", "ok", expected)
    detail = f"expected {expected!r}, but it reports {_json(said)}"
    if said is None:
        detail += f"\n{asked.path} answers {_brief(stack.client.ask_version())}"
    fix = "correct path or pointer under [version], or set version.expected to what it reports"
    return Diagnosis(f"{release}: version", "problem", detail, fix)


def _write_probe(stack: Stack, release: str, probe: WriteProbe) -> Diagnosis:
    answer = stack.client.write_probe()
    title = f"{release}: write probe"
    if matches(probe, answer):
        return Diagnosis(title, "ok", _brief(answer))
    return Diagnosis(title, "problem", _brief(answer), "correct path, json, status or body under [write_probe]")


def _behaviours(stack: Stack, release: str) -> Iterator[Diagnosis]:
    """What distinguishes this release from the other: [[behaviours]], [version.routes] and delivery.absent."""
    asked = stack.client.comparisons(release)
    for request, shown in asked.items():
        if not shown.equal:
            detail = f"{request}: {_json(shown.observed)} instead of {_json(shown.expected)}"
            fix = "correct [[behaviours]], [version.routes] or delivery.absent"
            if shown.answer.unsent:
                fix = _LOGIN
            elif shown.answer.silent:
                fix = "allow more under [gateway] as request_timeout, if it is only slow"
            yield Diagnosis(f"{release}: behaviour", "problem", detail, fix)
    if asked and all(shown.equal for shown in asked.values()):
        yield Diagnosis(f"{release}: behaviour", "ok", f"{count(len(asked), 'answer')} of this release")


def _webhooks(stack: Stack, release: str) -> Iterator[Diagnosis]:
    names = stack.target.integrations_of(release)
    delivered = [stack.client.deliver(name) for name in names]
    refused = [each for each in delivered if not each.acknowledged]
    for each in refused:
        place = "[delivery]" if each.integration in stack.target.integrations else "[[requests]]"
        fix = f"correct {place}, or set since if only the current release has it"
        if each.answer.unsent:
            fix = _LOGIN
        if is_rate_limited(stack.target, each.integration, each.answer):
            fix = _LIMITED
        yield Diagnosis(f"{release}: {each.integration}", "problem", _brief(each.answer), fix)
    taken = [each.id for each in delivered if each.acknowledged]
    missing = set(taken) - stack.stored(taken)
    if missing:
        detail = f"{len(missing)} of {len(taken)} acknowledged deliveries are not in the database"
        fix = "correct stored under [delivery] or [[requests]]"
        yield Diagnosis(f"{release}: stored", "problem", detail, fix)
    if not refused and not missing:
        webhooks = [name for name in names if name in stack.target.integrations]
        others = len(names) - len(webhooks)
        if webhooks:
            detail = f"accepted and stored by {count(len(webhooks), 'integration')}"
            yield Diagnosis(f"{release}: webhooks", "ok", detail)
        if others:
            yield Diagnosis(f"{release}: writes", "ok", f"{count(others, 'kind')} of requests accepted and stored")
    yield from _reads(stack, release)


def _reads(stack: Stack, release: str) -> Iterator[Diagnosis]:
    reads = stack.target.reads_of(release)
    answers = {each.name: stack.client.read(each) for each in reads}
    wrong = {name: answer for name, answer in answers.items() if not is_taken(stack.target, name, answer)}
    for name, answer in wrong.items():
        fix = _LIMITED if is_rate_limited(stack.target, name, answer) else "correct [[requests]], or set since"
        yield Diagnosis(f"{release}: {name}", "problem", _brief(answer), fix)
    if reads and not wrong:
        yield Diagnosis(f"{release}: reads", "ok", f"{count(len(reads), 'kind')} of requests answered")


def _signatures(stack: Stack, release: str) -> Diagnosis:
    """If the gateway verifies no signatures, the drills cannot tell whether theirs are right."""
    names = [
        name for name in stack.target.integrations_of(release) if stack.target.delivery_to(name).signature is not None
    ]
    taken: dict[str, list[str]] = {}
    for name in names:
        for how, delivered in stack.client.deliver_forged(name).items():
            if delivered.acknowledged:
                taken.setdefault(how, []).append(name)
    title = f"{release}: signatures"
    if not taken:
        return Diagnosis(title, "ok", f"{_FORGED} are rejected by {count(len(names), 'integration')}")
    detail = "\n".join(f"accepted although {how}: {', '.join(each)}" for how, each in taken.items())
    return Diagnosis(title, "note", detail, "let the gateway verify signatures during drills, too")


def _flags(stack: Stack, release: str) -> Iterator[Diagnosis]:
    """All flags off, on again, and not set; the drills check each flag separately."""
    names = stack.target.gated_of(release)
    defaults = {name: stack.target.flag_default(name, release) for name in names}
    known = {name: on for name, on in defaults.items() if on is not None}
    for title, states, turn in (
        ("flags off", dict.fromkeys(names, False), stack.set_flags),
        ("flags on again", dict.fromkeys(names, True), stack.set_flags),
        ("flags not set", known, lambda _: stack.unset_flags()),
    ):
        if not states:
            continue
        turn(states)
        if not stack.gateway.recreate().started:
            yield Diagnosis(f"{release}: {title}", "problem", stack.gateway.logs(), "correct variable under [flags]")
            return
        yield _flag_states(stack, f"{release}: {title}", states)


def _flag_states(stack: Stack, title: str, states: Mapping[str, bool]) -> Diagnosis:
    """Whether each integration is on or off, as its flag is."""
    delivered = [stack.client.deliver(name) for name in states]
    wrong = [each for each in delivered if not _as_agreed(stack.target, each, states[each.integration])]
    if not wrong:
        return Diagnosis(title, "ok", f"the agreed answer from {count(len(states), 'integration')}")
    lines = [f"{len(wrong)} of {len(states)} integrations do not give the agreed answer"]
    lines += [_comparison(stack.target, each, states[each.integration]) for each in wrong[:_LISTED]]
    fix = "correct variable, on, off, defaults and disabled under [flags], or the keys of [integrations.NAME]"
    return Diagnosis(title, "problem", "\n".join(lines), fix)


def _as_agreed(target: Target, delivered: Delivered, on: bool) -> bool:
    return delivered.acknowledged if on else is_disabled(target, delivered.integration, delivered.answer)


def _comparison(target: Target, delivered: Delivered, on: bool) -> str:
    """The answer of an integration, and the agreed one."""
    agreed = target.disabled_answer(delivered.integration)
    wanted = f"; agreed: {_json(agreed.brief())}" if agreed is not None and not on else ""
    return f"{delivered.integration}: {_brief(delivered.answer)}{wanted}"


def _brief(answer: Answer) -> str:
    return _json(answer.brief())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

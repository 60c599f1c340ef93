"""Commands that look, choose or name something, typed to the letter into a shell. No compose project is needed.

As in `test_to_the_letter`, each is a pair, and a finding only where the target's runbook contains the command.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from shlex import quote

import pytest

from rollback_drills.clients.answers import Answer, is_disabled, matches
from rollback_drills.drill.checkers import check_revision
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack

from .literal_commands import (
    curl_command,
    report_if_in_runbook,
    to_the_letter,
)
from .procedures import deploy

STATUS = "-o /dev/null -w '%{http_code}'"


@pytest.mark.drill(
    "To the letter: curl a gateway that is broken", runbook="recovery-checklist", requires=("curl", "health")
)
def test_letter_curl_status(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """`curl` exits 0 on a 503: it says that there was an answer, and no more."""
    stack, target = idle_stack, idle_stack.target
    with drill.step(f"Deploy release {target.current}"):
        deploy(stack, drill, target.current)
        drill.check("it is healthy", stack.becomes_healthy(), finding="release-not-serving")
    address = quote(stack.gateway.base_url + target.readiness.path)
    misled = []
    ways: tuple[tuple[str, str, Callable[[], None]], ...] = (
        ("Empty the database", "the database is empty", lambda: _empty(stack)),
        ("Take the database away", "there is no database", stack.database.drop),
    )
    for title, state, take_away in ways:
        with drill.step(title):
            take_away()
        with to_the_letter(drill, f"curl {address}"):
            result = stack.commands.typed(f"curl -s {address}", tmp_path)
            answer = stack.client.health()
            drill.observe("exit code", result.exit_code)
            drill.observe("what health answers", answer.brief())
            if result.ok and answer.status is not None and not matches(target.readiness, answer):
                misled.append(f"It exits 0, and the answer is {answer.status}: {state}.")
    with drill.step("Compare the exit code with the answer"):
        report_if_in_runbook(stack, drill, "check-ignores-status", bool(misled), " ".join(misled))
    with drill.step("What holds: let curl fail, or compare the status", checklist="verify-health"):
        failing = stack.commands.typed(f"curl -fsS {address}", tmp_path)
        seen = stack.commands.typed(f"curl -sS {STATUS} {address}", tmp_path)
        drill.observe("exit code of `curl -fsS`, and the status that curl writes", [failing.exit_code, seen.stdout])
        if answer.status is not None and answer.status >= 400:  # whether health tells the truth is another drill's
            drill.check("`curl -fsS` fails", failing.ok, expected=False)
            drill.check("the status is the one that a client gets", seen.stdout, expected=str(answer.status))


@pytest.mark.drill("To the letter: curl a webhook that is off", runbook="quick-flags", requires=("curl", "flags"))
def test_letter_flag_check(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """A GET is answered the same whatever the flag says, and `-f` fails on the answer that is wanted."""
    stack, target = idle_stack, idle_stack.target
    open_to_all = [name for name in target.gated_of(target.current) if target.delivery_to(name).login is None]
    if not open_to_all:
        pytest.skip("every request with a flag needs a login, and a token is no argument of a command")
    name = open_to_all[-1]
    path = target.delivery_to(name).path.replace("{integration}", name)
    address = quote(stack.gateway.base_url + path.partition("{")[0])
    looks: dict[str, tuple[int | None, str]] = {}
    for state, on in (("on", True), ("off", False)):
        with drill.step(f"Turn {name} {state}"):
            stack.set_flags({name: on})
            deploy(stack, drill, target.current)
        with to_the_letter(drill, f"curl {address}"):
            result = stack.commands.typed(f"curl -s -w ' %{{http_code}}' {address}", tmp_path)
            looks[state] = result.exit_code, result.stdout
            drill.observe("exit code, body and status", list(looks[state]))
    with drill.step("What holds: send what a sender sends, and compare status and body", checklist="verify-health"):
        said = stack.commands.typed(curl_command(stack, name, r"-sS -w '\n%{http_code}'"), tmp_path)
        drill.check("curl succeeds", said.exit_code, expected=0)
        answer = _answer(said.stdout)
        agreed = target.disabled_answer(name)
        drill.check(
            f"{name} gives the agreed answer",
            is_disabled(target, name, answer),
            finding="flag-ignored",
            detail=f"{name} is turned off, and answers {answer.brief()}"
            + (f" and not {agreed.brief()}" if agreed is not None else ""),
        )
    with to_the_letter(drill, f"curl {address}, as a check of the flag"):
        report_if_in_runbook(
            stack,
            drill,
            "flag-checked-by-get",
            looks["on"] == looks["off"],
            f"With {name} on and off it exits {looks['off'][0]} and prints {looks['off'][1]!r}.",
        )
    with to_the_letter(drill, "curl -f -X POST, as a check of the flag"):
        failing = stack.commands.typed(curl_command(stack, name, "-fsS"), tmp_path)
        drill.observe("exit code", failing.exit_code)
        report_if_in_runbook(
            stack,
            drill,
            "flag-check-fails-when-off",
            not failing.ok,
            f"{name} is off as it should be, and curl exits {failing.exit_code}: {failing.stderr.strip()}",
        )


def _empty(stack: Stack) -> None:
    stack.database.create_empty().swap_with(stack.database).drop()


def _answer(printed: str) -> Answer:
    """What `curl -w '\\n%{http_code}'` has printed."""
    body, _, status = printed.rpartition("\n")
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = body
    return Answer(int(status) if status.isdigit() else None, parsed, 0.0, text=body)


@pytest.mark.drill(
    "To the letter: check out a tag that is not there", runbook="scenario-c", requires=("gateway", "git")
)
def test_letter_checkout(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """The tag was never pushed: the checkout fails, and the next lines start what is checked out already."""
    stack, target = idle_stack, idle_stack.target
    commit = "git -c user.name=drill -c user.email=drill@invalid commit --quiet --allow-empty"
    commits = [
        f"echo {quote(release)} > RELEASE; git add RELEASE; {commit} -m {quote(release)}"
        for release in (target.previous, target.current)
    ]
    with drill.step(f"A repository with both releases, and no tag for {target.previous}"):
        made = stack.commands.typed("\n".join(["set -e", "git init --quiet .", *commits]), tmp_path)
        drill.check("it is there", made.exit_code, expected=0, detail=made.output)
    tag = f"v{target.previous}"
    lines = f"git checkout --quiet {quote(tag)}", "cat RELEASE"
    with to_the_letter(drill, f"{lines[0]}, and then build and start"):
        result = stack.commands.typed("\n".join(lines), tmp_path)
        built = result.stdout.strip()
        drill.observe("exit code, and the release that the next lines build", [result.exit_code, built])
        drill.observe("what git says", result.stderr.strip())
        drill.check("a release of the target is built", built in (target.previous, target.current))
        deploy(stack, drill, built)
        version = stack.client.version()
        drill.observe("version afterwards", version)
        report_if_in_runbook(
            stack,
            drill,
            "checkout-not-checked",
            result.ok and built != target.previous,
            "In a repository that lacks what it names, the checkout fails; the lines after it exit 0 and start "
            f"{version}, which was to be rolled back.",
        )
    scripts = {"`set -e` above": "\n".join(["set -e", *lines]), "`&&` between the lines": " && ".join(lines)}
    for title, script in scripts.items():
        with drill.step(f"What holds: {title}", checklist="disable-or-rollback"):
            ended = stack.commands.typed(script, tmp_path)
            drill.check("the checkout ends it", ended.ok, expected=False)
            drill.check("nothing is built", ended.stdout, expected="")
    with drill.step("What holds: the tag exists"):
        tagged = stack.commands.typed("\n".join(["set -e", f"git tag {quote(tag)} HEAD~1", *lines]), tmp_path)
        drill.check("the previous release is built", tagged.stdout.strip(), expected=target.previous)


@pytest.mark.drill("To the letter: a placeholder in angle brackets", runbook="quick-database")
def test_letter_placeholder(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """`<revision_id>` is a redirection: nothing is done, or the file behind the bracket is emptied."""
    stack, target = idle_stack, idle_stack.target
    before, goal = stack.database.revision(), stack.alembic.head(target.previous)
    if before == goal and target.migrations.downgrade is not None:
        goal = target.migrations.downgrade.to
    with to_the_letter(drill, "alembic downgrade <revision_id>"):
        result = stack.commands.typed("alembic downgrade <revision_id>", tmp_path)
        after = stack.database.revision()
        drill.observe("exit code", result.exit_code)
        drill.observe("what the shell says", result.stderr.strip())
        drill.observe("revision", f"{before} → {after}")
    backup = tmp_path / "backup.sql"
    stack.backups.take(stack.database, backup)
    (tmp_path / "database").mkdir()
    with to_the_letter(drill, "psql -d <database> backup.sql, where there is a directory of that name"):
        size = backup.stat().st_size
        emptied = stack.commands.typed("psql -d <database> backup.sql", tmp_path)
        left = backup.stat().st_size
        drill.observe("exit code", emptied.exit_code)
        drill.observe("bytes of the backup", f"{size} → {left}")
    with drill.step("Compare the outcome with what the reader expects"):
        report_if_in_runbook(
            stack,
            drill,
            "placeholder-redirects",
            after == before and left < size,
            f"`alembic downgrade <revision_id>` exits {result.exit_code} and leaves the database at {after}; "
            f"`psql -d <database> backup.sql` leaves {left} of the backup's {size} bytes.",
        )
    with drill.step("What holds: a variable that the shell insists on", checklist="rollback-database"):
        line = 'printf %s "${REVISION:?name the revision}"'
        missing = stack.commands.typed(line, tmp_path)
        drill.check("it ends where the variable is not set", missing.ok, expected=False)
        drill.observe("what the shell says", missing.stderr.strip())
        named = stack.commands.typed(f"REVISION={quote(goal)}\n{line}", tmp_path)
        drill.check("the revision is the one that was set", named.stdout, expected=goal)
        moved = stack.alembic.downgrade(target.current, named.stdout)
        drill.check("the downgrade succeeds", moved.exit_code, expected=0, finding="downgrade-failed")
        check_revision(drill, stack, goal)

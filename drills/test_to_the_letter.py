"""Commands as runbooks print them, run to the letter in the target's own compose project.

Those that need no compose project are in `test_to_the_letter_checks` and `test_to_the_letter_database`.

Each drill is a pair: the literal command with what it leaves behind although it exits 0, then the procedure that holds.
The effect of the literal command is only observed. It is a finding where the target's runbook contains the command.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from shlex import quote

import pytest

from rollback_drills import postgres
from rollback_drills.core.polling import poll_until
from rollback_drills.drill.checkers import (
    check_deliveries,
    check_disabled,
    check_not_rolled_back_yet,
    check_release_variable,
    check_revision,
    check_rows,
)
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import REVISION, failing_migration, plant, require_read
from rollback_drills.runtimes.protocols import Project

from .literal_commands import (
    report_if_in_runbook,
    to_the_letter,
)
from .procedures import back_up, check_release_serves, damage, deploy, fullest_table, restore

COMPOSE = ("compose",)
KEEP = (
    "Mount a named volume at the directory that SHOW data_directory names, or set PGDATA to a directory in the volume."
)


def project_of(stack: Stack) -> Project:
    assert stack.project is not None
    return stack.project


@pytest.mark.drill("To the letter: edit a flag and restart", runbook="quick-flags", requires=(*COMPOSE, "flags"))
def test_letter_restart(stack: Stack, drill: Drill) -> None:
    """`restart` exits 0 and keeps the environment that the container was created with."""
    project, target = project_of(stack), stack.target
    name = target.gated_of(target.current)[-1]
    stack.set_flags({name: False})
    command = f"docker compose restart {project.services[0]}"
    with to_the_letter(drill, command):
        result = project.shell(command)
        healthy = stack.becomes_healthy()
        answer = stack.client.deliver(name)
        drill.observe("exit code and health", [result.exit_code, healthy])
        drill.observe(f"answer of {name}, which .env turns off", answer.answer.brief())
        report_if_in_runbook(
            stack,
            drill,
            "restart-keeps-environment",
            result.ok and answer.acknowledged,
            f"It exits 0, and {name} takes deliveries although .env turns it off.",
        )
    with drill.step("What holds: re-create the gateway", checklist="disable-or-rollback"):
        stack.must_start(stack.gateway.recreate())
        check_disabled(drill, target, name, [stack.client.deliver(name)])


@pytest.mark.drill("To the letter: export VERSION and up", runbook="quick-application", requires=COMPOSE)
def test_letter_export(stack: Stack, drill: Drill) -> None:
    """An exported variable beats .env in that shell only: the next `up -d`, in another shell, undoes the rollback."""
    project, target = project_of(stack), stack.target
    assert target.compose is not None
    variable = target.compose.release_variable
    up = f"docker compose up -d --no-build --no-deps {project.services[0]}"
    with drill.step(f"Does {variable} select a release?"):
        check_release_variable(drill, stack)
        check_not_rolled_back_yet(drill, stack)
    bring_database_to(target.previous, stack, drill)
    with to_the_letter(drill, f"export {variable}={target.previous}; {up}"):
        mine = project.shell(up, variables={variable: target.previous})
        drill.observe("exit code", mine.exit_code)
        there, back = _version(stack), target.version_of(target.current)
        drill.observe("version in that shell", there)
    with to_the_letter(drill, f"{up}, in another shell"):
        theirs = project.shell(up)
        version = _version(stack)
        drill.observe("version afterwards", version)
        report_if_in_runbook(
            stack,
            drill,
            "rollback-lives-in-a-shell",
            mine.ok and theirs.ok and there == target.version_of(target.previous) and version == back,
            f"The next `docker compose up -d` from another shell brought {back} back, with exit code 0.",
        )
    bring_database_to(target.previous, stack, drill)
    with drill.step("What holds: the line in .env", checklist="disable-or-rollback"):
        deploy(stack, drill, target.previous)
        project.shell(up)
        drill.check(
            "it is still the previous release after the next `up -d`",
            _version(stack),
            expected=target.version_of(target.previous),
            finding="version-wrong",
        )


def bring_database_to(release: str, stack: Stack, drill: Drill) -> None:
    """Move the database before a release starts: a start that migrates fails on a revision that it does not know."""
    goal = stack.alembic.head(release)
    with drill.step(f"The database first: to the revision of {release}"):
        stack.gateway.stop()
        move = stack.alembic.upgrade if release == stack.target.current else stack.alembic.downgrade
        if stack.database.revision() != goal:
            move(stack.target.current, goal)
        check_revision(drill, stack, goal)


def _version(stack: Stack) -> object:
    """The version of the release that answers, healthy or not: the current one may not be, on the older schema."""
    poll_until(
        lambda: stack.client.health().status is not None,
        what="an answer of the gateway",
        timeout=stack.target.gateway.ready_timeout,
    )
    return stack.client.version()


@pytest.mark.drill("To the letter: alembic in a gateway that will not start", runbook="scenario-b", requires=COMPOSE)
def test_letter_exec(stack: Stack, drill: Drill) -> None:
    """`exec` needs a running gateway. Here it is down, and that is when an operator asks for the revision."""
    project, target = project_of(stack), stack.target
    gateway, _ = project.services
    stack.gateway.stop()
    command = f"docker compose exec -T {gateway} alembic current"
    with to_the_letter(drill, command):
        result = project.shell(command)
        drill.observe("exit code", result.exit_code)
        report_if_in_runbook(
            stack,
            drill,
            "exec-needs-running-gateway",
            not result.ok,
            f"With the gateway down it exits {result.exit_code}: {result.output.strip()[-200:]}",
        )
    with drill.step("What holds: a container of its own", checklist="root-cause"):
        drill.check(
            "`alembic current` says what the database says",
            stack.alembic.current(target.current),
            expected=stack.database.revision(),
            finding="revision-wrong",
        )


@pytest.mark.drill("To the letter: downgrade -1 after a failed migration", runbook="scenario-b", requires=COMPOSE)
def test_letter_blind_downgrade(stack: Stack, drill: Drill) -> None:
    """The failed migration left no trace, so that `-1` removes a good revision with its rows, and exits 0."""
    project, target = project_of(stack), stack.target
    gateway, _ = project.services
    good, schema = stack.database.revision(), stack.database.schema()
    migration = failing_migration("in-a-transaction", table=fullest_table(stack), down_revision=good)
    broken = plant(stack.commands, target, f"{target.current}-fails-to-the-letter", migration)
    with drill.step("A migration fails"):
        result = stack.alembic.upgrade(broken)
        if result.ok:
            require_read(stack.alembic, target, broken, REVISION)
        drill.check("it fails", result.ok, expected=False)
    with drill.step("What holds: read the revision first; there is nothing to do", checklist="rollback-database"):
        drill.check("the revision", stack.alembic.current(target.current), expected=good, finding="revision-wrong")
        left = schema.diff(stack.database.schema())
        drill.check("the schema is as before", bool(left), expected=False, finding="failed-migration-left-traces")
    command = f"docker compose exec -T {gateway} alembic downgrade -1"
    with to_the_letter(drill, command):
        result = project.shell(command)
        after, lost = stack.database.revision(), schema.diff(stack.database.schema())
        drill.observe("exit code", result.exit_code)
        drill.observe("revision", f"{good} → {after}")
        drill.observe("what it removed", lost.to_json())
        report_if_in_runbook(
            stack,
            drill,
            "blind-downgrade",
            result.ok and after != good,
            f"It exits 0 and takes the database from the good revision {good} to {after}.",
        )


@pytest.mark.drill("To the letter: down, then look", runbook="recovery-checklist", requires=COMPOSE)
def test_letter_down(stack: Stack, drill: Drill) -> None:
    """`down` removes the logs and stops the database; what is stored has to survive."""
    project, target = project_of(stack), stack.target
    gateway, database = project.services
    rows = stack.database.rows()
    stack.gateway.stop()
    with drill.step("What holds: stop the one service", checklist="root-cause"):
        kept = project.shell(f"docker compose logs --no-color {gateway}")
        drill.check("its log is there", bool(kept.stdout.strip()), finding="down-destroys-evidence")
        drill.check("the database answers", stack.database.revision() != "", finding="down-destroys-evidence")
    with drill.step("Are the data in a volume that survives?"):
        check_data_survive(stack, drill, project)
    with to_the_letter(drill, "docker compose down"):
        result = project.shell("docker compose down")
        logs = project.shell(f"docker compose logs --no-color {gateway}").stdout.strip()
        drill.observe("exit code", result.exit_code)
        drill.observe("what is left of the log", logs)
        drill.observe("the database's container", project.service(database) is not None)
        report_if_in_runbook(
            stack, drill, "down-destroys-evidence", result.ok and not logs, "It exits 0, and the log is gone."
        )
    command = f"docker compose up -d {database}"
    with to_the_letter(drill, command):
        result = project.shell(command)
        state = project.service(database)
        health = state.health if state is not None else ""
        drill.observe("exit code, and the health of the database when it returned", [result.exit_code, health])
        report_if_in_runbook(
            stack,
            drill,
            "database-not-waited-for",
            result.ok and health != "healthy",
            f"It returned while the database was {health or 'running without a health check'}.",
        )
    with drill.step("What holds: wait for it", checklist="restart-services"):
        result = project.shell(f"docker compose up -d --wait {database}")
        state = project.service(database)
        drill.check("the command succeeds", result.exit_code, expected=0, finding="release-not-serving")
        drill.check(
            "it is healthy",
            state.health if state is not None else "",
            expected="healthy",
            finding="database-not-waited-for",
            detail="the service has no health check that could be waited for",
        )
        with postgres.connect(stack.server.admin_url) as admin:
            there = postgres.database_exists(admin, stack.database.name)
        drill.check(
            "its database is still there",
            there,
            finding="rows-lost",
            detail=f"after `down` and `up`, the database {stack.database.name} is gone",
            remedy=KEEP,
            vital=True,
        )
        deploy(stack, drill, target.current)
        check_rows(drill, rows, stack.database, remedy=KEEP)
    check_release_serves(stack, drill, target.current)


def check_data_survive(stack: Stack, drill: Drill, project: Project) -> None:
    """PostgreSQL's data directory is in a named volume or a directory of the host, which `down` leaves alone."""
    service = project.services[1]
    state = project.service(service)
    kept = {**state.volumes, **state.binds} if state is not None else {}
    directory = str(stack.database.query("SHOW data_directory")[0][0])
    resolved = project.shell(f"docker compose exec -T {service} readlink -f {quote(directory)}")
    place = PurePosixPath(resolved.stdout.strip() if resolved.ok and resolved.stdout.strip() else directory)
    drill.observe("the data directory, and what is mounted", {str(place): kept})
    where = (
        f"named volumes and directories of the host are mounted at {', '.join(sorted(kept))} only"
        if kept
        else ("the service has no named volume: an anonymous one is abandoned")
    )
    drill.check(
        "the data directory is in a named volume, or a directory of the host",
        any(place.is_relative_to(path) for path in kept),
        finding="rows-lost",
        detail=f"`down` removes the data: they are in {place} (SHOW data_directory), and {where}; the next `up` begins "
        "without them",
        remedy=KEEP,
    )


@pytest.mark.drill("To the letter: a backup into psql", runbook="scenario-c", requires=COMPOSE)
def test_letter_restore(previous_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """`cat backup.sql | … psql` over a database that is full: exit 0, and the damage is still there."""
    stack, project, target = previous_stack, project_of(previous_stack), previous_stack.target
    account = owner_of_the_database(stack)
    with drill.step("Take deliveries"):
        check_deliveries(drill, stack, target.previous)
    file, manifest = back_up(stack, drill, tmp_path)
    stack.gateway.stop()
    with drill.step("Damage the data"):
        drill.observe("rows destroyed", damage(stack))
    command = f"cat {file} | docker compose exec -T {project.services[1]} psql -U {account} -d {stack.database.name}"
    with to_the_letter(drill, command):
        result = project.shell(command)
        errors = result.stderr.count("ERROR:")
        differs = manifest.data.diff(stack.database.data()).lines()
        drill.observe("exit code, and errors that psql printed", [result.exit_code, errors])
        drill.observe("what differs from the backup afterwards", differs)
        report_if_in_runbook(
            stack,
            drill,
            "restore-over-live-database",
            result.ok and bool(differs),
            f"It exits 0 after {errors} errors, and {len(differs)} tables are not what was backed up.",
        )
    fresh = restore(stack, drill, file, manifest)
    fresh.swap_with(stack.database).drop()
    stack.clients.give_up(since=manifest.began)
    with drill.step(f"Deploy release {target.previous}", checklist="disable-or-rollback"):
        deploy(stack, drill, target.previous)
    check_release_serves(stack, drill, target.previous)


def owner_of_the_database(stack: Stack) -> str:
    """The owner of the database."""
    return str(
        stack.database.query("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")[0][0]
    )


@pytest.mark.drill("To the letter: build, then up", runbook="scenario-c", requires=COMPOSE)
def test_letter_build(stack: Stack, drill: Drill) -> None:
    """`build --no-cache` gives the tag of a released version to another image; one that is kept needs no build."""
    project, target = project_of(stack), stack.target
    before = project.image(target.current)
    bring_database_to(target.previous, stack, drill)
    with drill.step("What holds: the image that is kept", checklist="disable-or-rollback"):
        deploy(stack, drill, target.previous)
        state = project.service(project.services[0])
        drill.check(
            "the gateway runs from it",
            state.image if state is not None else "",
            expected=project.image(target.previous),
            finding="version-wrong",
        )
    bring_database_to(target.current, stack, drill)
    with drill.step(f"Deploy release {target.current}"):
        deploy(stack, drill, target.current)
    command = f"docker compose build --no-cache {project.services[0]}"
    with to_the_letter(drill, command):
        result = project.shell(command)
        after = project.image(target.current)
        drill.observe("exit code", result.exit_code)
        drill.observe(f"the image that is called {target.current}", f"{before} → {after}")
        misled = after != before if result.ok else True
        how = (
            f"It exits 0, and {target.current} is another image than the one that ran: {before} has lost its name."
            if result.ok
            else f"It exits {result.exit_code}: a rollback cannot depend on a build. {result.output[-300:]}"
        )
        report_if_in_runbook(stack, drill, "build-replaces-release", misled, how)

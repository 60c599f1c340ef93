"""Commands that replace a database, to the letter. No compose project is needed.

As in `test_to_the_letter`, each is a pair, and a finding only where the target's runbook contains the command.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.drill.checkers import check_deliveries, check_restore_ends_well, check_restored, check_rows
from rollback_drills.drill.checkers.restored import LEFT_OUT
from rollback_drills.drill.drill import Drill
from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.lab.stack import Stack
from rollback_drills.postgres.dump import restorable
from rollback_drills.runtimes.protocols import CommandResult, ToolCommand

from .literal_commands import (
    report_if_in_runbook,
    to_the_letter,
)
from .procedures import back_up, check_release_serves, damage, deploy, restore

CLEAN = ("pg_dump", "--clean", "--if-exists", "--dbname={database_url}", "--file={file}")
STRICT = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction")
RESTORE = ("psql", *STRICT, "--dbname={database_url}", "--file={file}")
YOUNGER = "younger_than_the_backup"


@pytest.mark.drill("To the letter: restore with --clean", runbook="scenario-c")
def test_letter_clean(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """`--clean` drops what the dump knows: a later table stays, and its foreign key makes the whole restore fail."""
    stack, file = idle_stack, tmp_path / "clean.sql"
    kept, manifest = back_up(stack, drill, tmp_path)
    with drill.step("The same with --clean"):
        drill.check("the dump succeeds", tool(stack, CLEAN, stack.database, file).exit_code, expected=0)
    with drill.step("A migration adds a table, and the data are damaged"):
        stack.database.execute(f"CREATE TABLE {YOUNGER} (id integer PRIMARY KEY)")
        drill.observe("rows destroyed", damage(stack))
    with to_the_letter(drill, "pg_dump --clean --if-exists, restored over the younger schema"):
        result = tool(stack, RESTORE, stack.database, file)
        left = restorable(manifest.schema).diff(restorable(stack.database.schema())).lines()
        drill.observe("exit code", result.exit_code)
        drill.observe("what differs from the backup's schema", left)
    key = _a_key(stack.database)
    stopped = None
    if key is not None:
        with drill.step("A migration adds a foreign key to that table"):
            stack.database.execute(f"ALTER TABLE {YOUNGER} ADD FOREIGN KEY (id) REFERENCES {key}")
            drill.observe("rows destroyed", damage(stack))
        with to_the_letter(drill, "the same over a younger foreign key"):
            stopped = tool(stack, RESTORE, stack.database, file)
            drill.observe("exit code", stopped.exit_code)
            drill.observe("what psql says", stopped.stderr.strip())
            drill.observe("what differs from the backup's rows", manifest.data.diff(stack.database.data()).lines())
    with drill.step("Is the database what was backed up?"):
        how = f"; over a younger foreign key it exits {stopped.exit_code}, and the damage stays" if stopped else ""
        report_if_in_runbook(
            stack,
            drill,
            "clean-leaves-younger-tables",
            bool(left),
            f"It exits {result.exit_code}, and there is still: {_brief(left)}{how}.",
        )
    restore(stack, drill, kept, manifest).drop()


def _brief(lines: list[str]) -> str:
    """Without the definitions, which are indented."""
    return ", ".join(line for line in lines if not line.startswith(" "))


def _a_key(database: LiveDatabase) -> str | None:
    """A table whose primary key is one integer column, as REFERENCES names it; None without such a table."""
    rows = database.query(
        "SELECT format('%s (%I)', c.conrelid::regclass, a.attname) FROM pg_constraint c"
        " JOIN pg_class t ON t.oid = c.conrelid"
        " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
        " WHERE c.contype = 'p' AND cardinality(c.conkey) = 1 AND t.relkind = 'r'"
        f" AND a.atttypid IN ('int4'::regtype, 'int8'::regtype) AND t.relname <> '{YOUNGER}'"
        " ORDER BY c.conrelid::regclass::text LIMIT 1"
    )
    return str(rows[0][0]) if rows else None


@pytest.mark.drill("To the letter: dropdb under a gateway that runs", runbook="scenario-c", requires="gateway")
def test_letter_dropdb(idle_stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """PostgreSQL drops no database with sessions in it, so that the damaged one is still there."""
    stack, target = idle_stack, idle_stack.target
    name, rows = stack.database.name, stack.database.rows()
    file, manifest = back_up(stack, drill, tmp_path)
    with drill.step("The gateway serves"):
        deploy(stack, drill, target.current)
        check_deliveries(drill, stack, target.current)
    with to_the_letter(drill, f"dropdb {name}"):
        connected = len(sessions(stack))
        result = drop(stack, tmp_path, "dropdb")
        drill.observe("exit code", result.exit_code)
        drill.observe("what it says", result.stderr.strip())
        drill.observe("sessions of the gateway, just before", connected)
        report_if_in_runbook(
            stack,
            drill,
            "dropdb-while-connected",
            not result.ok,
            f"With the gateway connected it exits {result.exit_code}, and the database is still there: "
            f"{result.stderr.strip()}",
        )
    with drill.step("What holds: stop the gateway, then drop by force", checklist="stop-service"):
        stack.gateway.stop()
        if result.ok:  # a gateway without a connection of its own between two requests: it is gone already
            drill.observe("the database", "was dropped while the gateway ran")
        else:
            forced = drop(stack, tmp_path, "dropdb", "--force")
            drill.check("it is dropped", forced.exit_code, expected=0, detail=forced.output)
    stack.database = _restored(stack, drill, file, manifest)
    stack.clients.give_up(since=manifest.began)
    with drill.step(f"Deploy release {target.current}", checklist="restart-services"):
        deploy(stack, drill, target.current)
        check_rows(drill, rows, stack.database, remedy=LEFT_OUT)
    check_release_serves(stack, drill, target.current)


def _restored(stack: Stack, drill: Drill, file: Path, manifest: Manifest) -> LiveDatabase:
    """Restore under the name that is free now."""
    with drill.step("Restore into a new database of that name", checklist="rollback-database"):
        fresh = stack.database.create_empty(stack.database.name)
        result = stack.backups.restore_into(fresh, file)
        check_restore_ends_well(drill, result)
        with drill.together():
            check_restored(drill, manifest, fresh)
    return fresh


def sessions(stack: Stack) -> list[str]:
    """Who else is connected to the database."""
    rows = stack.database.query(
        "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    return [str(row[0]) for row in rows]


def drop(stack: Stack, directory: Path, *command: str) -> CommandResult:
    """Run a tool that drops the database, after ending our own session in it."""
    stack.database.disconnect()
    argv = (*command, "--maintenance-db={database_url}", "{database}")
    return tool(stack, argv, stack.database, directory / "nothing", url=stack.server.admin_url)


def tool(
    stack: Stack, argv: tuple[str, ...], database: LiveDatabase, file: Path, *, url: str | None = None
) -> CommandResult:
    """Run a client tool of PostgreSQL where the target's own run."""
    command = ToolCommand(argv, database.name, url or stack.backups.account(file.parent).url(database), file)
    return stack.commands.run_tool(command, timeout=stack.backups.settings.timeout)

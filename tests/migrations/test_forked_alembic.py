"""The reference gateway's env.py in children of a fork server: the same results as in processes of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rollback_drills.core.meter import Meter
from rollback_drills.postgres import SchemaFingerprint, connect, create_database, schema_fingerprint, with_database
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.embedded.runtime import EmbeddedCommands
from rollback_drills.runtimes.host.fork_server import ForkServers
from rollback_drills.runtimes.host.tools import HostTools
from rollback_drills.runtimes.protocols import CommandLog, CommandResult, ReleaseCommand
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

# Release and arguments; both releases in turn on one database, and what fails in between.
COMMANDS = [
    ("0.4.0", "history"),
    ("0.5.0", "current"),
    ("0.5.0", "upgrade head"),
    ("0.5.0", "current"),
    ("0.4.0", "current"),  # does not know the revision
    ("0.4.0", "downgrade -1"),  # nor how to leave it
    ("0.5.0", "downgrade -1"),
    ("0.5.0", "downgrade -1"),
    ("0.5.0", "upgrade +1"),
    ("0.5.0", "downgrade there-is-none"),
    ("0.5.0", "upgrade head --sql"),
    ("0.5.0", "history --verbose"),
    ("0.5.0", "heads"),
    ("0.5.0", "no-such-command"),
    ("0.5.0", "downgrade base"),
    ("0.4.0", "upgrade head"),
    ("0.4.0", "current"),
    ("0.5.0", "check"),
]


class Ways:
    """The same commands on two databases: one by one in children of a fork server, and each as a process of its own."""

    def __init__(self, target: Target, server: PostgresServer, workspace: Workspace) -> None:
        self.meter = Meter()
        self.servers = ForkServers(workspace.path)
        tools = HostTools(target, workspace.path, self.meter, server.bin_dir)
        self.forking, self.plain = (
            EmbeddedCommands(
                target, Trees(target, workspace.path), tools, servers, CommandLog(), lambda: server.admin_url
            )
            for servers in (self.servers, ForkServers(workspace.path, ()))
        )

    def children(self) -> int:
        """How many commands the servers have run."""
        return sum(server.served for server in self.servers._servers.values())


@pytest.fixture
def ways(reference_target: Target, postgres_server: PostgresServer, workspace: Workspace) -> Iterator[Ways]:
    ways = Ways(reference_target, postgres_server, workspace)
    yield ways
    ways.servers.close()


@pytest.fixture
def new_url(server_url: str) -> Callable[[str], str]:
    def new_url(name: str) -> str:
        with connect(server_url) as admin:
            create_database(admin, name)
        return with_database(server_url, name)

    return new_url


def run(commands: EmbeddedCommands, release: str, arguments: str, url: str, **options: object) -> CommandResult:
    command = ReleaseCommand(release, ["{python}", "-m", "alembic", *arguments.split()], "", url)
    return commands.run(command, **{"timeout": 60.0, **options})  # type: ignore[arg-type]


def told(result: CommandResult) -> tuple[int | None, str, str]:
    """The result, without the name of the tree."""
    return result.exit_code, *(re.sub(r"/\S*/", "/", text) for text in (result.stdout, result.stderr))


def schema(url: str) -> SchemaFingerprint:
    with connect(url) as connection:
        return schema_fingerprint(connection)


def test_every_command_has_the_same_result_and_effect(ways: Ways, new_url: Callable[[str], str]):
    forked_url, plain_url = new_url("forked"), new_url("plainly")
    for number, (release, arguments) in enumerate(COMMANDS, 1):
        forked, plain = (
            run(ways.forking, release, arguments, forked_url),
            run(ways.plain, release, arguments, plain_url),
        )
        assert (release, arguments, told(forked)) == (release, arguments, told(plain))
        assert (forked.argv, forked.where) == (plain.argv, plain.where)
        assert schema(forked_url) == schema(plain_url), (release, arguments)
        assert ways.children() == number, (release, arguments)


def test_what_is_timed_or_interrupted_is_a_process_of_its_own(ways: Ways, new_url: Callable[[str], str]):
    url = new_url("timed")
    with ways.meter.recovery():
        assert run(ways.forking, "0.5.0", "upgrade head", url).ok
    assert run(ways.forking, "0.5.0", "current", url, kill_when=lambda: False).ok
    assert ways.children() == 0
    assert run(ways.forking, "0.5.0", "current", url).ok
    assert ways.children() == 1


def test_a_migration_that_waits_for_a_lock_is_ended_at_its_limit(
    ways: Ways, new_url: Callable[[str], str], tmp_path: Path
):
    url = new_url("waiting")
    assert run(ways.forking, "0.5.0", "upgrade head", url).ok
    before = schema(url)
    with connect(url) as connection, connection.transaction():
        connection.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        # The reference waits for one second by itself.
        assert run(ways.forking, "0.5.0", "downgrade base", url, timeout=0.5).exit_code is None
    assert schema(url) == before
    assert run(ways.forking, "0.5.0", "current", url).stdout.split()[0] != ""
    assert ways.children() == 3

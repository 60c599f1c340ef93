"""The docker runtime's server, one-off commands and clean-up."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError, StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.postgres import connect, create_database, with_database
from rollback_drills.runtimes.docker import cleanup
from rollback_drills.runtimes.docker.commands import ContainerCommands
from rollback_drills.runtimes.docker.engine import OWNER_LABEL, WORKSPACE_LABEL, Engine, labels, owner
from rollback_drills.runtimes.docker.runtime import DockerRuntime
from rollback_drills.runtimes.protocols import CommandLog, CommandResult, ReleaseCommand, ToolCommand
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


def make_workspace(name: str) -> Workspace:
    return Workspace(f"docker-{name}-{os.getpid()}-{time.monotonic_ns()}", "main")


@pytest.fixture(scope="module")
def runtime(engine: Engine, reference: Target) -> Iterator[DockerRuntime]:
    workspace = make_workspace("runtime")
    runtime = DockerRuntime(reference, workspace, Meter())
    try:
        runtime.start()
        yield runtime
    finally:
        runtime.close()
        removal.close(workspace)


@pytest.fixture(scope="module")
def url(runtime: DockerRuntime) -> str:
    """libpq URL of an empty database, as addressed from this machine."""
    with connect(runtime.server.admin_url) as admin:
        create_database(admin, "commands")
    return with_database(runtime.server.admin_url, "commands")


@pytest.fixture
def logged() -> list[CommandResult]:
    return []


@pytest.fixture
def commands(runtime: DockerRuntime, url: str, logged: list[CommandResult]) -> ContainerCommands:
    return runtime.commands(CommandLog([logged.append]), lambda: url)


def containers_of(runtime: DockerRuntime, *, running: bool = False) -> list[dict[str, object]]:
    filters = {"label": f"{WORKSPACE_LABEL}={runtime.workspace.path}"}
    return list(runtime.engine.client.api.containers(all=not running, filters=filters))


# --- the server ----------------------------------------------------------------------------------------


def test_a_frozen_server_accepts_and_never_answers(runtime: DockerRuntime):
    with connect(runtime.server.admin_url) as connection:
        runtime.server.freeze()
        try:
            with pytest.raises(DrillError, match="timeout expired"), connect(runtime.server.admin_url, timeout=1.0):
                pass
            assert [container["State"] for container in containers_of(runtime)] == ["paused"]
        finally:
            runtime.server.thaw()
        assert connection.execute("SELECT 1").fetchone() == (1,), "connections survive it"
    runtime.server.thaw()  # has no effect on a server that is not frozen
    with connect(runtime.server.admin_url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


# --- commands in a release -----------------------------------------------------------------------------


def test_a_command_runs_in_the_release_with_its_environment(
    commands: ContainerCommands, logged: list[CommandResult], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("POSTGRES_PASSWORD", "the caller's")
    script = "import os, sys; print(os.environ['DATABASE_URL']); print(sorted(os.environ.values()), file=sys.stderr)"
    script += "; print(os.getcwd()); sys.exit(3)"
    result = commands.run(ReleaseCommand("0.5.0", ["{python}", "-c", script, "{sqlalchemy_url}"]), timeout=30)
    assert (result.exit_code, result.ok) == (3, False)
    database_url, directory = result.stdout.split()
    assert database_url.endswith("@database:5432/commands")
    assert directory == "/app"
    assert "the caller's" not in result.stderr
    assert database_url not in result.stderr.replace(repr(database_url), ""), "it is passed as a variable only"
    assert "image of 0.5.0" in result.where
    assert result.argv[-1].startswith("postgresql+psycopg://")
    assert logged == [result]


def test_the_new_release_migrates_while_no_gateway_runs(runtime: DockerRuntime, commands: ContainerCommands, url: str):
    assert len(containers_of(runtime, running=True)) == 1, "only PostgreSQL"
    upgraded = commands.run(ReleaseCommand("0.5.0", ["{python}", "-m", "alembic", "upgrade", "head"]), timeout=60)
    assert upgraded.ok, upgraded.output
    current = commands.run(ReleaseCommand("0.5.0", ["{python}", "-m", "alembic", "current"]), timeout=60)
    assert "(head)" in current.stdout
    with connect(url) as connection:
        revision = str((connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",))[0])
    assert revision in current.stdout
    assert len(containers_of(runtime)) == 1, "the containers of the commands are gone"


def test_another_database_may_be_named(runtime: DockerRuntime, commands: ContainerCommands):
    argv = ["{python}", "-c", "import os; print(os.environ['DATABASE_URL'])"]
    elsewhere = with_database(runtime.server.admin_url, "elsewhere")
    result = commands.run(ReleaseCommand("0.4.0", argv, database_url=elsewhere), timeout=30)
    assert result.stdout.strip().endswith("@database:5432/elsewhere")


def test_a_command_is_killed_at_its_time_limit_and_gone(runtime: DockerRuntime, commands: ContainerCommands):
    began = time.monotonic()
    argv = ["sh", "-c", "trap '' TERM; echo here; while :; do sleep 1; done"]
    result = commands.run(ReleaseCommand("0.5.0", argv), timeout=2.0)
    assert result.exit_code is None
    assert result.stdout == "here\n"
    assert time.monotonic() - began < 20
    assert len(containers_of(runtime)) == 1


def test_a_command_is_killed_once_a_condition_holds(runtime: DockerRuntime, commands: ContainerCommands, url: str):
    def is_sleeping() -> bool:
        with connect(url) as connection:
            query = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
            return connection.execute(query).fetchone() is not None

    script = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT pg_sleep(600)')"
    command = ReleaseCommand("0.5.0", ["{python}", "-c", script])
    result = commands.run(command, timeout=60, kill_when=is_sleeping)
    assert result.exit_code == -9
    assert result.seconds < 60
    assert len(containers_of(runtime)) == 1


def test_a_program_that_the_image_lacks_is_named(runtime: DockerRuntime, commands: ContainerCommands):
    with pytest.raises(StackError, match=r"no-such-program cannot be started in the image of 0\.5\.0") as raised:
        commands.run(ReleaseCommand("0.5.0", ["no-such-program"]), timeout=30)
    assert "executable file not found" in (raised.value.cause or "")
    assert len(containers_of(runtime)) == 1


# --- tools on a database -------------------------------------------------------------------------------


def test_a_dump_is_written_to_and_restored_from_this_machine(
    runtime: DockerRuntime, commands: ContainerCommands, tmp_path: Path
):
    for name in ("dumped", "restored"):
        with connect(runtime.server.admin_url) as admin:
            create_database(admin, name)
    with connect(with_database(runtime.server.admin_url, "dumped")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    file = tmp_path / "backup.sql"
    dump = ["{pg_bin}/pg_dump", "--dbname", "{database_url}", "--file", "{file}"]
    restore = ["{pg_bin}/psql", "-v", "ON_ERROR_STOP=1", "--dbname", "{database_url}", "--file", "{file}"]
    for argv, database in ((dump, "dumped"), (restore, "restored")):
        address = with_database(runtime.server.admin_url, database)
        result = commands.run_tool(ToolCommand(argv, database, address, file), timeout=60)
        assert result.ok, result.output
        assert result.where == "the database's image"
    assert "PostgreSQL database dump complete" in file.read_text()
    assert os.access(file, os.W_OK)
    with connect(with_database(runtime.server.admin_url, "restored")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert len(containers_of(runtime)) == 1


def test_a_tool_that_fails_is_quoted(commands: ContainerCommands, url: str, tmp_path: Path):
    argv = ["{pg_bin}/psql", "-v", "ON_ERROR_STOP=1", "--dbname", "{database_url}", "-c", "SELECT wrong"]
    result = commands.run_tool(ToolCommand(argv, "commands", url, tmp_path / "none"), timeout=60)
    assert result.exit_code == 1
    assert 'column "wrong" does not exist' in result.stderr


@pytest.mark.parametrize("placeholder", ["{python}", "{here}"])
def test_a_command_that_names_something_of_this_machine_runs_on_it(
    commands: ContainerCommands, logged: list[CommandResult], url: str, tmp_path: Path, placeholder: str
):
    (tmp_path / "here").write_text("only on this machine")
    file = tmp_path / "written"
    script = 'cp "$0" "$1"; echo "$2" "$PGPASSWORD"; psql "$2" -Atc "SELECT current_database()"'
    argv = ["sh", "-c", f": {placeholder}; {script}", str(tmp_path / "here"), "{file}", "{database_url}"]
    result = commands.run_tool(ToolCommand(argv, "commands", url, file), timeout=60)
    assert result.ok, result.output
    assert file.read_text() == "only on this machine"
    address, password, database = result.stdout.split()
    assert address.replace("@", f":{password}@") == url, "the address as seen from this machine"
    assert database == "commands"
    assert logged == [result]


# --- images, facts, labels -----------------------------------------------------------------------------


def test_a_release_is_derived_and_derived_again(runtime: DockerRuntime, commands: ContainerCommands):
    for text in ("first", "second"):
        name = commands.derive_release("0.5.0", "0.5.0-drill", {"drill/new.txt": text, "alembic.ini": text})
        read = ["sh", "-c", "cat drill/new.txt alembic.ini && echo && test -f gateway/__init__.py && id -un"]
        result = commands.run(ReleaseCommand(name, read), timeout=30)
        assert result.stdout.split() == [text + text, "gateway"], result.output
    argv = ["sh", "-c", "ls -d drill; head -1 alembic.ini"]
    original = commands.run(ReleaseCommand("0.5.0", argv), timeout=30)
    assert "second" not in original.stdout
    assert original.stderr.startswith("ls: ")


def test_facts_name_engine_platform_and_digests_but_no_secret(runtime: DockerRuntime):
    facts = runtime.facts()
    client = runtime.engine.client
    assert client.version()["Version"] in str(facts["engine"])
    assert str(facts["platform"]).startswith("linux/")
    assert str(facts["postgres"]).startswith("PostgreSQL ")
    roles = {
        "image of the database": runtime.images.database,
        "image of 0.4.0": runtime.images.of_release("0.4.0"),
        "image of 0.5.0": runtime.images.of_release("0.5.0"),
    }
    for role, name in roles.items():
        assert facts[role] == f"{name} ({client.images.get(name).id})"
        assert "(sha256:" in str(facts[role])
    (secret,) = runtime.secrets()
    assert secret in runtime.server.admin_url
    assert secret not in json.dumps(facts)


def test_everything_is_labelled_and_close_leaves_nothing(engine: Engine, reference: Target):
    workspace = make_workspace("labels")
    runtime = DockerRuntime(reference, workspace, Meter())
    try:
        runtime.start()
        commands = runtime.commands(CommandLog(), lambda: runtime.server.admin_url)
        release = commands.derive_release("0.5.0", "labelled", {"new": ""})
        commands.derive_release("0.5.0", "labelled", {"new": "again"})  # the first image loses its name
        gateway = runtime.gateway("gateway", lambda: runtime.server.admin_url)
        assert gateway.deploy(release).started
        marked = labelled(engine, workspace)
        assert sorted(kind for kind, _ in marked) == ["container", "container", "image", "image", "network"]
        containers = [engine.client.containers.get(identity) for kind, identity in marked if kind == "container"]
        assert {each.labels[OWNER_LABEL] for each in containers} == {owner()}
        assert [each.attrs["HostConfig"]["Binds"] or [] for each in containers] == [[], []]
        # The database's image declares a volume; anonymous, it goes with its container.
        volumes = {mount["Name"] for each in containers for mount in each.attrs["Mounts"] if mount["Type"] == "volume"}
    finally:
        runtime.close()
        removal.close(workspace)
    assert labelled(engine, workspace) == set()
    assert volumes & {each["Name"] for each in engine.client.api.volumes()["Volumes"] or []} == set()


def test_what_lost_its_workspace_is_removed_at_the_next_start(engine: Engine, runtime: DockerRuntime):
    lost, present = make_workspace("lost"), make_workspace("present")
    for workspace in (lost, present):
        engine.client.networks.create(f"drill-{workspace.path.name}", labels=labels(workspace.path))
        engine.client.volumes.create(f"drill-{workspace.path.name}", labels=labels(workspace.path))
    removal.close(lost)  # without a record of the engine
    assert len(labelled(engine, lost)) == 2
    cleanup.remove_orphaned(engine)
    assert labelled(engine, lost) == set()
    assert len(labelled(engine, present)) == 2, "its run has not ended"
    assert len(containers_of(runtime)) == 1, "another run's containers stay"
    cleanup.remember_engine(present)
    removal.close(present)
    assert labelled(engine, present) == set()


def test_a_container_can_be_removed_twice(engine: Engine, runtime: DockerRuntime):
    """The engine answers the second removal with 409."""
    before = len(containers_of(runtime))
    container = runtime.one_off(runtime.images.database, ["sleep", "600"])
    container.start()
    container.remove()
    container.remove()
    poll_until(lambda: len(containers_of(runtime)) == before, what="its removal", timeout=10)


def labelled(engine: Engine, workspace: Workspace) -> set[tuple[str, str]]:
    """Everything on the engine that carries a workspace's label."""
    api, filters = engine.client.api, {"label": f"{WORKSPACE_LABEL}={workspace.path}"}
    return {
        *(("container", each["Id"]) for each in api.containers(all=True, filters=filters)),
        *(("network", each["Id"]) for each in api.networks(filters=filters)),
        *(("volume", each["Name"]) for each in api.volumes(filters=filters)["Volumes"] or []),
        *(("image", each["Id"]) for each in api.images(all=True, filters=filters)),
    }

"""The docker runtime's server and one-off commands, and that nothing of it is left."""

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
from rollback_drills.runtimes.docker import engine as engines
from rollback_drills.runtimes.docker.commands import ContainerCommands
from rollback_drills.runtimes.docker.engine import OWNER_LABEL, WORKSPACE_LABEL, Engine
from rollback_drills.runtimes.docker.runtime import DockerRuntime
from rollback_drills.runtimes.protocols import (
    CommandLog,
    CommandResult,
)
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
        workspace.close()


@pytest.fixture(scope="module")
def url(runtime: DockerRuntime) -> str:
    """libpq URL of an empty database, as it is addressed from here."""
    with connect(runtime.server.admin_url) as admin:
        create_database(admin, "commands")
    return with_database(runtime.server.admin_url, "commands")


@pytest.fixture
def heard() -> list[CommandResult]:
    return []


@pytest.fixture
def commands(runtime: DockerRuntime, url: str, heard: list[CommandResult]) -> ContainerCommands:
    return runtime.commands(CommandLog([heard.append]), lambda: url)


def ours(runtime: DockerRuntime, *, running: bool = False) -> list[dict[str, object]]:
    chosen = {"label": f"{WORKSPACE_LABEL}={runtime.workspace.path}"}
    return list(runtime.engine.client.api.containers(all=not running, filters=chosen))


# --- the server ----------------------------------------------------------------------------------------


def test_a_frozen_server_accepts_and_never_answers(runtime: DockerRuntime):
    with connect(runtime.server.admin_url) as connection:
        runtime.server.freeze()
        try:
            with pytest.raises(DrillError, match="timeout expired"), connect(runtime.server.admin_url, timeout=1.0):
                pass
            assert [container["State"] for container in ours(runtime)] == ["paused"]
        finally:
            runtime.server.thaw()
        assert connection.execute("SELECT 1").fetchone() == (1,), "the connections outlive it"
    runtime.server.thaw()  # of one that is not frozen: nothing happens
    with connect(runtime.server.admin_url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)


# --- commands in a release -----------------------------------------------------------------------------


def test_a_command_runs_in_the_release_with_its_environment(
    commands: ContainerCommands, heard: list[CommandResult], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("POSTGRES_PASSWORD", "the caller's")
    script = "import os, sys; print(os.environ['DATABASE_URL']); print(sorted(os.environ.values()), file=sys.stderr)"
    script += "; print(os.getcwd()); sys.exit(3)"
    result = commands.in_release("0.5.0", ["{python}", "-c", script, "{sqlalchemy_url}"], timeout=30)
    assert (result.exit_code, result.ok) == (3, False)
    database_url, directory = result.stdout.split()
    assert database_url.endswith("@database:5432/commands")
    assert directory == "/app"
    assert "the caller's" not in result.stderr
    assert database_url not in result.stderr.replace(repr(database_url), ""), "only as a variable"
    assert "image of 0.5.0" in result.where
    assert result.argv[-1].startswith("postgresql+psycopg://")
    assert heard == [result]


def test_the_new_release_migrates_while_no_gateway_runs(runtime: DockerRuntime, commands: ContainerCommands, url: str):
    assert len(ours(runtime, running=True)) == 1, "PostgreSQL alone"
    upgraded = commands.in_release("0.5.0", ["{python}", "-m", "alembic", "upgrade", "head"], timeout=60)
    assert upgraded.ok, upgraded.output
    current = commands.in_release("0.5.0", ["{python}", "-m", "alembic", "current"], timeout=60)
    assert "(head)" in current.stdout
    with connect(url) as connection:
        revision = str((connection.execute("SELECT version_num FROM alembic_version").fetchone() or ("",))[0])
    assert revision in current.stdout
    assert len(ours(runtime)) == 1, "what ran once is gone"


def test_another_database_may_be_named(runtime: DockerRuntime, commands: ContainerCommands):
    result = commands.in_release(
        "0.4.0",
        ["{python}", "-c", "import os; print(os.environ['DATABASE_URL'])"],
        timeout=30,
        database_url=with_database(runtime.server.admin_url, "elsewhere"),
    )
    assert result.stdout.strip().endswith("@database:5432/elsewhere")


def test_a_command_is_killed_at_its_time_limit_and_gone(runtime: DockerRuntime, commands: ContainerCommands):
    began = time.monotonic()
    result = commands.in_release(
        "0.5.0", ["sh", "-c", "trap '' TERM; echo here; while :; do sleep 1; done"], timeout=2.0
    )
    assert result.exit_code is None
    assert result.stdout == "here\n"
    assert time.monotonic() - began < 20
    assert len(ours(runtime)) == 1


def test_a_command_is_killed_when_it_is_asked_for(runtime: DockerRuntime, commands: ContainerCommands, url: str):
    def is_inside() -> bool:
        with connect(url) as connection:
            asked = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
            return connection.execute(asked).fetchone() is not None

    script = "import os, psycopg; psycopg.connect(os.environ['DATABASE_URL']).execute('SELECT pg_sleep(600)')"
    result = commands.in_release("0.5.0", ["{python}", "-c", script], timeout=60, kill_when=is_inside)
    assert result.exit_code == -9
    assert result.seconds < 60
    assert len(ours(runtime)) == 1


def test_a_program_that_the_image_has_not_is_named(runtime: DockerRuntime, commands: ContainerCommands):
    with pytest.raises(StackError, match=r"no-such-program cannot be started in the image of 0\.5\.0") as raised:
        commands.in_release("0.5.0", ["no-such-program"], timeout=30)
    assert "executable file not found" in (raised.value.cause or "")
    assert len(ours(runtime)) == 1


# --- tools on a database -------------------------------------------------------------------------------


def test_a_dump_is_written_here_and_restored_from_here(
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
        result = commands.tool(
            argv,
            database=database,
            database_url=with_database(runtime.server.admin_url, database),
            file=file,
            timeout=60,
        )
        assert result.ok, result.output
        assert result.where == "the database's image"
    assert "PostgreSQL database dump complete" in file.read_text()
    assert os.access(file, os.W_OK)
    with connect(with_database(runtime.server.admin_url, "restored")) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert len(ours(runtime)) == 1


def test_a_tool_that_fails_says_why(commands: ContainerCommands, url: str, tmp_path: Path):
    result = commands.tool(
        ["{pg_bin}/psql", "-v", "ON_ERROR_STOP=1", "--dbname", "{database_url}", "-c", "SELECT wrong"],
        database="commands", database_url=url, file=tmp_path / "none", timeout=60,
    )  # fmt: skip
    assert result.exit_code == 1
    assert 'column "wrong" does not exist' in result.stderr


@pytest.mark.parametrize("placeholder", ["{python}", "{here}"])
def test_what_names_something_of_this_machine_runs_on_it(
    commands: ContainerCommands, heard: list[CommandResult], url: str, tmp_path: Path, placeholder: str
):
    (tmp_path / "here").write_text("only on this machine")
    file = tmp_path / "written"
    script = 'cp "$0" "$1"; echo "$2"; psql "$2" -Atc "SELECT current_database()"'
    argv = ["sh", "-c", f": {placeholder}; {script}", str(tmp_path / "here"), "{file}", "{database_url}"]
    result = commands.tool(argv, database="commands", database_url=url, file=file, timeout=60)
    assert result.ok, result.output
    assert file.read_text() == "only on this machine"
    assert result.stdout.split() == [url, "commands"], "the address as it is from here"
    assert heard == [result]


# --- images, facts, labels -----------------------------------------------------------------------------


def test_a_release_is_derived_and_derived_again(runtime: DockerRuntime, commands: ContainerCommands):
    for text in ("first", "second"):
        name = commands.derive_release("0.5.0", "0.5.0-drill", {"drill/new.txt": text, "alembic.ini": text})
        read = ["sh", "-c", "cat drill/new.txt alembic.ini && echo && test -f gateway/__init__.py && id -un"]
        result = commands.in_release(name, read, timeout=30)
        assert result.stdout.split() == [text + text, "gateway"], result.output
    original = commands.in_release("0.5.0", ["sh", "-c", "ls -d drill; head -1 alembic.ini"], timeout=30)
    assert "second" not in original.stdout
    assert original.stderr.startswith("ls: ")


def test_facts_name_engine_platform_and_digests_and_no_secret(runtime: DockerRuntime):
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
        commands.derive_release("0.5.0", "labelled", {"new": "again"})  # the first one loses its name
        gateway = runtime.gateway("gateway", lambda: runtime.server.admin_url)
        assert gateway.deploy(release).started
        marked = labelled(engine, workspace)
        assert sorted(kind for kind, _ in marked) == ["container", "container", "image", "image", "network"]
        containers = [engine.client.containers.get(identity) for kind, identity in marked if kind == "container"]
        assert {each.labels[OWNER_LABEL] for each in containers} == {engines.owner()}
        assert [each.attrs["HostConfig"]["Binds"] or [] for each in containers] == [[], []]
        # The database's image declares a volume; anonymous, it goes with its container.
        volumes = {mount["Name"] for each in containers for mount in each.attrs["Mounts"] if mount["Type"] == "volume"}
    finally:
        runtime.close()
        workspace.close()
    assert labelled(engine, workspace) == set()
    assert volumes & {each["Name"] for each in engine.client.api.volumes()["Volumes"] or []} == set()


def test_what_has_no_workspace_any_more_is_removed_at_the_next_start(engine: Engine, runtime: DockerRuntime):
    lost, present = make_workspace("lost"), make_workspace("present")
    for workspace in (lost, present):
        engine.client.networks.create(f"drill-{workspace.path.name}", labels=engines.labels(workspace.path))
        engine.client.volumes.create(f"drill-{workspace.path.name}", labels=engines.labels(workspace.path))
    lost.close()  # which does not know that it has used an engine
    assert len(labelled(engine, lost)) == 2
    engines.remove_orphaned(engine)
    assert labelled(engine, lost) == set()
    assert len(labelled(engine, present)) == 2, "its owner lives"
    assert len(ours(runtime)) == 1, "nor is anything of another run's touched"
    engines.record(present)
    present.close()
    assert labelled(engine, present) == set()


def test_removing_waits_for_a_container_that_is_removed_already(engine: Engine, runtime: DockerRuntime):
    """The engine answers 409 to the second of two removals."""
    before = len(ours(runtime))
    container = runtime.one_off(runtime.images.database, ["sleep", "600"])
    container.start()
    container.remove()
    container.remove()
    poll_until(lambda: len(ours(runtime)) == before, what="its removal", timeout=10)


def labelled(engine: Engine, workspace: Workspace) -> set[tuple[str, str]]:
    """What is on the engine that carries a workspace's label."""
    api, chosen = engine.client.api, {"label": f"{WORKSPACE_LABEL}={workspace.path}"}
    return {
        *(("container", each["Id"]) for each in api.containers(all=True, filters=chosen)),
        *(("network", each["Id"]) for each in api.networks(filters=chosen)),
        *(("volume", each["Name"]) for each in api.volumes(filters=chosen)["Volumes"] or []),
        *(("image", each["Id"]) for each in api.images(all=True, filters=chosen)),
    }

"""The base images of fixtures/images behave like the official ones where the suite relies on it; and their build."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.docker.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "fixtures" / "images" / "build.py"
PGDATA = "/var/lib/postgresql/data"
Run = Callable[..., Container]


@pytest.fixture
def run(engine: Engine, base_images: dict[str, str]) -> Iterator[Run]:
    """Start containers, which are removed after the test with their anonymous volumes."""
    started: list[Container] = []

    def start(
        *command: str, image: str = base_images["POSTGRES_IMAGE"], files: bytes = b"", **options: Any
    ) -> Container:
        options.setdefault("ports", {"5432/tcp": (engine.publish_on, None)})
        container = engine.client.containers.create(image, list(command), **options)
        started.append(container)
        if files:
            container.put_archive("/docker-entrypoint-initdb.d", files)
        container.start()
        return container

    yield start
    for container in started:
        with contextlib.suppress(NotFound):
            container.remove(force=True, v=True)


@pytest.fixture
def name(engine: Engine) -> Iterator[str]:
    """A name for an image, a volume and a network, removed after the test; request it before containers that use it."""
    name = f"images-test-{uuid.uuid4().hex[:12]}"
    yield name
    for things in (engine.client.networks, engine.client.volumes):
        with contextlib.suppress(NotFound):
            things.get(name).remove()
    with contextlib.suppress(NotFound):
        engine.client.images.remove(name)


@pytest.fixture
def postgres(run: Run) -> Run:
    """Start PostgreSQL with the compose file's user."""

    def start(*command: str, **options: Any) -> Container:
        environment = {"POSTGRES_USER": "gateway", "POSTGRES_PASSWORD": "right", **options.pop("environment", {})}
        return run(*command, environment=environment, **options)

    return start


def published(container: Container, port: str = "5432/tcp") -> int:
    container.reload()
    return int(container.ports[port][0]["HostPort"])


def exited(container: Container) -> str | None:
    container.reload()
    return f"exited with {container.attrs['State']['ExitCode']}" if container.status == "exited" else None


def log(container: Container) -> str:
    return container.logs().decode()


def connect(engine: Engine, container: Container, password: str = "right", database: str = "gateway"):
    """Connect from outside, once the server answers there."""

    def attempt() -> psycopg.Connection[Any] | None:
        try:
            return psycopg.connect(
                host=engine.host,
                port=published(container),
                user="gateway",
                password=password,
                dbname=database,
                autocommit=True,
                connect_timeout=5,
            )
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise
            return None

    return poll_until(
        attempt,
        what="PostgreSQL answers",
        timeout=60,
        died=lambda: exited(container),
        last_words=lambda: log(container),
    )


def one(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None else row[0]


def archive(**files: tuple[int, str]) -> bytes:
    """A tar of scripts, by name: mode and content; a double underscore stands for a dot."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (mode, content) in files.items():
            entry = tarfile.TarInfo(name.replace("__", "."))
            entry.mode, entry.size = mode, len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


class TestPostgres:
    def test_connections_from_outside_need_the_password(self, engine: Engine, postgres: Run):
        server = postgres()
        with connect(engine, server) as connection:
            assert one(connection, "SELECT current_user || '@' || current_database()") == "gateway@gateway"
            assert one(connection, "SELECT left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin") == "SCRAM-SHA-256$"
            assert one(connection, "SHOW server_encoding") == "UTF8"
            assert one(connection, "SELECT datcollate FROM pg_database WHERE datname = 'gateway'") == "C.UTF-8"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(engine, server, password="wrong")

    def test_client_programs_inside_need_no_password(self, engine: Engine, postgres: Run):
        """As in the runbook's `compose exec db psql …`; also in a login shell, which has another PATH."""
        server = postgres()
        connect(engine, server).close()
        for shell in ("sh -c", "bash -lc"):
            for command in ("psql -U gateway -Atc 'SELECT 1'", "pg_dump -U gateway gateway", "createdb --version"):
                code, output = server.exec_run([*shell.split(), command])
                assert code == 0, output
        assert server.exec_run("pg_isready --quiet --host=127.0.0.1 --username=gateway")[0] == 0

    def test_options_without_a_program_go_to_the_server(self, engine: Engine, postgres: Run):
        server = postgres(
            "-c",
            "fsync=off",
            tmpfs={PGDATA: ""},
            environment={"POSTGRES_DB": "other", "POSTGRES_INITDB_ARGS": "--data-checksums"},
        )
        with connect(engine, server, database="other") as connection:
            assert one(connection, "SHOW fsync") == "off"
            assert one(connection, "SHOW data_checksums") == "on"
        assert "tmpfs" in server.exec_run(f"stat -f -c %T {PGDATA}")[1].decode()

    def test_init_scripts_run_once_and_in_order(self, engine: Engine, postgres: Run):
        scripts = archive(
            **{
                "1__sql": (0o644, "CREATE TABLE steps (step text);"),
                # The temporary server that runs them must not be reachable from outside.
                "2__sh": (0o755, "#!/bin/bash\nset -e\n! pg_isready -q -h 127.0.0.1\n" + insert("executed")),
                "3__sh": (0o644, f'{insert("sourced")}: "${{POSTGRES_PASSWORD:?}}"\n'),
                "4__txt": (0o644, "not run"),
            }
        )
        server = postgres(files=scripts)
        steps = "SELECT array_agg(step) FROM steps"
        with connect(engine, server) as connection:
            assert one(connection, steps) == ["executed", "sourced"]
        server.restart()
        with connect(engine, server) as connection:
            assert one(connection, steps) == ["executed", "sourced"]

    def test_a_script_that_fails_ends_the_container(self, postgres: Run):
        server = postgres(files=archive(**{"1__sql": (0o644, "SELECT 1/0; SELECT 'went on';")}))
        assert server.wait(timeout=60)["StatusCode"] != 0
        assert "division by zero" in log(server)
        assert "went on" not in log(server)

    def test_a_volume_keeps_the_data(self, engine: Engine, name: str, postgres: Run):
        engine.client.volumes.create(name)
        first = postgres(volumes={name: {"bind": PGDATA}})
        with connect(engine, first) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        first.remove(force=True)  # like a power cut
        second = postgres(volumes={name: {"bind": PGDATA}})
        with connect(engine, second) as connection:
            assert one(connection, "SELECT answer FROM kept") == 42

    def test_stopping_does_not_wait_for_clients(self, engine: Engine, postgres: Run):
        """On SIGTERM, PostgreSQL would wait for the connection until Docker kills it, with exit code 137."""
        server = postgres()
        with connect(engine, server):
            code, processes = server.exec_run("stat -c %U:%N /proc/1 /proc/1/exe", user="postgres")
            assert code == 0, processes
            assert b"postgres:" in processes
            assert b"/usr/lib/postgresql/" in processes
            server.stop(timeout=30)
            assert exited(server) == "exited with 0"
        assert "received fast shutdown request" in log(server).split("ready for start up")[1]

    def test_without_a_password_the_container_ends(self, run: Run):
        server = run()
        assert server.wait(timeout=60)["StatusCode"] == 1
        assert "You must specify POSTGRES_PASSWORD" in log(server)

    def test_another_command_runs_unchanged(self, run: Run):
        assert run("id", "-un").wait(timeout=60)["StatusCode"] == 0
        version = run("postgres", "--version")
        assert version.wait(timeout=60)["StatusCode"] == 0
        assert log(version).startswith("postgres (PostgreSQL) ")


def insert(step: str) -> str:
    return f"psql -q -U gateway -d gateway -c \"INSERT INTO steps VALUES ('{step}')\"\n"


class TestPython:
    def test_it_has_what_the_official_image_has(self, run: Run, base_images: dict[str, str]):
        script = (
            "python -m pip check && pip --version && command -v useradd && test -s /etc/ssl/certs/ca-certificates.crt"
        )
        container = run("sh", "-ec", script, image=base_images["BASE_IMAGE"], network_mode="none", ports={})
        assert container.wait(timeout=60)["StatusCode"] == 0, log(container)

    def test_the_gateway_is_built_and_serves_without_a_package_index(
        self, engine: Engine, name: str, run: Run, postgres: Run, base_images: dict[str, str]
    ):
        engine.client.networks.create(name)
        engine.client.images.build(
            path=str(ROOT / "fixtures" / "gateway"),
            tag=name,
            network_mode="none",
            rm=True,
            buildargs={"RELEASE": "0.4.0", "BASE_IMAGE": base_images["BASE_IMAGE"]},
        )
        server = postgres(network=name, name=f"{name}-db")
        connect(engine, server).close()
        environment = {"DATABASE_URL": f"postgresql://gateway:right@{name}-db:5432/gateway"}
        options: dict[str, Any] = {"image": name, "network": name, "environment": environment}
        upgrade = run("alembic", "upgrade", "head", ports={}, **options)
        assert upgrade.wait(timeout=60)["StatusCode"] == 0, log(upgrade)
        gateway = run(ports={"8000/tcp": (engine.publish_on, None)}, **options)
        assert health(engine, gateway).status_code == 200


def health(engine: Engine, gateway: Container) -> httpx.Response:
    def ask() -> httpx.Response | None:
        try:
            return httpx.get(f"http://{engine.host}:{published(gateway, '8000/tcp')}/health", timeout=5)
        except httpx.TransportError:
            return None

    return poll_until(
        ask, what="the gateway answers", timeout=60, died=lambda: exited(gateway), last_words=lambda: log(gateway)
    )


@pytest.fixture
def build() -> Iterator[ModuleType]:
    """build.py imported as a module, for the digests of its recipes."""
    spec = importlib.util.spec_from_file_location("images_build", BUILD)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


class Machine:
    """A PATH with fakes of the programs that build.py calls, and a directory for its temporary files."""

    def __init__(self, here: Path) -> None:
        self.bin, self.tmp = here / "bin", here / "tmp"
        self.bin.mkdir()
        self.tmp.mkdir()
        (here / "pip.py").touch()  # a `python -m pip` that downloads nothing and succeeds
        self.environment = {"PATH": str(self.bin), "TMPDIR": str(self.tmp), "PYTHONPATH": str(here)}
        if unshare := shutil.which("unshare"):
            (self.bin / "unshare").symlink_to(unshare)

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\nPATH={shlex.quote(os.defpath)}\n{script}\n")
        path.chmod(0o755)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(BUILD), *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=60)
        assert list(self.tmp.iterdir()) == []
        return process.returncode, output, errors


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    machine.program("docker", "exit 0")  # an engine that answers, without images
    return machine


class TestBuild:
    def test_a_machine_without_mmdebstrap(self, machine: Machine):
        assert machine.build() == (
            2,
            "",
            "build.py: no image can be built: there is no mmdebstrap on PATH; "
            "install it: apt-get install mmdebstrap.\n",
        )

    def test_a_machine_without_docker(self, machine: Machine):
        (machine.bin / "docker").unlink()
        code, _, errors = machine.build()
        assert code == 2
        assert errors.endswith("there is no docker on PATH; install it: apt-get install docker.io.\n")

    @pytest.mark.parametrize(
        ("complaint", "remedy"),
        [
            ("Cannot connect to the Docker daemon at tcp://127.0.0.1:1.", "start dockerd"),
            ("Got permission denied while trying to connect to the socket", "as a member of the group docker"),
        ],
    )
    def test_an_engine_that_does_not_answer(self, machine: Machine, complaint: str, remedy: str):
        machine.program("docker", f"echo {shlex.quote(complaint)} >&2; exit 1")
        code, output, errors = machine.build("--print-env")
        assert (code, output) == (2, "")
        assert complaint in errors
        assert remedy in errors
        assert len(errors.splitlines()) == 1

    @pytest.mark.parametrize(
        ("complaint", "remedy"),
        [
            ("tar: usr/lib/x: Cannot write: No space left on device", "free space in TMPDIR"),
            ("E: Failed to fetch a.deb  Could not connect", "see that this machine gets Debian's packages"),
            ("dpkg: error processing package x\nE: mmdebstrap failed to run", "again with --verbose"),
        ],
    )
    def test_packages_that_cannot_be_installed(self, machine: Machine, complaint: str, remedy: str):
        machine.program("mmdebstrap", f"echo {shlex.quote(complaint)} >&2; exit 25")
        code, output, errors = machine.build()
        assert (code, output) == (1, "")
        last = errors.splitlines()[-1]
        assert last.startswith("build.py: rollback-drills/")
        assert remedy in last
        assert "Traceback" not in errors

    def test_images_of_the_same_recipe_are_not_built_again(self, machine: Machine, build: ModuleType):
        """There is no mmdebstrap, so building any other recipe would fail."""
        machine.program(
            "docker",
            f"""case "$*" in
                *.Size*) echo 1000000 ;;
                *recipe*/postgres:*) echo {build.postgres().digest} ;;
                *recipe*/python:*) echo {build.python().digest} ;;
            esac""",
        )
        code, output, _ = machine.build("--print-env")
        assert code == 0
        assert output.splitlines() == [
            "POSTGRES_IMAGE=rollback-drills/postgres:15",
            "BASE_IMAGE=rollback-drills/python:3.11",
        ]
        assert machine.build("--force")[0] == 2

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_what_was_started(self, machine: Machine, number: signal.Signals):
        ended = machine.bin / "ended"
        machine.program(
            "mmdebstrap",
            f"trap 'echo yes >> {shlex.quote(str(ended))}; exit 1' TERM\n"
            "echo 'I: waiting for the signal...'\nwhile :; do sleep 0.05; done",
        )
        with machine.start() as process:
            assert process.stderr is not None
            assert any("waiting for the signal" in line for line in process.stderr)
            process.send_signal(number)
            errors = process.stderr.read()
        assert process.returncode == 128 + number
        assert "Traceback" not in errors
        assert ended.read_text().startswith("yes")
        assert list(machine.tmp.iterdir()) == []

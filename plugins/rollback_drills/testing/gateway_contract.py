"""The contract of a runtime's gateway, as test cases that the runtime's own tests inherit::

    class TestMyRuntime(GatewayContract, StopSignalContract):
        make_runtime = MyRuntime

The gateway under test is one file of standard-library Python that answers with its own environment. It runs in the
tree of its release. If a runtime needs more than a tree, such as an image, its test class overrides `target`.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.protocols import Runtime
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

RELEASES = ("1", "2")
DATABASE_URLS = ("postgresql://u:p@127.0.0.1:1/first", "postgresql://u:p@127.0.0.1:1/second")
APPLICATION = """
import http.server, json, os, signal, sys, time
RELEASE, STARTED, CODE = {release!r}, time.time_ns(), int(os.environ.get("CODE", "0"))
if os.environ.get("MODE") == "dies":
    print("no such table: deliveries", flush=True)
    sys.exit(7)
# The first process of a container ignores SIGTERM unless it has a handler for it.
signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("MODE") == "stubborn" else lambda *_: sys.exit(CODE))
signal.signal(signal.SIGUSR1, lambda *_: sys.exit("asked to end by SIGUSR1"))
if os.environ.get("MODE") == "never-ready":
    print("waiting for nothing", flush=True)
    time.sleep(600)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen = {{"release": RELEASE, "started": STARTED, "argv": sys.argv, "env": dict(os.environ)}}
        body = json.dumps(seen).encode()
        self.send_response(302 if os.environ.get("MODE") == "redirects" else int(os.environ.get("STATUS", "200")))
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        print("request", self.path, flush=True)
class Server(http.server.HTTPServer):
    def server_bind(self):
        # Without HTTPServer's look-up of the host's name, which waits for a name server that may not exist.
        self.socket.setsockopt(1, 2, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "gateway", self.server_address[1]
print("start", RELEASE, os.getpid(), flush=True)
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
TARGET = """
name = "gateway contract"
current = "2"
previous = "1"

[releases]
path = "releases/{release}"

[gateway]
start = ["{python}", "-S", "app.py", "127.0.0.1", "{port}", "{release}"]
container_command = ["{python}", "-S", "app.py", "0.0.0.0", "{port}", "{release}"]
env = { DATABASE_URL = "{database_url}", FIXED = "yes", OVERRIDDEN = "no" }
migrate_on_start = { MIGRATE = "true" }
ready_timeout = 20.0
stop_timeout = 1.0
request_timeout = 5.0

[health]
path = "/"

[version]
path = "/"
pointer = "/release"

[delivery]
path = "/{integration}"
json = { id = "{unique}" }
stored = "SELECT unnest(%(ids)s::text[])"

[integrations]
github = {}

[runbook]
file = "ROLLBACK.md"
"""
_numbers = itertools.count(1)


def contract_target(root: Path) -> Target:
    """A target with the releases 1 and 2 as trees in ``root/releases``, which must be empty."""
    for release in RELEASES:
        tree = root / "releases" / release
        tree.mkdir(parents=True)
        (tree / "app.py").write_text(APPLICATION.format(release=release))
    (root / "ROLLBACK.md").write_text("# Rollback\n")
    (root / "target.toml").write_text(TARGET)
    return Target.load(root / "target.toml", {})


def change_gateway_settings(target: Target, monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """Change fields of the target's ``[gateway]`` for one test; a runtime reads the target when it acts."""
    monkeypatch.setitem(target.__dict__, "gateway", target.gateway.model_copy(update=settings))


class GatewayUnderTest:
    """A gateway of the runtime, and the address of its database, which a test may change between two creations."""

    def __init__(self, runtime: Runtime) -> None:
        self.database_url = DATABASE_URLS[0]
        self.gateway = runtime.gateway(f"contract-{next(_numbers)}", lambda: self.database_url)

    @property
    def port(self) -> int:
        return int(self.gateway.base_url.rpartition(":")[2])

    def ask(self) -> dict[str, Any]:
        """Ask the gateway for its ``release``, ``argv``, ``env`` and the time when it ``started``.

        Raises:
            OSError: it does not answer.
        """
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.gateway.base_url + "/", timeout=10) as answer:
            return dict(json.loads(answer.read()))

    def database(self) -> str:
        """The database in the gateway's DATABASE_URL; its host may be another name for the same server."""
        return str(self.ask()["env"]["DATABASE_URL"]).rpartition("/")[2]


class GatewayContract:
    """What every runtime's gateway does alike.

    A test class sets ``make_runtime``, and may override the fixture `target`.
    """

    make_runtime: ClassVar[Callable[[Target, Workspace, Meter], Runtime]]
    """The runtime's class, or a function that makes one, as `rollback_drills.runtimes.AddedRuntime` takes it."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory: pytest.TempPathFactory) -> Target:
        return contract_target(tmp_path_factory.mktemp("gateway-contract"))

    @pytest.fixture(scope="class")
    @classmethod
    def workspace(cls) -> Iterator[Workspace]:
        workspace = Workspace(f"contract-{os.getpid()}-{time.monotonic_ns()}", cls.__name__)
        yield workspace
        removal.close(workspace)

    @pytest.fixture(scope="class")
    @classmethod
    def runtime(cls, target: Target, workspace: Workspace) -> Iterator[Runtime]:
        runtime = cls.make_runtime(target, workspace, Meter())
        try:
            runtime.start()
            yield runtime
        finally:
            runtime.close()

    @pytest.fixture
    def tested(self, runtime: Runtime) -> Iterator[GatewayUnderTest]:
        tested = GatewayUnderTest(runtime)
        yield tested
        tested.gateway.kill()
        tested.gateway.remove()

    def test_nothing_runs_before_a_deployment(self, tested: GatewayUnderTest) -> None:
        gateway = tested.gateway
        assert (gateway.running, gateway.release, dict(gateway.environment)) == (False, None, {})
        assert gateway.logs() == ""
        gateway.stop()
        gateway.kill()
        for begin in (gateway.restart, gateway.recreate):
            with pytest.raises(StackError, match="no release has been deployed"):
                begin()

    def test_a_deployment_serves_the_release_with_a_clean_environment(
        self, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("PGHOST", "POSTGRES_PASSWORD", "COMPOSE_FILE", "PYTHONPATH", "DATABASE_URL"):
            monkeypatch.setenv(name, "the caller's")
        outcome = tested.gateway.deploy("2")
        assert (outcome.started, outcome.exit_code, outcome.log) == (True, None, "")
        assert (tested.gateway.running, tested.gateway.release) == (True, "2")
        answer = tested.ask()
        assert answer["release"] == "2"
        assert tested.database() == "first"
        assert "the caller's" not in answer["env"].values()
        assert dict(tested.gateway.environment).items() <= answer["env"].items()

    def test_a_restart_keeps_the_environment_and_a_recreation_reads_it_anew(self, tested: GatewayUnderTest) -> None:
        gateway = tested.gateway
        gateway.configure({"FLAG": "on", "OVERRIDDEN": "yes"})
        gateway.deploy("2")
        first = tested.ask()
        gateway.configure({"FLAG": "off", "OVERRIDDEN": None, "LATER": "1"})
        tested.database_url = DATABASE_URLS[1]
        assert tested.ask()["env"]["FLAG"] == "on", "a running process does not notice"
        assert gateway.environment["FLAG"] == "on"

        assert gateway.restart().started
        again = tested.ask()
        assert again["started"] != first["started"]
        assert again["env"] == first["env"]
        assert again["argv"] == first["argv"]
        assert gateway.environment["FLAG"] == "on"

        assert gateway.recreate().started
        anew = tested.ask()["env"]
        assert (anew["FLAG"], anew["OVERRIDDEN"], anew["LATER"], tested.database()) == ("off", "no", "1", "second")
        assert gateway.environment["FLAG"] == "off"

    def test_a_recreation_migrates_if_the_deployment_did(self, tested: GatewayUnderTest) -> None:
        tested.gateway.deploy("1", migrate=True)
        assert tested.gateway.recreate().started
        answer = tested.ask()
        assert (answer["release"], answer["env"]["MIGRATE"]) == ("1", "true")
        tested.gateway.deploy("1")
        assert "MIGRATE" not in tested.ask()["env"]

    def test_another_release_answers_at_the_same_address(self, tested: GatewayUnderTest) -> None:
        address = tested.gateway.base_url
        for release in ("2", "1", "2"):
            assert tested.gateway.deploy(release).started
            assert tested.ask()["release"] == release
            assert tested.gateway.base_url == address
        tested.gateway.stop()
        assert tested.gateway.restart().started
        assert tested.gateway.base_url == address

    @pytest.mark.parametrize("begin", ["deploy", "restart", "recreate"])
    def test_a_gateway_that_dies_at_its_start_fails_at_once(self, tested: GatewayUnderTest, begin: str) -> None:
        tested.gateway.configure({"MODE": "dies"})
        outcome = tested.gateway.deploy("2")
        if begin != "deploy":
            outcome = getattr(tested.gateway, begin)()
        assert not outcome.started
        assert outcome.exit_code == 7
        assert "no such table: deliveries" in outcome.log
        assert outcome.seconds < 15, "it did not wait until the ready timeout"
        assert not tested.gateway.running
        assert "no such table: deliveries" in tested.gateway.logs()

    def test_after_a_failed_start_another_release_can_be_deployed(self, tested: GatewayUnderTest) -> None:
        tested.gateway.configure({"MODE": "dies"})
        assert not tested.gateway.deploy("2").started
        tested.gateway.configure({"MODE": None})
        assert tested.gateway.deploy("1").started
        assert tested.ask()["release"] == "1"

    def test_any_status_is_a_start(self, tested: GatewayUnderTest) -> None:
        tested.gateway.configure({"STATUS": "503"})
        assert tested.gateway.deploy("2").started

    def test_a_redirect_is_an_answer_and_is_not_followed(self, tested: GatewayUnderTest) -> None:
        tested.gateway.configure({"MODE": "redirects"})
        assert tested.gateway.deploy("2").started

    def test_a_gateway_that_is_never_ready_is_ended(
        self, tested: GatewayUnderTest, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_gateway_settings(target, monkeypatch, ready_timeout=1.0)
        tested.gateway.configure({"MODE": "never-ready"})
        outcome = tested.gateway.deploy("2")
        assert not outcome.started
        assert not tested.gateway.running
        assert outcome.exit_code is None, "the runtime ended it"
        assert "waiting for nothing" in outcome.log

    def test_stopping_a_gateway_that_ignores_sigterm_is_bounded(self, tested: GatewayUnderTest) -> None:
        tested.gateway.configure({"MODE": "stubborn"})
        tested.gateway.deploy("2")
        began = time.monotonic()
        tested.gateway.stop()
        assert time.monotonic() - began < 10
        assert not tested.gateway.running
        with pytest.raises(OSError, match="refused"):
            tested.ask()

    def test_a_kill_is_noticed(self, tested: GatewayUnderTest) -> None:
        tested.gateway.deploy("2")
        tested.gateway.kill()
        assert not tested.gateway.running
        assert tested.gateway.restart().started

    def test_a_removed_gateway_can_be_deployed_again(self, tested: GatewayUnderTest) -> None:
        tested.gateway.deploy("2")
        tested.gateway.remove()
        assert not tested.gateway.running
        with pytest.raises(OSError, match="refused"):
            tested.ask()
        assert tested.gateway.deploy("1").started
        assert tested.ask()["release"] == "1"

    def test_the_log_goes_back_to_the_creation(self, tested: GatewayUnderTest) -> None:
        tested.gateway.deploy("2")
        tested.gateway.restart()
        assert tested.gateway.logs().count("start 2") == 2
        tested.gateway.recreate()
        assert tested.gateway.logs().count("start 2") == 1

    @pytest.mark.parametrize(
        ("variables", "code"), [({}, 0), ({"CODE": "3"}, 3), ({"MODE": "stubborn"}, -9)], ids=["0", "3", "killed"]
    )
    def test_a_stop_is_recorded_with_its_exit_code_and_the_log(
        self, tested: GatewayUnderTest, variables: dict[str, str], code: int
    ) -> None:
        gateway = tested.gateway
        before = len(gateway.stops)
        gateway.configure(variables)
        gateway.deploy("2")
        gateway.stop()
        gateway.stop()  # nothing runs any more, so this does not count
        (stop,) = gateway.stops[before:]
        assert (stop.release, stop.exit_code) == ("2", code)
        assert "start 2" in stop.log
        gateway.deploy("1")
        gateway.kill()
        assert len(gateway.stops) == before + 1
        gateway.configure(dict.fromkeys(variables))

    def test_a_release_that_does_not_exist_leaves_the_old_one_running(self, tested: GatewayUnderTest) -> None:
        tested.gateway.deploy("2")
        with pytest.raises(StackError, match="release 9 cannot be obtained"):
            tested.gateway.deploy("9")
        assert tested.gateway.running
        assert tested.ask()["release"] == "2"

    def test_a_gateway_that_cannot_migrate_refuses_to(
        self, tested: GatewayUnderTest, target: Target, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_gateway_settings(target, monkeypatch, migrate_on_start=None)
        with pytest.raises(StackError, match="migrate_on_start"):
            tested.gateway.deploy("2", migrate=True)

    def test_another_programs_answer_on_the_port_is_no_start(self, tested: GatewayUnderTest) -> None:
        """A program that took the port while the gateway was down would answer in its place."""
        tested.gateway.deploy("2")
        tested.gateway.stop()
        with socket.create_server(("127.0.0.1", tested.port)):
            for begin in (tested.gateway.restart, tested.gateway.recreate):
                with pytest.raises(StackError, match=f"another program listens on port {tested.port}"):
                    begin()
            assert not tested.gateway.running
        assert tested.gateway.restart().started


class StopSignalContract:
    """For runtimes whose gateway takes its stop signal from the target file, and not, say, from a compose file."""

    def test_it_stops_by_the_signal_that_the_target_names(
        self, target: Target, tested: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        change_gateway_settings(target, monkeypatch, stop_signal="SIGUSR1")
        tested.gateway.configure({"MODE": "stubborn"})
        tested.gateway.deploy("2")
        tested.gateway.stop()
        assert "asked to end by SIGUSR1" in tested.gateway.logs()

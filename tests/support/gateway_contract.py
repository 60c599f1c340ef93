"""What every runtime's gateway does alike: one table of cases, which each runtime's tests take over as a class.

A runtime joins with a class derived from `GatewayContract` and a fixture `make` of class scope, which gives a function
from a `Bench` to a gateway; the cases stay as they are. The gateway under test is one file of standard-library Python
that answers with its own environment.
"""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.runtimes.protocols import Gateway
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.system_tables import GatewaySettings as GatewayTable
from rollback_drills.target.system_tables import Releases
from rollback_drills.target.target import Target

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"
APPLICATION = """
import http.server, json, os, signal, sys, time
RELEASE, STARTED, CODE = {release!r}, time.time_ns(), int(os.environ.get("CODE", "0"))
if os.environ.get("MODE") == "dies":
    print("no such table: deliveries", flush=True)
    sys.exit(7)
# The first process of a container ignores SIGTERM unless it says what to do.
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
        # Without HTTPServer's look-up of the host's name, which waits for a name server where there is none.
        self.socket.setsockopt(1, 2, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "gateway", self.server_address[1]
print("start", RELEASE, os.getpid(), flush=True)
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
"""
URLS = ["postgresql://u:p@127.0.0.1:1/first", "postgresql://u:p@127.0.0.1:1/second"]


class Bench:
    """A gateway, the address of its database, and what the gateway itself says about how it was started."""

    def __init__(self, make: Make) -> None:
        self.url = URLS[0]
        self.gateway = make(self)

    def seen(self) -> dict[str, Any]:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(self.gateway.base_url + "/", timeout=10) as answer:
            return json.loads(answer.read())

    def database(self) -> str:
        """The name of the database that the gateway was given; the server is named as it is seen from there."""
        return str(self.seen()["env"]["DATABASE_URL"]).rpartition("/")[2]


Make = Callable[[Bench], Gateway]


def contract_target(root: Path) -> Target:
    """A target with the releases 1 and 2 below ``root``, as trees and as the files of an image."""
    for release in ("1", "2"):
        (root / "releases" / release).mkdir(parents=True)
        (root / "releases" / release / "app.py").write_text(APPLICATION.format(release=release))
    target = Target.load(REFERENCE, {}).model_copy(
        update={
            "current": "2", "previous": "1", "releases": Releases(path="releases/{release}"),
            "gateway": GatewayTable(
                start=("{python}", "-S", "app.py", "127.0.0.1", "{port}", "{release}"),
                container_command=("{python}", "-S", "app.py", "0.0.0.0", "{port}", "{release}"),
                env={"DATABASE_URL": "{database_url}", "FIXED": "yes", "OVERRIDDEN": "no"},
                migrate_on_start={"MIGRATE": "true"}, ready_timeout=20.0, stop_timeout=0.3, request_timeout=5.0,
            ),
        }
    )  # fmt: skip
    target._file = root / "target.toml"
    return target


class GatewayContract:
    """The cases."""

    @pytest.fixture(scope="class")
    @classmethod
    def target(cls, tmp_path_factory: pytest.TempPathFactory) -> Target:
        return contract_target(tmp_path_factory.mktemp("gateway-contract"))

    @pytest.fixture(scope="class")
    @classmethod
    def workspace(cls) -> Iterator[Workspace]:
        workspace = Workspace(f"contract-{os.getpid()}-{time.monotonic_ns()}", cls.__name__)
        yield workspace
        workspace.close()

    @pytest.fixture
    def bench(self, make: Make) -> Iterator[Bench]:
        bench = Bench(make)
        yield bench
        bench.gateway.kill()
        bench.gateway.remove()

    def test_nothing_runs_before_a_deployment(self, bench: Bench):
        assert (bench.gateway.running, bench.gateway.release, dict(bench.gateway.environment)) == (False, None, {})
        assert bench.gateway.logs() == ""
        bench.gateway.stop()
        bench.gateway.kill()
        for ask in (bench.gateway.restart, bench.gateway.recreate):
            with pytest.raises(StackError, match="no release has been deployed"):
                ask()

    def test_a_deployment_serves_the_release_with_a_clean_environment(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ):
        for name in ("PGHOST", "POSTGRES_PASSWORD", "COMPOSE_FILE", "PYTHONPATH", "DATABASE_URL"):
            monkeypatch.setenv(name, "the caller's")
        outcome = bench.gateway.deploy("2")
        assert (outcome.started, outcome.exit_code, outcome.log) == (True, None, "")
        assert (bench.gateway.running, bench.gateway.release) == (True, "2")
        seen = bench.seen()
        assert seen["release"] == "2"
        assert bench.database() == "first"
        assert "the caller's" not in seen["env"].values()
        assert dict(bench.gateway.environment).items() <= seen["env"].items()

    def test_a_restart_keeps_the_environment_and_a_recreation_reads_it_anew(self, bench: Bench):
        gateway = bench.gateway
        gateway.configure({"FLAG": "on", "OVERRIDDEN": "yes"})
        gateway.deploy("2")
        first = bench.seen()
        gateway.configure({"FLAG": "off", "OVERRIDDEN": None, "LATER": "1"})
        bench.url = URLS[1]
        assert bench.seen()["env"]["FLAG"] == "on", "a process that runs does not notice"
        assert gateway.environment["FLAG"] == "on"

        assert gateway.restart().started
        again = bench.seen()
        assert again["started"] != first["started"]
        assert again["env"] == first["env"]
        assert again["argv"] == first["argv"]
        assert gateway.environment["FLAG"] == "on"

        assert gateway.recreate().started
        anew = bench.seen()["env"]
        assert (anew["FLAG"], anew["OVERRIDDEN"], anew["LATER"], bench.database()) == ("off", "no", "1", "second")
        assert gateway.environment["FLAG"] == "off"

    def test_a_recreation_repeats_the_way_of_deployment(self, bench: Bench):
        bench.gateway.deploy("1", migrate=True)
        assert bench.gateway.recreate().started
        seen = bench.seen()
        assert (seen["release"], seen["env"]["MIGRATE"]) == ("1", "true")
        bench.gateway.deploy("1")
        assert "MIGRATE" not in bench.seen()["env"]

    def test_another_release_answers_at_the_same_address(self, bench: Bench):
        address = bench.gateway.base_url
        for release in ("2", "1", "2"):
            assert bench.gateway.deploy(release).started
            assert bench.seen()["release"] == release
            assert bench.gateway.base_url == address
        bench.gateway.stop()
        assert bench.gateway.restart().started
        assert bench.gateway.base_url == address

    @pytest.mark.parametrize("begin", ["deploy", "restart", "recreate"])
    def test_a_gateway_that_dies_at_its_start_fails_at_once(self, bench: Bench, begin: str):
        bench.gateway.configure({"MODE": "dies"})
        outcome = bench.gateway.deploy("2")
        if begin != "deploy":
            outcome = getattr(bench.gateway, begin)()
        assert not outcome.started
        assert outcome.exit_code == 7
        assert "no such table: deliveries" in outcome.log
        assert outcome.seconds < 15, "not after the whole time in which it has to be ready"
        assert not bench.gateway.running
        assert "no such table: deliveries" in bench.gateway.logs()

    def test_after_a_failed_start_another_release_can_be_deployed(self, bench: Bench):
        bench.gateway.configure({"MODE": "dies"})
        assert not bench.gateway.deploy("2").started
        bench.gateway.configure({"MODE": None})
        assert bench.gateway.deploy("1").started
        assert bench.seen()["release"] == "1"

    def test_any_answer_is_a_start(self, bench: Bench):
        bench.gateway.configure({"STATUS": "503"})
        assert bench.gateway.deploy("2").started

    def test_a_redirect_is_an_answer_and_leads_nowhere(self, bench: Bench):
        bench.gateway.configure({"MODE": "redirects"})
        assert bench.gateway.deploy("2").started

    def test_a_gateway_that_is_never_ready_is_given_up(self, bench: Bench, target: Target, monkeypatch: Any):
        monkeypatch.setattr(target.gateway.__class__, "__getattribute__", _shorter(1.0))
        bench.gateway.configure({"MODE": "never-ready"})
        outcome = bench.gateway.deploy("2")
        assert not outcome.started
        assert not bench.gateway.running
        assert outcome.exit_code is None, "it was ended by us"
        assert "waiting for nothing" in outcome.log

    def test_stopping_one_that_ignores_sigterm_is_bounded(self, bench: Bench):
        bench.gateway.configure({"MODE": "stubborn"})
        bench.gateway.deploy("2")
        began = time.monotonic()
        bench.gateway.stop()
        assert time.monotonic() - began < 10
        assert not bench.gateway.running
        with pytest.raises(OSError, match="refused"):
            bench.seen()

    def test_a_kill_is_noticed(self, bench: Bench):
        bench.gateway.deploy("2")
        bench.gateway.kill()
        assert not bench.gateway.running
        assert bench.gateway.restart().started

    def test_removed_it_can_be_deployed_again(self, bench: Bench):
        bench.gateway.deploy("2")
        bench.gateway.remove()
        assert not bench.gateway.running
        with pytest.raises(OSError, match="refused"):
            bench.seen()
        assert bench.gateway.deploy("1").started
        assert bench.seen()["release"] == "1"

    def test_the_log_goes_back_to_the_creation(self, bench: Bench):
        bench.gateway.deploy("2")
        bench.gateway.restart()
        assert bench.gateway.logs().count("start 2") == 2
        bench.gateway.recreate()
        assert bench.gateway.logs().count("start 2") == 1

    @pytest.mark.parametrize(
        ("variables", "code"), [({}, 0), ({"CODE": "3"}, 3), ({"MODE": "stubborn"}, -9)], ids=["0", "3", "killed"]
    )
    def test_a_stop_is_told_with_its_exit_code_and_the_log(self, bench: Bench, variables: dict[str, str], code: int):
        before = len(bench.gateway.stops)
        bench.gateway.configure(variables)
        bench.gateway.deploy("2")
        bench.gateway.stop()
        bench.gateway.stop()  # nothing runs any more: that is no stop
        (stop,) = bench.gateway.stops[before:]
        assert (stop.release, stop.exit_code) == ("2", code)
        assert "start 2" in stop.log
        bench.gateway.deploy("1")
        bench.gateway.kill()
        assert len(bench.gateway.stops) == before + 1
        bench.gateway.configure(dict.fromkeys(variables))

    def test_a_release_that_does_not_exist_leaves_the_old_one_running(self, bench: Bench):
        bench.gateway.deploy("2")
        with pytest.raises(StackError, match="release 9 cannot be obtained"):
            bench.gateway.deploy("9")
        assert bench.gateway.running
        assert bench.seen()["release"] == "2"

    def test_what_cannot_migrate_says_so(self, bench: Bench, target: Target, monkeypatch: pytest.MonkeyPatch):
        table = target.gateway.model_copy(update={"migrate_on_start": None})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        with pytest.raises(StackError, match="migrate_on_start"):
            bench.gateway.deploy("2", migrate=True)

    def test_somebody_elses_answer_on_the_port_is_no_start(self, bench: Bench):
        """Whoever has taken the port while the gateway was down would answer in its place."""
        bench.gateway.deploy("2")
        bench.gateway.stop()
        port = int(bench.gateway.base_url.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):
            for begin in (bench.gateway.restart, bench.gateway.recreate):
                with pytest.raises(StackError, match=f"another program listens on port {port}"):
                    begin()
            assert not bench.gateway.running
        assert bench.gateway.restart().started


def _shorter(seconds: float) -> Callable[[object, str], Any]:
    def read(table: object, name: str) -> Any:
        return seconds if name == "ready_timeout" else object.__getattribute__(table, name)

    return read


class StopSignal:
    """For runtimes whose target file, and no other file, says by which signal the gateway stops."""

    def test_it_stops_by_the_signal_that_the_target_names(
        self, target: Target, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ):
        table = target.gateway.model_copy(update={"stop_signal": "SIGUSR1"})
        monkeypatch.setitem(target.__dict__, "gateway", table)
        bench.gateway.configure({"MODE": "stubborn"})
        bench.gateway.deploy("2")
        bench.gateway.stop()
        assert "asked to end by SIGUSR1" in bench.gateway.logs()

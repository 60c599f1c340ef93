"""The reference gateway behaves as its drills assume: tests of the material under drill, without Docker."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.runtimes.embedded.postgres import find_bin_dir

SOURCE = Path(__file__).resolve().parents[2] / "fixtures" / "gateway"
HEADS = {"0.4.0": "0006_delivery_volume", "0.5.0": "0012_delivery_volume_by_status"}
NEW_INTEGRATIONS = ["heroku", "codecov", "sonarqube", "newrelic", "prometheus", "cloudwatch"]


def load(name: str, path: Path) -> ModuleType:
    """Import a file under a name of its own, so that no second package called `gateway` gets in the way."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


assembly = load("reference_gateway_assemble", SOURCE / "assemble.py")
environment = load("reference_gateway_environment", SOURCE / "gateway" / "environment.py")


def poll(condition: Callable[[], Any], *, seconds: float, what: str) -> Any:
    """Return the first true value of a condition; fail with its name when the time is over."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() >= deadline:
            pytest.fail(f"{what} did not happen within {seconds:g} s")
        pause.wait(0.02)
    return value


# --- PostgreSQL ---------------------------------------------------------------------------------------------------


def binary(name: str) -> str:
    """Return the path of a PostgreSQL program."""
    return str(find_bin_dir(None) / name)


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run statements in a connection of their own; return the rows of a single query."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop every process of the server with SIGSTOP, as a machine does that has hung."""
    postmaster = int(sql(url, "SELECT pg_read_file('postmaster.pid', 0, 20)")[0][0].split()[0])
    pids = [postmaster, *(row[0] for row in sql(url, "SELECT pid FROM pg_stat_activity"))]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the connection that asked is gone already
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


# --- Releases and gateways ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Assemble both releases."""
    base = tmp_path_factory.mktemp("releases")
    return {release: assembly.assemble(release, base / release) for release in HEADS}


def environ(url: str | None, **more: str) -> dict[str, str]:
    """Give a child process nothing of the test's own environment."""
    given = {} if url is None else {"DATABASE_URL": url}
    return {"PATH": os.environ["PATH"], **given, **more}


def alembic(tree: Path, url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic in a release's tree."""
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=tree, env=environ(url, **more), capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def _schemas() -> dict[str, str]:
    """Remember the dump of each release's schema, which loads faster than its migrations run."""
    return {}


@pytest.fixture
def migrated(database_url: str, trees: dict[str, Path], _schemas: dict[str, str]) -> Callable[[str], str]:
    """Bring the test's database to the head of a release; returns its URL."""

    def migrate(release: str) -> str:
        if release in _schemas:
            subprocess.run(
                [binary("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "-f", "-", database_url],
                input=_schemas[release], text=True, check=True, capture_output=True,
            )  # fmt: skip
        else:
            result = alembic(trees[release], database_url, "upgrade", "head")
            assert result.returncode == 0, result.stderr
            _schemas[release] = dump(database_url)
        return database_url

    return migrate


def dump(url: str, *options: str) -> str:
    return subprocess.run(
        [binary("pg_dump"), *options, url], check=True, capture_output=True, text=True, timeout=30
    ).stdout


@dataclass
class Gateway:
    """A gateway process, stopped at the end of the block in which it was started."""

    tree: Path
    url: str | None
    variables: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> Gateway:
        self.log = tempfile.TemporaryFile("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "--port", "0"],
            cwd=self.tree, env=environ(self.url, **self.variables), stdout=self.log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.http = httpx.Client(timeout=10)
        self.http.base_url = poll(self._address, seconds=20, what="the gateway's start")
        return self

    def _address(self) -> str | None:
        if self.process.poll() is not None:
            pytest.fail(f"the gateway ended with {self.process.returncode}: {self.output()}")
        found = re.search(r"running on (http://[\d.:]+)", self.output())
        return found[1] if found else None

    def output(self) -> str:
        return os.pread(self.log.fileno(), 10_000_000, 0).decode()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output().splitlines()]

    def post(self, integration: str, delivery_id: str = "d-1", **body: Any) -> httpx.Response:
        return self.http.post(f"/webhooks/{integration}", json={"delivery_id": delivery_id, **body})

    def health(self) -> tuple[int, Any]:
        response = self.http.get("/health")
        return response.status_code, response.json()["database"]["revision"]

    def metric(self, series: str) -> float:
        found = re.search(f"^{re.escape(series)} (.*)$", self.http.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def stop(self) -> float:
        """Send SIGTERM; return the seconds that the end took."""
        before = time.monotonic()
        self.process.terminate()
        self.process.wait(10)
        return time.monotonic() - before

    def __exit__(self, *_: object) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.stop()
        self.log.close()
        assert self.process.returncode == 0


def unreachable() -> str:
    """Give the URL of a database that refuses connections; its password must show up nowhere."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://gateway:s3cr3t@127.0.0.1:{probe.getsockname()[1]}/gateway"


# --- Assembly -------------------------------------------------------------------------------------------------------


def test_a_release_contains_what_belongs_to_it_and_nothing_else(trees: dict[str, Path]) -> None:
    names = {r: list(runpy.run_path(str(t / "gateway/integrations.py"))["INTEGRATIONS"]) for r, t in trees.items()}
    assert len(names["0.4.0"]) == 15
    assert names["0.5.0"] == names["0.4.0"] + NEW_INTEGRATIONS
    scripts = {r: sorted(path.stem for path in (t / "migrations/versions").iterdir()) for r, t in trees.items()}
    assert len(scripts["0.4.0"]) == 6
    assert len(scripts["0.5.0"]) == 12
    for release, tree in trees.items():
        label = runpy.run_path(str(tree / "gateway/_release.py"))
        assert (label["RELEASE"], label["EXPECTED_REVISION"]) == (release, HEADS[release])
        assert scripts[release][-1] == HEADS[release]
        for path in tree.rglob("*.py"):
            text = path.read_text("utf-8")
            assert not re.search(r"# \[(since|until|end)", text), path
            compile(text, str(path), "exec")
    assert "integration_names" not in (trees["0.5.0"] / "gateway/api.py").read_text()
    assert "status" not in (trees["0.4.0"] / "gateway/deliveries.py").read_text()


def test_the_source_itself_is_labelled_as_the_newest_release(trees: dict[str, Path]) -> None:
    assert (SOURCE / "gateway/_release.py").read_text() == (trees["0.5.0"] / "gateway/_release.py").read_text()
    assert assembly.RELEASES[-1] == "0.5.0"


def test_assembly_refuses_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for arguments, reason in [
        (["0.6.0", str(tmp_path / "new")], "there is no release '0.6.0'; known are 0.4.0, 0.5.0"),
        (["0.4.0", str(tmp_path / "used")], "exists and is not empty"),
        (["0.4.0", str(tmp_path / "used" / "file")], "exists and is not a directory"),
        (["0.4.0"], "usage:"),
    ]:
        result = subprocess.run([sys.executable, SOURCE / "assemble.py", *arguments], capture_output=True, text=True)
        assert result.returncode == 2
        assert reason in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("# [since 0.5.0]\npass\n", "never ended"),
        ("pass\n# [end]\n", "does not match"),
        ("# [since 0.5.0]\n# [until 0.5.0]\n# [end]\n", "does not match"),
    ],
)
def test_assembly_refuses_marks_that_do_not_match(tmp_path: Path, text: str, reason: str) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    (source / "gateway" / "extra.py").write_text(text)
    with pytest.raises(assembly.AssemblyError, match=reason):
        assembly.assemble("0.4.0", tmp_path / "tree", source=source)
    assert not (tmp_path / "tree").exists()


def test_assembly_refuses_migrations_without_one_head(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(SOURCE, source)
    script = source / "migrations/versions/0004_delivery_checks.py"
    script.write_text(script.read_text().replace('since = "0.4.0"', 'since = "0.5.0"'))
    with pytest.raises(assembly.AssemblyError, match="build on 0004_delivery_checks, which this release does not"):
        assembly.assemble("0.4.0", tmp_path / "tree", source=source)
    script.write_text(script.read_text().replace('"0003_comments_and_lookup"', '"0002_outbox"'))
    with pytest.raises(assembly.AssemblyError, match=r"2 heads \(0003_comments_and_lookup, 0012_delivery"):
        assembly.assemble("0.5.0", tmp_path / "tree", source=source)


# --- Settings -------------------------------------------------------------------------------------------------------


@given(st.sampled_from([*environment.TRUE, *environment.FALSE]), st.data())
def test_switches_are_understood_in_any_case(word: str, data: st.DataObject) -> None:
    spelt = "".join(letter.upper() if data.draw(st.booleans()) else letter for letter in word)
    padding = data.draw(st.text(" \t", max_size=2))
    assert environment.boolean("FLAG", padding + spelt + padding) is (word in environment.TRUE)


@given(st.one_of(st.text(), st.sampled_from(["", "tru", "2", "-1", "none", "enabled", "yes!", "0.0", "\uff54rue"])))
def test_nothing_else_is_taken_for_a_switch(text: str) -> None:
    if text.strip().lower() in environment.TRUE + environment.FALSE:
        return
    with pytest.raises(environment.ConfigurationError) as caught:
        environment.boolean("FLAG", text)
    message = str(caught.value)
    assert "FLAG" in message
    assert repr(text) in message
    assert "true, 1, on, yes, false, 0, off, no" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_database_urls_become_what_libpq_understands(scheme: str) -> None:
    url = environment.database_url({"DATABASE_URL": f"{scheme}://u:p%40@h:5433/d?sslmode=prefer"})
    assert url == "postgresql://u:p%40@h:5433/d?sslmode=prefer"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://u:s3cr3t@h/d"}, "postgresql://, postgres://, postgresql+psycopg://"),
        ({"DATABASE_URL": "postgresql://u:s3cr3t@x@h:port/d"}, "not a valid connection URL"),
        ({"INTEGRATIONS_JIRA_ENABLED": "maybe"}, "INTEGRATIONS_JIRA_ENABLED='maybe'"),
        ({"INTEGRATIONS_GITHUB_ACTIONS_ENABLED": ""}, "INTEGRATIONS_GITHUB_ACTIONS_ENABLED=''"),
        ({"MIGRATE_ON_START": "perhaps"}, "MIGRATE_ON_START='perhaps'"),
        ({"LOG_LEVEL": "loud"}, "debug, info, warning, error"),
        ({"DATABASE_POOL_SIZE": "0"}, "between 1 and 50"),
        ({"DATABASE_TIMEOUT": "nan"}, "between 0.1 and 60"),
    ],
)
def test_a_setting_that_is_not_understood_stops_the_start(
    trees: dict[str, Path], variables: dict[str, str], says: str
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "gateway", "--port", "0"],
        cwd=trees["0.5.0"], env={**environ(unreachable()), **variables}, capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "s3cr3t" not in result.stderr + result.stdout


def test_every_flag_reaches_the_container(trees: dict[str, Path]) -> None:
    names = runpy.run_path(str(trees["0.5.0"] / "gateway/integrations.py"))["INTEGRATIONS"]
    flags = {f"INTEGRATIONS_{name.upper()}_ENABLED" for name in names}
    for path, pattern in [
        (SOURCE / "compose.yaml", r"^ +- (INTEGRATIONS_\w+)$"),
        (SOURCE / ".env.example", r"^#(INTEGRATIONS_\w+)=true$"),
    ]:
        listed = re.findall(pattern, path.read_text(), re.MULTILINE)
        assert len(listed) == 21
        assert set(listed) == flags


def test_the_runbook_covers_every_section() -> None:
    text = (SOURCE / "ROLLBACK.md").read_text()
    sections = ["Quick rollback", "Scenarios", "Recovery checklist", "Prevention"]
    assert re.findall("^## (.*)$", text, re.MULTILINE) == sections
    assert len(re.findall(r"^### (?:\d\. |Scenario [ABC]: )", text, re.MULTILINE)) == 6
    assert text.count("- [ ] ") == 10
    for revision in HEADS.values():
        assert revision in text


# --- Serving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", HEADS)
def test_a_release_serves_what_it_knows(release: str, trees: dict[str, Path], migrated: Callable[[str], str]) -> None:
    with Gateway(trees[release], migrated(release)) as gateway:
        assert gateway.http.get("/version").json() == {"version": release}
        health = gateway.http.get("/health")
        assert health.status_code == 200
        database = {"reachable": True, "revision": HEADS[release], "expected_revision": HEADS[release]}
        assert health.json() == {"status": "ok", "release": release, "database": database}
        assert gateway.http.get("/ready").json() == {"status": "ready", "database": {"reachable": True}}
        listed = gateway.http.get("/integrations").json()
        if release == "0.5.0":
            assert all(entry["enabled"] is True for entry in listed["integrations"])
            names = [entry["name"] for entry in listed["integrations"]]
        else:
            names = listed
        assert len(names) == (21 if release == "0.5.0" else 15)
        for name in names:
            assert gateway.post(name, f"id of {name}").status_code == 202
        for name in [*NEW_INTEGRATIONS, "gitea"]:
            assert gateway.post(name, f"more of {name}").status_code == (202 if name in names else 404)
        stored = gateway.http.get("/deliveries/id of jira").json()
        newer = {"status", "payload_sha256"} if release == "0.5.0" else set()
        assert set(stored) == {"delivery_id", "integration", "received_at"} | newer
        seconds = gateway.stop()
    assert seconds < 1


def test_the_label_does_not_decide_how_a_tree_behaves(
    tmp_path: Path, trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    tree = shutil.copytree(trees["0.5.0"], tmp_path / "mislabelled")
    label = tree / "gateway/_release.py"
    label.write_text(label.read_text().replace('RELEASE = "0.5.0"', 'RELEASE = "0.4.0"'))
    with Gateway(tree, migrated("0.5.0")) as gateway:
        assert gateway.http.get("/version").json() == {"version": "0.4.0"}
        assert len(gateway.http.get("/integrations").json()["integrations"]) == 21
        assert gateway.post("heroku").status_code == 202


def test_webhooks_are_stored_once_before_they_are_acknowledged(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")
    with Gateway(trees["0.5.0"], url, {"LOG_LEVEL": "debug"}) as gateway:
        first = gateway.post("github", "ü-🚀", text="Größe")
        assert (first.status_code, first.json()) == (202, {"status": "accepted", "delivery_id": "ü-🚀"})
        again = gateway.post("github", "ü-🚀", text="another body")
        assert (again.status_code, again.json()) == (200, {"status": "duplicate", "delivery_id": "ü-🚀"})
        assert sql(url, "SELECT payload->>'text', status::text FROM deliveries") == [("Größe", "received")]
        assert sql(url, "SELECT count(*) FROM outbox") == [(1,)]

        by_header = gateway.http.post(
            "/webhooks/jira", headers={"X-Delivery-Id": "h-1"}, content=b'{"n": 12345678901234567890.125}'
        )
        assert by_header.json() == {"status": "accepted", "delivery_id": "h-1"}
        assert sql(url, "SELECT payload->>'n' FROM deliveries WHERE delivery_id = 'h-1'") == [
            ("12345678901234567890.125",)
        ]

        def refusal(content: bytes | str) -> tuple[int, str]:
            response = gateway.http.post("/webhooks/jira", content=content)
            return response.status_code, response.json()["detail"]

        assert refusal(b"{") == (400, "the body is not valid JSON")
        assert refusal(b"\xff") == (400, "the body is not valid JSON")
        assert refusal('{"delivery_id": "x", "n": NaN}') == (400, "the body is not valid JSON")
        assert refusal("[" * 100_000) == (400, "the body is not valid JSON")
        assert refusal("[]") == (422, "the body is not a JSON object")
        assert refusal("{}") == (422, "delivery_id is missing")
        assert refusal('{"delivery_id": 5}') == (422, "delivery_id is not a string of 1 to 200 characters")
        assert refusal('{"delivery_id": ""}') == (422, "delivery_id is not a string of 1 to 200 characters")
        assert refusal('{"delivery_id": "\\ud800"}') == (
            422,
            "delivery_id holds a character that cannot be printed",
        )
        assert refusal('{"delivery_id": "x", "t": "\\u0000"}') == (422, "the body cannot be stored")
        assert refusal(b'{"delivery_id": "' + b"x" * 1024 * 1024)[0] == 413
        assert sql(url, "SELECT count(*) FROM deliveries") == [(2,)]

        answer = gateway.http.get("/webhooks/github")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        answer = gateway.post("gitea")
        assert (answer.status_code, answer.json()) == (404, {"detail": "unknown integration"})
        assert gateway.http.get("/deliveries/none").json() == {"detail": "unknown delivery"}

        webhooks = 'gateway_webhooks_total{integration="%s",outcome="%s"}'
        assert gateway.metric(webhooks % ("github", "accepted")) == 1
        assert gateway.metric(webhooks % ("github", "duplicate")) == 1
        assert gateway.metric(webhooks % ("jira", "rejected")) == 11
        route = 'route="/webhooks/{integration}",status="202"'
        assert gateway.metric(f'http_requests_total{{method="POST",{route}}}') == 2
        logged = [line for line in gateway.lines() if line["message"] == "request"]
        stored = [line for line in logged if line.get("outcome") in ("accepted", "duplicate")]
        assert [(line["delivery_id"], line["status"]) for line in stored] == [
            ("ü-🚀", 202),
            ("ü-🚀", 200),
            ("h-1", 202),
        ]


def test_flags_work_without_the_database_and_errors_are_told_apart(trees: dict[str, Path]) -> None:
    flags = {
        "INTEGRATIONS_GITHUB_ACTIONS_ENABLED": "OFF",
        "INTEGRATIONS_JIRA_ENABLED": "Yes",
        "INTEGRATIONS_GITEA_ENABLED": "nonsense",
    }
    with Gateway(trees["0.5.0"], unreachable(), flags) as gateway:
        off = gateway.post("github_actions")
        assert (off.status_code, off.text) == (503, '{"detail":"integration disabled"}')
        assert gateway.http.post("/webhooks/github_actions", content=b"not JSON").text == off.text
        for name in ("jira", "github"):
            broken = gateway.post(name)
            assert (broken.status_code, broken.text) == (503, '{"detail":"database unavailable"}')
        health = gateway.http.get("/health")
        assert health.status_code == 503
        assert health.json()["database"] == {
            "reachable": False, "revision": None, "expected_revision": HEADS["0.5.0"]
        }  # fmt: skip
        assert gateway.http.get("/ready").status_code == 503
        assert gateway.http.get("/version").status_code == 200
        listed = gateway.http.get("/integrations").json()["integrations"]
        assert [entry["name"] for entry in listed if not entry["enabled"]] == ["github_actions"]
        webhooks = 'gateway_webhooks_total{integration="%s",outcome="%s"}'
        assert gateway.metric(webhooks % ("github_actions", "disabled")) == 2
        assert gateway.metric(webhooks % ("github_actions", "error")) == 0
        assert gateway.metric(webhooks % ("jira", "error")) == 1
        assert gateway.metric('gateway_integration_enabled{integration="github_actions"}') == 0
        warnings = [line for line in gateway.lines() if line["level"] == "warning"]
        assert [line["variable"] for line in warnings] == ["INTEGRATIONS_GITEA_ENABLED"]
        assert "s3cr3t" not in gateway.output()


def test_health_tells_the_truth_about_the_schema(trees: dict[str, Path], migrated: Callable[[str], str]) -> None:
    url = migrated("0.5.0")
    with Gateway(trees["0.5.0"], url) as gateway:
        assert gateway.health() == (200, HEADS["0.5.0"])
        sql(url, "DROP TABLE outbox")
        broken = gateway.post("github")
        assert (broken.status_code, broken.text) == (500, '{"detail":"internal error"}')
        assert sql(url, "SELECT count(*) FROM deliveries") == [(0,)]
        sql(url, "INSERT INTO alembic_version VALUES ('0001_deliveries')")
        assert gateway.health() == (503, f"0001_deliveries,{HEADS['0.5.0']}")
        sql(url, f"DELETE FROM alembic_version WHERE version_num = '{HEADS['0.5.0']}'")
        assert gateway.health() == (503, "0001_deliveries")
        sql(url, "DROP TABLE alembic_version")
        assert gateway.health() == (503, None)
        assert gateway.http.get("/ready").status_code == 200


def test_lost_connections_and_locks_do_not_reach_the_client_as_surprises(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.4.0")
    with Gateway(trees["0.4.0"], url, {"DATABASE_TIMEOUT": "0.5", "DATABASE_POOL_SIZE": "2"}) as gateway:
        assert gateway.post("github", "before").status_code == 202
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        for number in range(3):
            sql(url, f"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE {others}")
            assert gateway.post("github", f"after {number}").status_code == 202
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE deliveries")
            before = time.monotonic()
            blocked = gateway.post("github", "blocked")
            assert time.monotonic() - before < 1.5
            assert (blocked.status_code, blocked.json()) == (503, {"detail": "database unavailable"})
        assert gateway.post("github", "blocked").status_code in (200, 202)


def test_a_frozen_database_neither_hangs_health_nor_the_stop(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")
    with Gateway(trees["0.5.0"], url) as gateway:
        assert gateway.health()[0] == 200
        with frozen(url):
            for _ in range(2):  # with a connection that was open, then without one
                before = time.monotonic()
                assert gateway.health() == (503, None)
                assert time.monotonic() - before < 2.2
            unavailable = gateway.post("github")
            assert (unavailable.status_code, unavailable.text) == (503, '{"detail":"database unavailable"}')
        poll(lambda: gateway.health()[0] == 200, seconds=10, what="recovery")
        assert gateway.post("github").status_code in (200, 202)
        with frozen(url):
            with contextlib.suppress(httpx.TimeoutException):
                gateway.http.get("/health", timeout=0.2)  # leaves work under way
            assert gateway.stop() < 2


# --- Migrations -----------------------------------------------------------------------------------------------------


def test_migrating_on_start_and_two_replicas_at_once(trees: dict[str, Path], database_url: str) -> None:
    variables = {"MIGRATE_ON_START": "true"}
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    rival = subprocess.Popen(command, cwd=trees["0.5.0"], env=environ(database_url), stderr=subprocess.DEVNULL)
    with Gateway(trees["0.5.0"], database_url, variables) as gateway:
        assert gateway.health() == (200, HEADS["0.5.0"])
        assert gateway.post("cloudwatch").status_code == 202
    assert rival.wait(30) == 0


def test_a_start_up_migration_that_fails_ends_the_process(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")

    def start(release: str) -> tuple[int, str]:
        result = subprocess.run(
            [sys.executable, "-m", "gateway", "--port", "0"],
            cwd=trees[release], env=environ(url, MIGRATE_ON_START="1"), capture_output=True, text=True, timeout=30,
        )  # fmt: skip
        assert "running on" not in result.stdout
        last = json.loads(result.stdout.splitlines()[-1])
        assert last["message"] == "migration failed, the gateway does not start"
        return result.returncode, last["reason"]

    code, reason = start("0.4.0")  # the older release does not know where the newer one has brought the database
    assert code == 3
    assert "Can't locate revision identified by '0012_delivery_volume_by_status'" in reason
    sql(url, "UPDATE alembic_version SET version_num = '0006_delivery_volume'")
    code, reason = start("0.5.0")
    assert code == 3
    assert 'type "delivery_status" already exists' in reason
    assert sql(url, "SELECT version_num FROM alembic_version") == [("0006_delivery_volume",)]


def test_a_migration_gives_way_instead_of_queueing_and_can_be_repeated(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.4.0")
    patience = {"MIGRATION_LOCK_TIMEOUT": "0.1"}
    revision = "SELECT version_num FROM alembic_version"
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(*) FROM deliveries")
        result = alembic(trees["0.5.0"], url, "upgrade", "head", **patience)
        assert result.returncode == 1
        assert "lock timeout" in result.stderr
        assert sql(url, revision) == [(HEADS["0.4.0"],)]
    # A snapshot is in nobody's way but that of CREATE INDEX CONCURRENTLY, which leaves its index behind as invalid.
    with psycopg.connect(url) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT 1")
        assert alembic(trees["0.5.0"], url, "upgrade", "head", **patience).returncode == 1
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    assert sql(url, invalid) == [(1,)]
    assert sql(url, revision) == [("0009_channel_kind",)]
    assert alembic(trees["0.5.0"], url, "upgrade", "head").returncode == 0
    assert sql(url, invalid) == [(0,)]
    assert sql(url, revision) == [(HEADS["0.5.0"],)]


# Runs in one process of the release's tree: each argument is a command and a revision, or a file to dump to.
WALK = """
import subprocess, sys
from alembic import command
from alembic.config import Config
program, url, *steps = sys.argv[1:]
for step in steps:
    word, _, rest = step.partition(":")
    if word in ("schema", "data"):
        with open(rest, "wb") as out:
            subprocess.run([program, f"--{word}-only", url], stdout=out, check=True)
    else:
        getattr(command, word)(Config("alembic.ini"), rest)
"""


def walk(tree: Path, url: str, *steps: str) -> None:
    subprocess.run(
        [sys.executable, "-c", WALK, binary("pg_dump"), url, *steps],
        cwd=tree, env=environ(url), check=True, capture_output=True, timeout=90,
    )  # fmt: skip


def content(path: Path) -> list[str]:
    """Return a dump's lines without the random word that newer versions begin and end them with."""
    return [line for line in path.read_text().splitlines() if not re.match(r"\\(un)?restrict", line)]


def test_every_revision_can_be_left_without_a_trace(trees: dict[str, Path], database_url: str, tmp_path: Path) -> None:
    revisions = sorted(path.stem for path in (trees["0.5.0"] / "migrations/versions").glob("*.py"))
    up = [step for name in revisions for step in (f"upgrade:{name}", f"schema:{tmp_path}/up-{name}")]
    down = [step for name in reversed(revisions) for step in (f"downgrade:{name}", f"schema:{tmp_path}/down-{name}")]
    again = ["downgrade:base", f"schema:{tmp_path}/base", "upgrade:head", f"schema:{tmp_path}/again"]
    walk(trees["0.5.0"], database_url, *up, *down, *again)
    assert len(revisions) == 12
    for name in revisions:
        assert content(tmp_path / f"down-{name}") == content(tmp_path / f"up-{name}"), name
    assert content(tmp_path / "again") == content(tmp_path / f"up-{revisions[-1]}")
    assert re.findall(r"^CREATE (.*)", "\n".join(content(tmp_path / "base")), re.MULTILINE) == [
        "TABLE public.alembic_version ("
    ]


def test_a_downgrade_gives_every_value_of_the_older_release_back(
    trees: dict[str, Path], migrated: Callable[[str], str], tmp_path: Path
) -> None:
    url = migrated("0.4.0")
    with psycopg.connect(url) as connection:
        connection.execute((SOURCE / "seed-0.4.0.sql").read_text("utf-8"))
    kinds = {kind for (kind,) in sql(url, "SELECT DISTINCT split_part(address, ':', 1) FROM channels")}
    steps = [f"data:{tmp_path}/before", "upgrade:head", f"data:{tmp_path}/between"]
    walk(trees["0.5.0"], url, *steps, f"downgrade:{HEADS['0.4.0']}", f"data:{tmp_path}/after")
    before = sorted(content(tmp_path / "before"))
    assert len(before) > 500
    assert sorted(content(tmp_path / "after")) == before  # the physical order of updated rows may differ
    assert sorted(content(tmp_path / "between")) != before
    assert kinds == {"slack", "pagerduty", "file", "mail"}


def test_deliveries_of_the_newer_release_survive_under_a_live_older_one(
    trees: dict[str, Path], migrated: Callable[[str], str]
) -> None:
    url = migrated("0.5.0")
    with Gateway(trees["0.5.0"], url) as newer:
        names = [entry["name"] for entry in newer.http.get("/integrations").json()["integrations"]]
        assert {newer.post(name, f"new {name}").status_code for name in names} == {202}
    # The application alone is rolled back first; its connections are then older than the schema that they meet.
    with Gateway(trees["0.4.0"], url, {"DATABASE_POOL_SIZE": "1"}) as older:
        assert older.health() == (503, HEADS["0.5.0"])
        for number in range(8):  # more often than psycopg waits before it prepares a statement
            assert older.post("github", f"between {number}").status_code == 202
            assert older.http.get("/deliveries/between 0").status_code == 200
        result = alembic(trees["0.5.0"], url, "downgrade", HEADS["0.4.0"])
        assert result.returncode == 0, result.stderr
        assert older.health() == (200, HEADS["0.4.0"])
        assert older.post("github", "after").status_code == 202
        for name in names:
            found = older.http.get(f"/deliveries/new {name}").json()
            assert (found["delivery_id"], found["integration"]) == (f"new {name}", name)
        assert older.post("jira", "new jira").json()["status"] == "duplicate"
    assert sql(url, "SELECT count(*) FROM deliveries") == [(len(names) + 9,)]
    assert sql(url, "SELECT to_regtype('delivery_status')") == [(None,)]

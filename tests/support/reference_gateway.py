"""The reference gateway of `fixtures/gateway` as processes and databases, without anything of the suite around it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from types import ModuleType
from typing import Any

import httpx
import psycopg
import pytest

from rollback_drills.core.polling import poll_until

SOURCE = Path(__file__).resolve().parents[2] / "fixtures" / "gateway"
HEADS = {"0.4.0": "0006_delivery_volume", "0.5.0": "0012_delivery_volume_by_status"}
NEW_INTEGRATIONS = ["heroku", "codecov", "sonarqube", "newrelic", "prometheus", "cloudwatch"]


def load(name: str, path: Path) -> ModuleType:
    """Import a file under its own name, since a second package called `gateway` would be in the way."""
    spec = spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


assembly = load("reference_gateway_assemble", SOURCE / "assemble.py")
environment = load("reference_gateway_environment", SOURCE / "gateway" / "environment.py")


def sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement in a new connection; return its rows, if any."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def frozen(url: str) -> Iterator[None]:
    """Stop every process of the server with SIGSTOP, as on a machine that hangs."""
    postmaster = int(sql(url, "SELECT pg_read_file('postmaster.pid', 0, 20)")[0][0].split()[0])
    pids = [postmaster, *(row[0] for row in sql(url, "SELECT pid FROM pg_stat_activity"))]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # the connection that asked is closed already
            os.kill(pid, SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, SIGCONT)


def environ(url: str | None, **more: str) -> dict[str, str]:
    """An environment with nothing of the test's own."""
    given = {} if url is None else {"DATABASE_URL": url}
    return {"PATH": os.environ["PATH"], **given, **more}


def alembic(tree: Path, url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Alembic in a release's tree."""
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.run(command, cwd=tree, env=environ(url, **more), capture_output=True, text=True, timeout=60)


def start(tree: Path, url: str | None, **variables: str) -> subprocess.CompletedProcess[str]:
    """A start of the gateway that is expected to end by itself."""
    command = [sys.executable, "-m", "gateway", "--port", "0"]
    return subprocess.run(command, cwd=tree, env=environ(url, **variables), capture_output=True, text=True, timeout=30)


def unreachable() -> str:
    """The URL of a database that refuses connections; its password must not be shown anywhere."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"postgresql://gateway:s3cr3t@127.0.0.1:{probe.getsockname()[1]}/gateway"


@dataclass
class RunningGateway:
    """A gateway process, stopped at the end of the block in which it was started."""

    tree: Path
    url: str | None
    variables: dict[str, str] = field(default_factory=dict)

    def __enter__(self) -> RunningGateway:
        self.log = tempfile.TemporaryFile("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "--port", "0"],
            cwd=self.tree,
            env=environ(self.url, **self.variables),
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.http = httpx.Client(timeout=10)
        self.http.base_url = poll_until(self._address, what="the gateway's start", timeout=20)
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

"""The incident document in a real browser: it is laid out, complains about nothing and asks for nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import evidence_samples as samples
import pytest

from rollback_drills.report.write import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # nothing leaves this machine; what was asked for is in the log
)  # fmt: skip
TELLTALE = """<!doctype html><title>x</title>
<meta http-equiv="Content-Security-Policy" content="style-src 'none'"><p style="color: red">x</p>
<img src="http://telltale.invalid/x.png">"""

# In CI a missing browser is a failure: the gate installs one.
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="no Chromium on this machine")


@dataclass(frozen=True)
class Visit:
    """What the browser made of a page: its DOM, what it said on the console, what the page asked the network for."""

    dom: str
    console: list[str]
    requested: list[str]
    screenshot: bytes


def visit(page: Path, directory: Path) -> Visit:
    log, shot = directory / "net.json", directory / "page.png"
    command = [
        str(CHROMIUM), *FLAGS, f"--user-data-dir={directory / 'profile'}", f"--log-net-log={log}",
        "--dump-dom", f"--screenshot={shot}", "--window-size=500,2000", page.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Visit(done.stdout, console, requests_of_pages(log), shot.read_bytes())


def requests_of_pages(log: Path) -> list[str]:
    """The addresses that pages asked for; what the browser asks for itself has no origin as its initiator."""
    every = (event.get("params") for event in json.loads(log.read_text())["events"])
    begun = [params for params in every if isinstance(params, dict) and {"url", "initiator"} <= params.keys()]
    return sorted({params["url"] for params in begun if params["initiator"] != "not an origin"})


def test_page_in_a_browser(tmp_path: Path) -> None:
    write_report(samples.game_day(), tmp_path / "run")
    seen = visit(tmp_path / "run" / "incident.html", tmp_path)
    assert "Do not rely on this runbook" in seen.dom
    assert (seen.console, seen.requested) == ([], [])
    assert len(seen.screenshot) > 50_000  # styled and laid out, not a blank page


def test_the_browser_would_have_told(tmp_path: Path) -> None:
    page = tmp_path / "telltale.html"
    page.write_text(TELLTALE)
    seen = visit(page, tmp_path)
    assert seen.requested == ["http://telltale.invalid/x.png"]
    assert any("Content Security Policy" in line for line in seen.console)

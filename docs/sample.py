"""Makes reports/sample, the report of a game day for everyone to look at: ``make sample``.

It is a real run on the embedded runtime. It must reveal nothing about the machine on which it ran: its name, its users,
its paths. The evidence holds none of that by itself; here it is checked again, byte by byte.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rollback_drills.report.filing.manifest import verify

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "reports" / "sample"
PICTURE = ROOT / "docs" / "report.png"
WIDTH, HEIGHT = 1200, 900  # of the picture in README.md, in pixels
_SHORTEST = 5  # characters: a host called "web" would be found in every report


def main(arguments: list[str]) -> int:
    """Perform the drills and put their report in place; extra arguments go to pytest."""
    with tempfile.TemporaryDirectory(prefix="rollback-drills-sample-") as scratch:
        reports = Path(scratch) / "reports"
        code = perform(reports, arguments)
        if code != 0:
            print(f"sample: the drills ended with exit code {code}; reports/sample stays as it was", file=sys.stderr)
            return code
        run = (reports / "latest").resolve()
        problems = [*verify(run).changes, *revealed(run)]
        for problem in problems:
            print(f"sample: {problem}", file=sys.stderr)
        if problems:
            return 1
        shutil.rmtree(SAMPLE, ignore_errors=True)
        shutil.copytree(run, SAMPLE)
    photograph(SAMPLE / "incident.html", PICTURE)
    print(f"sample: {SAMPLE.relative_to(ROOT)}/incident.html", file=sys.stderr)
    return 0


def perform(reports: Path, arguments: list[str]) -> int:
    """A game day. The environment sets the report directory, so that the run's arguments do not contain it."""
    options = ["--drill-runtime=embedded", "-p", "no:cacheprovider", "-p", "no:html"]
    command = [sys.executable, "-m", "pytest", "drills", *options, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"}
    environment["PYTEST_ADDOPTS"] = f"-o drill_report_dir={os.path.relpath(reports, ROOT)}"
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def photograph(document: Path, picture: Path) -> None:
    """The first screen of a report, as the README shows it, by Debian's Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        print(f"sample: no Chromium on this machine; {picture.relative_to(ROOT)} stays as it was", file=sys.stderr)
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(document.as_uri())
        page.screenshot(path=picture)
        browser.close()


def revealed(run: Path) -> list[str]:
    """What the files of a run reveal about this machine, each with its place."""
    places = {str(ROOT), str(Path.home()), sys.prefix, str(run)} - {"/", "/root"}
    names = {name for name in (socket.gethostname(), getpass.getuser()) if len(name) >= _SHORTEST}
    secrets = [re.compile(re.escape(each.encode())) for each in sorted(places | names)]
    # The name of the directory for temporary files reveals nothing; what lies in it does.
    secrets.append(re.compile(re.escape(tempfile.gettempdir().encode()) + rb"/[\w.-]+"))
    return [
        f"{path.relative_to(run)} reveals this machine: …{_around(content, found)}…"
        for path in sorted(run.rglob("*"))
        if path.is_file()
        for content in [path.read_bytes()]
        for secret in secrets
        if (found := secret.search(content))
    ]


def _around(content: bytes, found: re.Match[bytes]) -> str:
    return content[max(0, found.start() - 60) : found.end() + 40].decode(errors="replace").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

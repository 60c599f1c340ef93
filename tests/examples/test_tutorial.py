"""docs/tutorial: what the page says is typed in its order, in a project with two tags, from the wheel alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.example_project import ROOT, Example, verdicts

PAGE = ROOT / "docs" / "tutorial" / "first-drill.md"
GATEWAY = ROOT / "fixtures" / "gateway"
DONE_BY_FIXTURES = ("cd path/to/your/project", ". ~/drills/bin/activate")  # a directory, and an environment on PATH


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(installed: Path, tmp_path: Path) -> Example:
    """The reader's project: the reference gateway, its releases as tags of a repository."""
    directory = tmp_path / "project"
    directory.mkdir()
    identity = ("-c", "user.name=A reader", "-c", "user.email=reader@example.com")
    for release in ("0.4.0", "0.5.0"):
        shutil.rmtree(tmp_path / "tree", ignore_errors=True)
        subprocess.run([sys.executable, GATEWAY / "assemble.py", release, tmp_path / "tree"], check=True)
        for path in directory.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(tmp_path / "tree", directory, dirs_exist_ok=True)
        shutil.copy(GATEWAY / "ROLLBACK.md", directory)
        shutil.copy(GATEWAY / "seed-0.4.0.sql", directory / "seed.sql")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", release], ["tag", f"v{release}"]):
            subprocess.run(["git", *identity, *command], cwd=directory, check=True)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON", "VIRTUAL_"))}
    return Example(directory, {**kept, "PATH": f"{installed}{os.pathsep}{kept.get('PATH', os.defpath)}"})


def test_the_page(project: Example) -> None:
    install, begin, examine, drill, look, everything = blocks("sh")
    (target,) = blocks("toml")
    started, examined = blocks("text")

    # What the fixture `installed` has done, line by line.
    assert install == "make dist\npython3 -m venv ~/drills\n~/drills/bin/pip install dist/*.whl\n"
    subprocess.run(["make", "--dry-run", "dist"], cwd=ROOT, check=True, capture_output=True)

    lines = [line for line in begin.splitlines() if line not in DONE_BY_FIXTURES]
    assert project.shell("\n".join(lines)).stdout.replace(str(project.directory), ".") == started

    (project.directory / "target.toml").write_text(target)
    done = project.shell(examine)
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    assert {line[:24] for line in examined.splitlines()} <= {line[:24] for line in done.stdout.splitlines()}

    done = project.shell(drill)
    assert done.returncode == 0, done.stdout
    assert verdicts(project.run()) == {"test_quick_application": {"passed": 1}}

    done = project.shell(look)
    assert done.returncode == 0, done.stdout
    assert "is unchanged" in done.stdout

    done = project.shell(f"{everything.rstrip()} --collect-only -q")  # the examples perform whole suites
    assert done.returncode == 0, done.stdout
    assert "59 tests collected" in done.stdout

"""Other users of the machine learn nothing: not from arguments, which all can read, and not from files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import Project
from support.planting import ROOT, perform
from support.seen_arguments import VARIABLE

URL_WITH_PASSWORD = re.compile(r"\w+://[^\s:/@]*:[^\s/@]+@127\.0\.0\.1\S*")


@pytest.mark.slow
def test_no_password_is_in_the_arguments_of_a_scenario_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv(VARIABLE, str(seen))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    target = tmp_path / "target.toml"
    text = (ROOT / "fixtures" / "targets" / "reference.toml").read_text()
    target.write_text(text.replace("{here}", str(ROOT / "fixtures" / "targets")).replace('"../', f'"{ROOT}/fixtures/'))
    done = perform(target, "test_scenario_c_full_restore", arguments=["-p", "support.seen_arguments"])
    assert done.returncode == 0, done.stdout + done.stderr
    lines = seen.read_text()
    assert "pg_dump --dbname=postgresql://" in lines
    assert re.search(r"psql .*--dbname=postgresql://", lines)
    assert URL_WITH_PASSWORD.findall(lines) == []


DRILL = """
import pytest

@pytest.mark.drill("Looks", runbook="quick-application")
def test_looks(stack, drill, open_files):
    with drill.step("Look"):
        drill.check("others can read", open_files(stack), expected=[])
"""
LOOK = """
import os, tempfile
from pathlib import Path
import pytest

def open_to_others(directory):
    if not directory.stat().st_mode & 0o001:
        return
    for path in directory.iterdir():
        if path.is_symlink() or path.name == "postgresql":  # a copy of PostgreSQL's programs, for its account
            continue
        if path.is_dir():
            yield from open_to_others(path)
        elif path.stat().st_mode & 0o006:
            yield path.name

@pytest.fixture
def open_files():
    def look(stack):
        stack.must_start(stack.gateway.deploy(stack.target.current))
        root = Path(tempfile.gettempdir(), f"rollback-drills-{os.getuid()}")
        names = {path.name for path in root.glob("*/*")}
        assert {"releases", "postgres.log", "pgdata"} <= names and any("gateway.log" in name for name in names), names
        return sorted(name for name in open_to_others(root) if name != ".registry.lock")
    return look
"""


@pytest.mark.slow
def test_other_users_read_no_file_of_a_workspace(project: Project) -> None:
    project.write(DRILL)
    conftest = project.path / "conftest.py"
    conftest.write_text(conftest.read_text() + LOOK)
    done = project.run("-n0")
    assert done.ret == 0, done.stdout.str()

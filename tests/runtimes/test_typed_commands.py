"""Commands that an operator types into a shell of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.host.tools import HostTools
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target import capabilities
from rollback_drills.target.capabilities import missing_capabilities
from rollback_drills.target.target import Target


@pytest.fixture
def typed(
    reference_target: Target, workspace: Workspace, bin_dir: Path, tmp_path: Path
) -> Callable[[str], CommandResult]:
    tools = HostTools(reference_target, workspace.path, Meter(), bin_dir)
    return lambda lines: tools.type(lines, tmp_path)


def test_lines_run_in_the_directory(typed, tmp_path: Path):
    result = typed("false\necho one > two.txt\npwd")
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path)), "a shell goes on after a failed command"
    assert result.argv == ("false\necho one > two.txt\npwd",)
    assert (tmp_path / "two.txt").read_text() == "one\n"


def test_the_callers_variables_are_not_passed_on(typed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGHOST", "production")
    monkeypatch.setenv("http_proxy", "http://proxy")
    assert typed('echo "${PGHOST-}${http_proxy-}"').stdout.strip() == ""


def test_the_tools_are_those_of_the_server(typed, bin_dir: Path):
    assert typed("command -v psql").stdout.strip() == str(bin_dir / "psql")


@pytest.mark.parametrize("program", ["curl", "git"])
def test_a_missing_program_is_named(
    program: str, reference_target: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(capabilities.os, "defpath", str(tmp_path))
    assert missing_capabilities(reference_target, [program]) == []
    (tmp_path / program).unlink()
    (reason,) = missing_capabilities(reference_target, [program])
    assert f"this machine has no {program}" in reason

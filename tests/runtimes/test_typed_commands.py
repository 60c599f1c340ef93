"""A shell of this machine, as an operator has it, and what a drill needs to find in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollback_drills.core.meter import Meter
from rollback_drills.runtimes.host.tools import type_on_host
from rollback_drills.runtimes.protocols import CommandResult
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target import capabilities
from rollback_drills.target.capabilities import missing_capabilities
from rollback_drills.target.target import Target


@pytest.fixture
def typed(reference_target: Target, workspace: Workspace, bin_dir: Path, tmp_path: Path):
    def run(command: str) -> CommandResult:
        return type_on_host(command, tmp_path, reference_target, workspace.path, meter=Meter(), bin_dir=bin_dir)

    return run


def test_lines_are_typed_where_they_are_meant_to(typed, tmp_path: Path):
    result = typed("false\necho one > two.txt\npwd")
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path)), "a shell goes on after what has failed"
    assert result.argv == ("false\necho one > two.txt\npwd",)
    assert (tmp_path / "two.txt").read_text() == "one\n"


def test_nothing_that_the_caller_has_exported_is_known(typed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGHOST", "production")
    monkeypatch.setenv("http_proxy", "http://proxy")
    assert typed('echo "${PGHOST-}${http_proxy-}"').stdout.strip() == ""


def test_the_tools_are_those_of_the_databases_server(typed, bin_dir: Path):
    assert typed("command -v psql").stdout.strip() == str(bin_dir / "psql")


@pytest.mark.parametrize("program", ["curl", "git"])
def test_a_program_that_is_missing_is_said(
    program: str, reference_target: Target, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / program).touch(mode=0o755)
    monkeypatch.setattr(capabilities.os, "defpath", str(tmp_path))
    assert missing_capabilities(reference_target, [program]) == []
    (tmp_path / program).unlink()
    (reason,) = missing_capabilities(reference_target, [program])
    assert f"there is no {program} on this machine" in reason

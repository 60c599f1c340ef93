"""A user id without a name: initdb asks for one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.runtimes.embedded import account

NAMELESS = 43_210


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NAMELESS)


def test_an_account_with_a_name_needs_nothing(tmp_path: Path):
    account.require_name()
    assert account.naming_environment(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("nameless")
def test_an_account_without_a_name_is_told_before_anything_is_started(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(account, "_DIRECTORIES", ())
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(RuntimeUnavailableError, match=f"user id {NAMELESS}") as refused:
        account.require_name()
    assert "libnss-wrapper" in refused.value.fix


@pytest.mark.usefixtures("nameless")
def test_nss_wrapper_gives_a_name(tmp_path: Path):
    variables = account.naming_environment(tmp_path)
    if not variables:
        pytest.skip("libnss-wrapper is not installed")
    account.require_name()
    ask = f"import pwd; print(pwd.getpwuid({NAMELESS}).pw_name)"
    done = subprocess.run([sys.executable, "-c", ask], env=variables, capture_output=True, text=True, check=False)
    assert done.stdout == "drills\n", done.stderr

"""What the options of pytest's command line and configuration say."""

from __future__ import annotations

import getpass
import tempfile
from pathlib import Path

import pytest

from rollback_drills.core.errors import TargetError

REPORTS = "reports"


def reports(config: pytest.Config) -> Path:
    """A path of the command line begins where pytest was called, one of the configuration at its file.

    pytest guesses its rootdir from the arguments, so that a target file elsewhere moves it there. Without a word from
    anybody reports therefore lie in the rootdir only where its configuration is that of the directory in which pytest
    was called, and of the drills: not of a package that is installed.
    """
    called: Path = config.invocation_params.dir
    given = config.getoption("drill_report_dir")
    if given:
        return called / str(given)
    configured = str(config.getini("drill_report_dir"))
    if configured:
        return config.rootpath / configured
    ours = config.inipath is not None and config.rootpath in (called, *called.parents) and not config.option.pyargs
    return (config.rootpath if ours else called) / REPORTS


def temporary(config: pytest.Config) -> str:
    """Where pytest lets drills put their files: it tells the user's name, and nothing of the procedure."""
    given = config.option.basetemp
    if given:
        return str(Path(given).resolve())
    try:
        user = getpass.getuser()
    except (ImportError, OSError, KeyError):  # nobody has told this machine who that is
        user = "unknown"
    return str(Path(tempfile.gettempdir()).resolve() / f"pytest-of-{user}")


def option(config: pytest.Config, name: str) -> str:
    given = config.getoption(name)
    return str(given if given is not None else config.getini(name))


def seconds(config: pytest.Config) -> float:
    text = option(config, "drill_timeout")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise TargetError(
            f"the time limit for a drill is {text!r}",
            fix="give --drill-timeout (or drill_timeout in pytest's configuration) a number of seconds greater than 0",
        )
    return seconds

"""Where the reports of a run go."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from rollback_drills.core.errors import DrillError

DEFAULT = "reports"


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-report-dir", metavar="DIR", help="directory for reports (ini: drill_report_dir; default: reports)"
    )
    parser.addini("drill_report_dir", "directory for the drills' reports (default: reports)")


def report_directory(config: pytest.Config) -> Path:
    """The directory that holds the reports of all runs.

    A path on the command line is relative to the directory in which pytest was called, a path in the configuration to
    the configuration's file. The default lies in pytest's rootdir only if that is the project of the drills: the
    rootdir has a configuration and contains the directory in which pytest was called. With ``--pyargs``, or with a
    target file elsewhere, pytest guesses another rootdir from the arguments; the default then lies in the directory in
    which pytest was called.
    """
    called: Path = config.invocation_params.dir
    given = config.getoption("drill_report_dir")
    if given:
        return called / str(given)
    configured = str(config.getini("drill_report_dir"))
    if configured:
        return config.rootpath / configured
    in_project = config.inipath is not None and config.rootpath in (called, *called.parents)
    return (config.rootpath if in_project and not config.option.pyargs else called) / DEFAULT


def require_writable(directory: Path) -> None:
    """Check, before anything is started, that reports can be written; creates nothing that stays.

    Raises:
        DrillError: they cannot.
    """
    existing = next(each for each in (directory, *directory.parents) if each.exists())
    try:
        with tempfile.TemporaryDirectory(dir=existing, prefix=".rollback-drills-"):
            return
    except OSError as error:
        raise DrillError(
            f"no report can be written to {directory}",
            cause=f"{existing}: {error.strerror or error}",
            fix="make it writable, or name another directory with --drill-report-dir",
        ) from None

"""``rollback-drills run`` and ``migrations``: pytest with the drills, apart from a project's own tests.

A project configures pytest for its own tests: options of plugins that the drills' environment lacks, warnings as
errors, a conftest.py that imports the application. These commands give pytest the suite's own configuration, load no
conftest.py above the drills, and load only the plugins that the drills need.
"""

from __future__ import annotations

import os
import shlex
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from rollback_drills.cli.drills_path import drills_path
from rollback_drills.cli.exit_codes import REFUSED
from rollback_drills.core.command_line import TYPED_COMMAND
from rollback_drills.core.errors import DrillError
from rollback_drills.target.discovery import find_target

_CONFIGURATION = Path(__file__).with_name("pytest.toml")
_PLUGINS = ("rollback_drills", "xdist", "xdist.looponfail", "html", "html_fixtures", "metadata", "hypothesispytest")
_CHOICES_OF_SYSTEM = ("--target", "--drill-target", "--alembic", "--drill-alembic")
_INFORMATION = ("-h", "--help", "-V", "--version", "--markers", "--fixtures")  # nothing is drilled, or collected
_SWITCHES = ("-v", "-vv", "-q", "-qq", "-x", "-s", "-l", "--lf", "--ff", "--co", "--collect-only", "--strict")


def run(arguments: Sequence[str]) -> int:
    """Perform drills: replace this process by pytest.

    Args:
        arguments: options of pytest, options of the drills with or without ``drill-``, and paths (default: the
            suite's own drills).

    Returns:
        4 if there is no target file. Otherwise the exit code is pytest's.
    """
    named = [] if _has_paths(arguments) else [str(drills_path())]
    if not _chooses_system(arguments) and not any(each in _INFORMATION for each in arguments):
        try:
            named.append(f"--drill-target={_relative(find_target(Path.cwd()))}")
        except DrillError as error:
            return _refuse(error)
    return _become_pytest("run", arguments, [*named, *arguments])


def migrations(arguments: Sequence[str]) -> int:
    """Prove that every migration can be undone: replace this process by pytest.

    Args:
        arguments: at first, alembic.ini or pyproject.toml (default: the one in the working directory); then options
            of pytest, and options of the drills with or without ``drill-`` and ``alembic-``.

    Returns:
        4 if there is no such file. Otherwise the exit code is pytest's.
    """
    options = list(arguments)
    named = [str(drills_path())]
    if options and not options[0].startswith("-"):
        named.append(f"--drill-alembic={options.pop(0)}")
    elif not _chooses_system(options) and not any(each in _INFORMATION for each in options):
        try:
            named.append(f"--drill-alembic={_alembic_configuration()}")
        except DrillError as error:
            return _refuse(error)
    return _become_pytest("migrations", arguments, [*named, *_only_reversibility(options)])


def _only_reversibility(options: Sequence[str]) -> list[str]:
    """The options, of which ``-k`` selects among these drills only."""
    found = list(options)
    place = found.index("-k") + 1 if "-k" in found else 0
    if 0 < place < len(found):
        found[place] = f"reversibility and ({found[place]})"
        return found
    return ["-k", "reversibility", *found]


def _alembic_configuration() -> str:
    if Path("alembic.ini").is_file():
        return "alembic.ini"
    try:
        if "alembic" in tomllib.loads(Path("pyproject.toml").read_text()).get("tool", {}):
            return "pyproject.toml"
    except (OSError, ValueError):
        pass  # no pyproject.toml of Alembic's either
    raise DrillError(
        f"{Path.cwd()} has no Alembic configuration",
        cause="there is no alembic.ini, and no [tool.alembic] in a pyproject.toml",
        fix="name it: rollback-drills migrations path/to/alembic.ini",
    )


def _become_pytest(command: str, typed: Sequence[str], arguments: Sequence[str]) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PY_COLORS"))}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment[TYPED_COMMAND] = shlex.join([command, *typed])
    # -P: the working directory is the project's, and its modules must not stand in for installed ones.
    argv = [sys.executable, "-P", "-m", "pytest", "-c", str(_CONFIGURATION), f"--rootdir={Path.cwd()}"]
    argv.append(f"--confcutdir={drills_path()}")
    for plugin in _PLUGINS:
        argv += ["-p", plugin]
    sys.stdout.flush()
    os.execve(sys.executable, [*argv, *arguments], environment)


def _chooses_system(arguments: Sequence[str]) -> bool:
    return any(each.partition("=")[0] in _CHOICES_OF_SYSTEM for each in arguments)


def _has_paths(arguments: Sequence[str]) -> bool:
    """Whether an argument is an existing path, and not the value of the option before it."""
    for before, each in zip(("", *arguments), arguments, strict=False):
        is_value = before.startswith("-") and "=" not in before and before not in _SWITCHES
        if not each.startswith("-") and not is_value and Path(each.partition("::")[0]).exists():
            return True
    return False


def _relative(file: Path) -> Path:
    """The path as a person would type it."""
    return Path(os.path.relpath(file))


def _refuse(error: DrillError) -> int:
    print(error, file=sys.stderr)
    return REFUSED

"""The page of all options: pytest's from the plugin that adds them, the command's from its parser."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from rollback_drills import cli, pytest_plugin

BEGINNING = """
Every option in one list. `pytest --help` prints those of the drills under “rollback drills”, `rollback-drills COMMAND
--help` those of a command. What their exit codes mean: [exit codes](exit-codes.md).

## Options of pytest

A drill option of the command line wins over its key in pytest's configuration (`pyproject.toml`, `pytest.ini`, …).
Write `--option=value`, with the equals sign: [why](run-files.md#where-reports-land).
"""
ENVIRONMENT = """
## Environment variables

| variable | effect |
|---|---|
| `TMPDIR` | all data of a run lie here; unset: PostgreSQL's data in memory where 2 GB are free, the rest in `/tmp` |
| `DOCKER_HOST`, `DOCKER_CONTEXT` | which Docker engine the docker and compose runtimes use |
| `DOCKER_CONFIG`, `DOCKER_TLS_VERIFY`, `DOCKER_CERT_PATH` | how it is reached, as for the command `docker` |
| `GITHUB_STEP_SUMMARY` | the file that the job summary is appended to |
| `XDG_CACHE_HOME` | where environments and PostgreSQL's empty data directory are cached; unset: `~/.cache` |

No other variable of the caller reaches a release, a migration or a command of the target. A target file reads the
variables that it names as `${NAME}`.
"""


@dataclass
class Recorder:
    """Takes the place of pytest's parser, and keeps what is added."""

    options: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    ini: dict[str, Any] = field(default_factory=dict)

    def getgroup(self, name: str, description: str = "") -> Recorder:
        return self

    def addoption(self, name: str, **attributes: Any) -> None:
        self.options.append((name, attributes))

    def addini(self, name: str, help: str, *, default: Any = None, **_: Any) -> None:
        self.ini[name] = default


def options_page() -> Iterator[str]:
    yield from BEGINNING.splitlines()
    yield from pytest_options()
    yield from command_options()
    yield from ENVIRONMENT.splitlines()


def pytest_options() -> Iterator[str]:
    recorder = Recorder()
    pytest_plugin.pytest_addoption(cast(pytest.Parser, recorder))
    yield from ("", "| option | ini key | default | meaning |", "|---|---|---|---|")
    for name, attributes in recorder.options:
        key = name.removeprefix("--").replace("-", "_")
        said = re.sub(r" \(ini: [^)]*\)| \(default: [^)]*\)|; default: [^;)]*", "", attributes["help"])
        default = recorder.ini.get(key) or attributes.get("default") or explained(attributes["help"])
        shown = "`" + f"{name}={attributes['metavar']}" + "`" if "metavar" in attributes else f"`{name}`"
        ini = f"`{key}`" if key in recorder.ini else ""
        yield f"| {shown} | {ini} | {default} | {cell(said)} |"


def explained(help_text: str) -> str:
    """The default that the help of an option tells in words."""
    found = re.search(r"default: ([^;)]*)\)", help_text)
    return found[1] if found else ""


def command_options() -> Iterator[str]:
    parser = cli._parser()
    commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        described = (command.description or "").partition(" Exit code")[0]  # those have a page of their own
        yield from ("", f"## `rollback-drills {name}`", "", described, "")
        yield from ("| argument | meaning |", "|---|---|")
        for action in command._actions:
            if not isinstance(action, argparse._HelpAction):
                value = action.metavar or "|".join(action.choices or ())
                shown = " ".join(filter(None, [*action.option_strings[:1], str(value)]))
                yield f"| `{cell(shown)}` | {cell(action.help or '')} |"


def cell(text: str) -> str:
    return text.replace("|", "\\|")

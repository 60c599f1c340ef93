"""The pytest entry point: options, and nothing that costs other test runs anything.

Imports pytest and the standard library only; the engine is imported inside hooks, once a drill is about to run.
"""

from __future__ import annotations

import pytest

MARKER = "drill(title, *, runbook, objective=None, requires=(), group=None): a rehearsed procedure of the runbook"
ACTIVE = pytest.StashKey[bool]()
CONFIGURED = pytest.StashKey[bool]()


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from rollback_drills.pytest_plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("drill", "rollback drills")
    group.addoption("--drill-target", metavar="FILE", help="target file: the system to drill (ini: drill_target)")
    group.addoption(
        "--drill-runtime",
        metavar="NAME",
        help="where the disposable stack runs: embedded, docker, compose, one that a plugin adds, or auto, which says "
        "what it chose and why (ini: drill_runtime; default: auto)",
    )
    group.addoption(
        "--drill-report-dir", metavar="DIR", help="where reports land (ini: drill_report_dir; default: reports)"
    )
    group.addoption(
        "--drill-timeout",
        type=float,
        metavar="SECONDS",
        help="limit for one drill, checked at every step (ini: drill_timeout; default: 600)",
    )
    group.addoption(
        "--drill-keep-stack",
        action="store_true",
        default=False,
        help="leave the stacks of this run up and print how to reach and how to remove them",
    )
    group.addoption(
        "--drill-budget",
        type=float,
        metavar="SECONDS",
        help="play random game days for so long (ini: drill_budget; default: 0, none)",
    )
    group.addoption(
        "--drill-replay",
        metavar="DAY",
        help="play one game day again: the line that a failed one has printed (use with -k random_game_days)",
    )
    group.addoption(
        "--drill-since",
        metavar="REV",
        help="prove only revisions above REV, or, with git:REF, those whose scripts that commit does not have",
    )
    group.addoption(
        "--drill-alembic",
        metavar="FILE",
        help="drill the migrations of this alembic.ini alone: no target file, no gateway (use with -k reversibility)",
    )
    group.addoption(
        "--drill-alembic-name",
        metavar="SECTION",
        default="alembic",
        help="the section of alembic.ini, as alembic's own option -n names it (default: alembic)",
    )
    group.addoption(
        "--drill-alembic-python",
        metavar="PYTHON",
        help="the interpreter that has alembic and the models (default: the one that runs pytest)",
    )
    group.addoption(
        "--drill-alembic-env",
        metavar="NAME=VALUE",
        action="append",
        help="a variable for env.py; {url} stands for the database's URL (may be repeated)",
    )
    group.addoption(
        "--drill-alembic-baseline",
        metavar="FILE",
        help="SQL that makes what is there before the first revision, where the history does not begin with nothing",
    )
    parser.addini("drill_target", "target file of the drills")
    parser.addini("drill_runtime", "runtime of the drills", default="auto")
    parser.addini("drill_report_dir", "directory of the drills' reports (default: reports)")
    parser.addini("drill_budget", "seconds for which random game days are played", default="0")
    parser.addini("drill_timeout", "limit for one drill in seconds", default="600")


def activate(config: pytest.Config) -> None:
    """Say before the run begins that it will perform drills; called by the conftest beside the drills.

    Drills run without it too; it buys the header, the pytest-html report and the scheduling under pytest-xdist.
    """
    config.stash[ACTIVE] = True
    if config.stash.get(CONFIGURED, False):  # the caller's hook was not `tryfirst`: late is better than never
        _begin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    options = ("drill_target", "drill_runtime", "drill_report_dir", "drill_timeout", "drill_alembic")
    if any(config.getoption(name) is not None for name in options):
        config.stash[ACTIVE] = True
    from rollback_drills.pytest_plugin import collection, fixtures, revisions, xdist

    config.pluginmanager.register(fixtures, "rollback-drills-fixtures")
    config.pluginmanager.register(collection, "rollback-drills-collecting")
    config.pluginmanager.register(revisions, "rollback-drills-reversibility")
    xdist.register(config)
    if config.stash.get(ACTIVE, False):
        _begin(config)
    config.stash[CONFIGURED] = True


def _begin(config: pytest.Config) -> None:
    from rollback_drills.pytest_plugin.collection import only_shows_something
    from rollback_drills.pytest_plugin.session import session_of

    if not only_shows_something(config):
        session_of(config)

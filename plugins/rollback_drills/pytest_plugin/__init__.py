"""The pytest entry point: hooks that cost other test runs nothing.

Imports only pytest and the standard library; the engine is imported inside hooks, once a drill is about to run.
"""

from __future__ import annotations

import pytest

MARKER = "drill(title, *, runbook, objective=None, requires=(), group=None): a rehearsed procedure of the runbook"


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from rollback_drills.pytest_plugin import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    from rollback_drills.pytest_plugin.options import add_options

    add_options(parser)


def activate(config: pytest.Config) -> None:
    """Announce, before the run begins, that it will perform drills. The conftest beside the drills calls this.

    Drills run without it too; with it the run has the header, the pytest-html report, and the scheduling under
    pytest-xdist.

    Raises:
        pytest.UsageError: an option or the target file is wrong.
    """
    from rollback_drills.pytest_plugin.keys import ACTIVE, CONFIGURED

    config.stash[ACTIVE] = True
    if config.stash.get(CONFIGURED, False):  # the caller's hook was not `tryfirst`: late is better than never
        _begin(config)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    from rollback_drills.pytest_plugin import collection, fixtures, keys, options, revisions, xdist

    if options.announce_drills(config):
        config.stash[keys.ACTIVE] = True
    config.pluginmanager.register(fixtures, keys.FIXTURES)
    config.pluginmanager.register(collection, keys.COLLECTION)
    config.pluginmanager.register(revisions, keys.REVISIONS)
    xdist.register(config)
    if config.stash.get(keys.ACTIVE, False):
        _begin(config)
    config.stash[keys.CONFIGURED] = True


def _begin(config: pytest.Config) -> None:
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.pytest_plugin.marks import only_shows_something

    if not only_shows_something(config):
        session_of(config)

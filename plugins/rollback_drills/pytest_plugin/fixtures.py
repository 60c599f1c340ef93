"""The fixtures that drills use. What is expensive is imported and started only when one is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rollback_drills.drill.drill import Drill
    from rollback_drills.lab.lab import Lab
    from rollback_drills.lab.stack import Stack
    from rollback_drills.pytest_plugin.gamedays import RandomDays
    from rollback_drills.pytest_plugin.shared_drills import SharedDrills
    from rollback_drills.target.target import Target


STACK = pytest.StashKey["Stack"]()
"""The stack of a drill, whose client traffic ends with it."""


@pytest.fixture(scope="session")
def drill_target(pytestconfig: pytest.Config) -> Target:
    """The system under drill, as its target file describes it. Override it, and that is what is drilled."""
    from rollback_drills.pytest_plugin.session import session_of

    try:
        return session_of(pytestconfig).target
    except pytest.UsageError as error:  # only tests without the marker get here: the others were checked before
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config, drill_target: Target) -> Iterator[Lab]:
    """The started runtime of this worker, with its database templates."""
    from rollback_drills.pytest_plugin.session import session_of

    session = session_of(pytestconfig)
    session.drill_on(drill_target)
    opened = session.premises.open_lab(session.target, session.choice)
    yield opened
    if session.premises.hold_kept_stack:
        opened.disconnect()
    else:
        opened.close()


@pytest.fixture(scope="session")
def random_days(pytestconfig: pytest.Config, drill_target: Target) -> RandomDays:
    """Of the session, so that it comes before the lab: nothing is started for days that nobody wants."""
    from rollback_drills.pytest_plugin.gamedays import NO_DAYS
    from rollback_drills.pytest_plugin.session import session_of

    wanted = session_of(pytestconfig).random_days
    if wanted is None:
        pytest.skip(NO_DAYS)
    return wanted


@pytest.fixture
def drill(request: pytest.FixtureRequest, drill_target: Target) -> Drill:
    """The record of this drill: steps, checks, observations, findings."""
    from rollback_drills.pytest_plugin.recorder import begin

    return begin(request.node, drill_target)


@pytest.fixture(scope="session")
def shared_drills(pytestconfig: pytest.Config, lab: Lab) -> SharedDrills:
    """For measurements that several drills judge."""
    from rollback_drills.pytest_plugin.session import session_of
    from rollback_drills.pytest_plugin.shared_drills import SharedDrills

    return SharedDrills(session_of(pytestconfig), lab)


@contextmanager
def _open_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab, release: str) -> Iterator[Stack]:
    from rollback_drills.pytest_plugin.session import session_of

    session = session_of(request.config)
    stack = lab.stack(release)
    stack.command_log.listeners.append(drill.command)
    drill.watch(stack.clients)
    request.node.stash[STACK] = stack
    try:
        yield stack
    finally:
        stack.clients.end()
        if session.keep:
            session.premises.keep_stack(request.node.nodeid, stack)
            stack.client.close()
            stack.database.disconnect()
        else:
            lab.discard(stack)


def _reach_steady_state(stack: Stack, drill: Drill, release: str) -> None:
    with drill.step(f"Steady state: release {release} serves"):
        outcome = stack.gateway.deploy(release)
        drill.check(
            f"release {release} starts", outcome.started, finding="steady-state-missing", detail=outcome.why, vital=True
        )
        healthy, answer = stack.client.healthy(), stack.client.health().brief()
        drill.check("it is healthy", healthy, finding="steady-state-missing", detail=f"/health says {answer}")
        drill.fact("database revision at the start", stack.database.revision())
    stack.clients.begin()


@pytest.fixture
def idle_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab) -> Iterator[Stack]:
    """A disposable stack at the current release's schema, with the seed rows; nothing is started.

    Nor are there clients: a drill that wants them calls ``stack.clients.begin()`` once its gateway serves.
    """
    with _open_stack(request, drill, lab, lab.target.current) as stack:
        yield stack


@pytest.fixture
def stack(idle_stack: Stack, drill: Drill) -> Stack:
    """A disposable stack in its steady state: the current release serves, which is the drill's first step.

    From then on clients ask for its health and deliver, until the drill has verified what it did.
    """
    _reach_steady_state(idle_stack, drill, idle_stack.target.current)
    return idle_stack


@pytest.fixture
def previous_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab) -> Iterator[Stack]:
    """As `stack`, on the previous release and its schema: where things stood before the upgrade."""
    with _open_stack(request, drill, lab, lab.target.previous) as stack:
        _reach_steady_state(stack, drill, lab.target.previous)
        yield stack

"""The fixtures that drills use. The engine is imported, and anything started, only when a test requests one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from rollback_drills.pytest_plugin.keys import STACK

if TYPE_CHECKING:
    from rollback_drills.drill.drill import Drill
    from rollback_drills.lab.lab import Lab
    from rollback_drills.lab.stack import Stack
    from rollback_drills.pytest_plugin.gamedays import RandomDays
    from rollback_drills.pytest_plugin.shared_drills import SharedDrills
    from rollback_drills.target.target import Target


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-keep-stack",
        action="store_true",
        default=False,
        help="leave the stacks of this run up, and print how to reach and how to remove them",
    )


@pytest.fixture(scope="session")
def drill_target(pytestconfig: pytest.Config) -> Target:
    """The system under drill, as its target file describes it. Override it to drill another one."""
    from rollback_drills.pytest_plugin.activation import session_of

    try:
        return session_of(pytestconfig).target
    except pytest.UsageError as error:  # a test without the marker: marked ones were checked before
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config, drill_target: Target) -> Iterator[Lab]:
    """The started runtime of this worker, with its database templates."""
    from rollback_drills.pytest_plugin.activation import session_of

    session = session_of(pytestconfig)
    session.targets.settle(drill_target)
    opened = session.resources.open_lab(session.target, session.runtime)
    yield opened
    if session.resources.keeps_stack:
        opened.disconnect()
    else:
        opened.close()


@pytest.fixture(scope="session")
def random_days(pytestconfig: pytest.Config, drill_target: Target) -> RandomDays:
    """The random game days to play; skips the test if no option asks for any, before the lab is started."""
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.pytest_plugin.gamedays import NO_DAYS

    wanted = session_of(pytestconfig).random_days
    if wanted is None:
        pytest.skip(NO_DAYS)
    return wanted


@pytest.fixture
def drill(request: pytest.FixtureRequest, drill_target: Target) -> Drill:
    """The record of this drill: steps, checks, observations, findings."""
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.pytest_plugin.recorder import begin

    return begin(session_of(request.config), request.node, drill_target)


@pytest.fixture(scope="session")
def shared_drills(pytestconfig: pytest.Config, lab: Lab) -> SharedDrills:
    """Records measurements that several drills judge."""
    from rollback_drills.pytest_plugin.activation import session_of
    from rollback_drills.pytest_plugin.shared_drills import SharedDrills

    return SharedDrills(session_of(pytestconfig), lab)


@contextmanager
def _open_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab, release: str) -> Iterator[Stack]:
    from rollback_drills.pytest_plugin.activation import session_of

    session = session_of(request.config)
    stack = lab.stack(release)
    stack.command_log.listeners.append(drill.command)
    drill.watch(stack.clients)
    request.node.stash[STACK] = stack
    try:
        yield stack
    finally:
        stack.clients.end()
        if session.keeps_stacks:
            session.resources.keep_stack(request.node.nodeid, stack)
            stack.client.close()
            stack.database.disconnect()
        else:
            lab.discard(stack)


def _reach_steady_state(stack: Stack, drill: Drill, release: str) -> None:
    from rollback_drills.clients.answers import difference

    with drill.step(f"Steady state: release {release} serves"):
        outcome = stack.gateway.deploy(release)
        drill.check(
            f"release {release} starts",
            outcome.started,
            finding="steady-state-missing",
            detail=outcome.why,
            vital=True,
            timed=outcome.timed_out,
        )
        answer = stack.client.health()
        wrong = difference(stack.target.readiness, answer)
        drill.check(
            "it is healthy",
            not wrong,
            finding="steady-state-missing",
            detail=f"/health gives {wrong}",
            timed=answer.silent,
        )
        drill.fact("database revision at the start", stack.database.revision())
    stack.clients.begin()


@pytest.fixture
def idle_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab) -> Iterator[Stack]:
    """A disposable stack at the current release's schema, with the seed rows; neither gateway nor clients are started.

    A drill that wants clients calls ``stack.clients.begin()`` once its gateway serves.
    """
    with _open_stack(request, drill, lab, lab.target.current) as stack:
        yield stack


@pytest.fixture
def stack(idle_stack: Stack, drill: Drill) -> Stack:
    """A disposable stack in its steady state: the current release serves, which is the drill's first step.

    From then on, clients ask for its health and send deliveries until the drill ends.
    """
    _reach_steady_state(idle_stack, drill, idle_stack.target.current)
    return idle_stack


@pytest.fixture
def previous_stack(request: pytest.FixtureRequest, drill: Drill, lab: Lab) -> Iterator[Stack]:
    """As `stack`, on the previous release and its schema: the state before the upgrade."""
    with _open_stack(request, drill, lab, lab.target.previous) as stack:
        _reach_steady_state(stack, drill, lab.target.previous)
        yield stack

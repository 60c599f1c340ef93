"""Signals and clean-up: nothing outlives the process, however it ends."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from rollback_drills.pytest_plugin.session import DrillSession


class Lifecycle:
    """Registered in every process that performs drills."""

    def __init__(self, session: DrillSession) -> None:
        self._session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self.begin()

    def begin(self) -> None:
        """To be called directly if the first drill is found after the session has started."""
        self._session.signals.trap()
        if not self._session.is_worker:
            self._session.remove_left_overs()

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        self._session.signals.shield_clean_up()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """The first Ctrl-C may come during the teardown of fixtures, or while the report is written."""
        self._session.signals.shield_clean_up()
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self._session.close_quietly()
        self._session.signals.release()

"""What several modules of the plugin know each other by: stash keys, attributes of reports, and plugin names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.clock import Clock

if TYPE_CHECKING:
    from rollback_drills.lab.stack import Stack


@dataclass(frozen=True, slots=True)
class Run:
    """What all processes of a run agree on."""

    name: str
    clock: Clock
    today: date
    grouped: bool = False


ACTIVE = pytest.StashKey[bool]()
"""Set in the config once it is certain that drills will run."""
CONFIGURED = pytest.StashKey[bool]()
"""Set in the config at the end of our ``pytest_configure``."""
STARTED = pytest.StashKey[bool]()
"""Set in the config when the session has started."""
MAY_EXECUTE = pytest.StashKey[bool]()
"""Set in the config if the target's commands may be executed although tests are only collected."""
RUN = pytest.StashKey[Run]()
"""The run that a process belongs to, in the config."""
RUNTIME = pytest.StashKey[tuple[str, str]]()
"""The name of the chosen runtime and the reason, in the config: workers take the controller's choice."""
STACK: pytest.StashKey[Stack] = pytest.StashKey()
"""The stack of a drill, in its item; its client traffic ends with the test."""

EVIDENCE = "rollback_drills_evidence"
"""Attribute of a test report: the evidence of the drills that have ended since the last one, each as JSON text."""
USAGE_ERROR = "rollback_drills_usage_error"
"""Attribute of a collection report: the mistake that a worker has found."""
WORKER_DATA = "rollback_drills"
"""Key in xdist's ``workerinput`` and ``workeroutput``."""

JOURNALS = "journal"
"""The directory of a run's journals, below its report directory."""

# Names of registered plugins
FIXTURES = "rollback-drills-fixtures"
COLLECTION = "rollback-drills-collection"
REVISIONS = "rollback-drills-revisions"
XDIST = "rollback-drills-xdist"
RECORDER = "rollback-drills-recorder"
SETUP_SKIPPER = "rollback-drills-setup-skipper"
LIFECYCLE = "rollback-drills-lifecycle"
WORKER = "rollback-drills-worker"
HEADER = "rollback-drills-header"
RUN_REPORTER = "rollback-drills-run-reporter"
HTML_COLUMNS = "rollback-drills-html-columns"
SUMMARY = "rollback-drills-summary"
WALK_PROGRESS = "rollback-drills-walk-progress"

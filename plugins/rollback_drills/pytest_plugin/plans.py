"""What each marked test sets out to prove, checked before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from rollback_drills.core.errors import DrillError, TargetError
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill.plan import Plan
from rollback_drills.evidence.run import NotSelected
from rollback_drills.pytest_plugin.marks import Mark, drill_id, mark_of, summary_of
from rollback_drills.pytest_plugin.target_choice import TargetChoice
from rollback_drills.runbook.sections import RunbookSection, with_added
from rollback_drills.target import capabilities
from rollback_drills.target.system_tables import Objectives


def sections_of(config: pytest.Config) -> dict[str, str]:
    """The runbook's sections, titles by id: the built-in ones and those that conftest files and plugins add.

    Raises:
        TargetError: a hook gives something unusable.
    """
    hook = "pytest_rollback_drills_sections"
    results = config.hook.pytest_rollback_drills_sections(config=config)
    added = [section for result in reversed(results) for section in result]
    for section in added:
        if not isinstance(section, RunbookSection):
            raise TargetError(f"the hook {hook} gives {section!r}", fix="let it give RunbookSection(id, title) values")
    try:
        return with_added(added)
    except ValueError as error:
        raise TargetError(f"the hook {hook}: {error}", fix="correct the sections that it gives") from None


class Plans:
    """Makes the plans of one process.

    Args:
        sections: the runbook's sections, titles by id.
        worker: the name of the process in the evidence.
    """

    def __init__(self, targets: TargetChoice, redactor: Redactor, *, sections: Mapping[str, str], worker: str) -> None:
        self._targets, self._redactor, self._worker = targets, redactor, worker
        self.sections = sections
        self.selected: list[Plan] = []
        self.left_out: tuple[NotSelected, ...] = ()

    def check(self, nodeid: str, mark: Mark) -> None:
        """Check what a drill's marker names.

        Raises:
            pytest.UsageError: it names a capability, a section or an objective that does not exist.
        """
        try:
            capabilities.missing_capabilities(self._targets.target, mark.requires)
        except DrillError as error:
            raise pytest.UsageError(f"{nodeid}: {error}") from None
        if mark.runbook not in self.sections:
            raise pytest.UsageError(f"{nodeid}: runbook={mark.runbook!r} is none of {', '.join(self.sections)}")
        if mark.objective is not None and mark.objective not in Objectives.recovery_times():
            known = ", ".join(Objectives.recovery_times())
            raise pytest.UsageError(f"{nodeid}: objective={mark.objective!r} is none of {known}")

    def select(self, marked: Iterable[tuple[pytest.Item, Mark]]) -> None:
        """Record which drills this process is to perform."""
        self.selected = [self.plan(drill_id(item, mark), mark, summary_of(item)) for item, mark in marked]

    def leave_out(self, drills: Iterable[NotSelected]) -> None:
        """Record which drills the selection leaves out of the sections that it drills."""
        text = self._redactor.text
        self.left_out = tuple(each.model_copy(update={"title": text(each.title)}) for each in drills)

    def plan_of(self, item: pytest.Item) -> Plan:
        """The plan of a marked test."""
        mark = mark_of(item)
        assert mark is not None, item.nodeid
        return self.plan(drill_id(item, mark), mark, summary_of(item))

    def plan(self, drill_id: str, mark: Mark, summary: str) -> Plan:
        """The plan of a drill, with its objective from the target file."""
        return Plan(
            id=drill_id,
            title=self._redactor.text(mark.title),
            runbook=mark.runbook,
            summary=self._redactor.text(summary),
            objective=mark.objective,
            objective_seconds=self._targets.target.objective(mark.objective) if mark.objective else None,
            worker=self._worker,
        )

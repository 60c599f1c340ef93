"""The Python of the guides, as it stands there, in a project with the small target."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import CONFTEST, Project, project, temporary  # noqa: F401 - fixtures

pytestmark = pytest.mark.slow

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
OF_THE_TARGET = """
import pytest

@pytest.mark.drill("Our own", runbook="quick-flags")
def test_ours(drill):
    with drill.step("Look"):
        drill.check("its name", drill.target.name, expected="our gateway, staging")
"""


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (GUIDES / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", [0, 1], ids=["hook", "fixture"])
def test_the_target_in_python(project: Project, number: int) -> None:  # noqa: F811
    project.write(OF_THE_TARGET, conftest=f"{CONFTEST}\n{blocks('target-in-python.md')[number]}")
    project.run_here().assert_outcomes(passed=1)
    assert project.evidence().target.name == "our gateway, staging"


def test_a_finding_and_a_section_of_a_project(project: Project) -> None:  # noqa: F811
    hooks, drill = blocks("add-a-finding.md")
    project.write(drill, conftest=f"{CONFTEST}\n{hooks}")
    project.run().assert_outcomes(passed=1)
    assert list(project.evidence().runbook.sections)[2:4] == ["quick-flags", "logs"]


def test_the_finding_of_a_project_is_found(project: Project) -> None:  # noqa: F811
    hooks, drill = blocks("add-a-finding.md")
    project.write(drill.replace('count("ERROR")', 'count("")'), conftest=f"{CONFTEST}\n{hooks}")
    project.run().assert_outcomes(failed=1)
    assert [found.code for found in project.drills()["test_logs_are_quiet"].findings] == ["release-logs-errors"]


def test_a_drill_may_end_the_client_traffic(project: Project) -> None:  # noqa: F811
    _, ended = blocks("write-a-drill.md")
    marked = ended.replace("def test_", '@pytest.mark.drill("Our own", runbook="prevention")\ndef test_')
    step = 'with drill.step("Look"):\n        drill.check("it is healthy", stack.client.healthy())'
    project.write(f"import pytest\n{marked.replace('...', step)}")
    project.run().assert_outcomes(passed=1)

"""A runtime written as docs/guides/add-a-runtime.md says fulfils the gateway's contract, outside of a checkout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.drill_project import CONFTEST, Project

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "add-a-runtime.md"


def example(containing: str) -> str:
    """The Python block of the page that contains a text."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if containing in block)
    return found


@pytest.mark.slow
def test_the_runtime_of_the_page_passes_the_contract(project: Project) -> None:
    project.write(example("class TestCounting"), conftest=f"{CONFTEST}\n{example('class Counting')}")
    result = project.run()
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}, outcomes
    assert outcomes["passed"] > 20
    project.assert_nothing_left()


def test_a_runtime_that_breaks_the_contract_fails_with_the_values(project: Project) -> None:
    """A gateway that reports another release than the deployed one, to show that assertions are rewritten."""
    broken = "\n\nclass Broken(Counting):\n    def gateway(self, name, database_url):\n"
    broken += "        gateway = super().gateway(name, database_url)\n"
    broken += "        type(gateway).release = property(lambda self: 'none')\n"
    broken += "        return gateway\n"
    tests = example("class TestCounting").replace("import Counting", "import Broken").replace("= Counting", "= Broken")
    project.write(tests, conftest=f"{CONFTEST}\n{example('class Counting')}{broken}")
    result = project.run("-k", "test_nothing_runs_before_a_deployment")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * assert (False, 'none', {}) == (False, None, {})"])
    project.assert_nothing_left()

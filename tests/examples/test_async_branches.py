"""examples/async-branches: signed webhooks, an asynchronous env.py, and revisions in two branches."""

from __future__ import annotations

from collections.abc import Callable

from support.example_project import NO_BUDGET, NO_COMPOSE, Example, findings, reasons, verdicts

NAME = "async-branches"


def test_its_page(example: Callable[..., Example]) -> None:
    hub = example(NAME)
    done = hub.shell(hub.pages_commands("embedded"))
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    run = hub.run()
    assert {reason for reason in reasons(run) if "(flags.symptom)" not in reason} == {NO_COMPOSE, NO_BUDGET}
    found = verdicts(run)
    assert found["test_reversibility"] == {"passed": 5}
    assert found["test_scenario_a_integration"] == {"passed": 5}


def test_a_signature_that_nobody_verifies_is_caught(example: Callable[..., Example]) -> None:
    hub = example(NAME)
    hub.edit("hub/forges.py", "return signature is not None and", "return True or")
    run = hub.drill("test_prevention_previous_release")
    assert findings(run) == {"wrong-code"}

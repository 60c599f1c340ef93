"""examples/compose-entrypoint: on Compose alone, without flags, with an entry point that always migrates."""

from __future__ import annotations

from collections.abc import Callable

from support.example_project import NO_BUDGET, Example, findings, reasons, verdicts

NAME = "compose-entrypoint"
NO_FLAGS = "the target has no feature flags ([flags])"
ALWAYS_MIGRATES = (
    "every start of the target's gateway migrates (gateway.always_migrates): a restart would undo the downgrade"
)


def test_its_page(example: Callable[..., Example], images: dict[str, str]) -> None:
    board = example(NAME, **images)
    done = board.shell(board.pages_commands("compose"))
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    run = board.run()
    assert run.runtime.name == "compose"
    found = verdicts(run)
    assert {reason for reason in reasons(run) if NO_FLAGS not in reason} == {NO_BUDGET, ALWAYS_MIGRATES}
    assert sorted(name for name, count in found.items() if count["skipped"]) == [
        "test_interrupted_quick_database",
        "test_interrupted_quick_flags",
        "test_letter_flag_check",
        "test_letter_restart",
        "test_prevention_error_rate",
        "test_prevention_every_flag",
        "test_quick_database_one_step",
        "test_quick_flags",
        "test_random_game_days",
        "test_recovery_checklist",
        "test_scenario_a_error_rate",
        "test_scenario_a_integration",
    ]
    assert found["test_reversibility"] == {"passed": 2}
    assert found["test_scenario_b_failed_migration"] == {"passed": 6}


def test_a_downgrade_that_forgets_the_severity_is_caught(
    example: Callable[..., Example], images: dict[str, str]
) -> None:
    board = example(NAME, **images)
    board.edit("migrations/versions/2401_severity.py", "title = '[' || severity || '] ' || title", "title = title")
    run = board.drill("test_quick_application", "compose")
    assert findings(run) == {"rows-lost"}

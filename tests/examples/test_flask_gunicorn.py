"""examples/flask-gunicorn: releases from git tags, 404 as the agreed answer, embedded and on Docker."""

from __future__ import annotations

from collections.abc import Callable

from support.example_project import NO_BUDGET, NO_COMPOSE, Example, findings, reasons, verdicts

NAME = "flask-gunicorn"


def in_its_repository(example: Example) -> Example:
    """The repository that the page creates."""
    made = Example(example.directory.parent / "parcels", example.environment)
    if not made.directory.exists():
        done = example.shell("sh make-repository ../parcels")
        assert done.returncode == 0, done.stdout
    return made


def test_its_page(example: Callable[..., Example]) -> None:
    parcels = example(NAME)
    done = parcels.shell(parcels.pages_commands("embedded"))
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    run = in_its_repository(parcels).run()
    assert run.runtime.name == "embedded"
    assert reasons(run) == {NO_COMPOSE, NO_BUDGET}
    found = verdicts(run)
    assert found.pop("rounds") == {"passed": 1}
    assert {name: dict(count) for name, count in found.items() if count["passed"] != 1} == {
        **{
            name: {"skipped": 1}
            for name, count in found.items()
            if name.startswith(("test_letter_", "test_random_")) and count["passed"] != 1
        },
        "test_scenario_a_integration": {"passed": 6},
        "test_scenario_b_failed_migration": {"passed": 6},
        "test_scenario_c_bad_backup": {"passed": 3},
        "test_reversibility": {"passed": 4},
    }


def test_its_page_on_docker(example: Callable[..., Example], images: dict[str, str]) -> None:
    parcels = example(NAME, **images)
    done = parcels.shell(parcels.pages_commands("docker"))
    assert done.returncode == 0, done.stdout
    assert "all is well" in done.stdout
    run = in_its_repository(parcels).run()
    assert run.runtime.name == "docker"
    assert {name for name, count in verdicts(run).items() if count["passed"]} == {
        "test_quick_application",
        "test_quick_database_one_step",
        "test_quick_database_named_revision",
        "test_quick_flags",
        "test_scenario_c_full_restore",
        "test_scenario_c_bad_backup",
        "test_interrupted_quick_application",
        "test_interrupted_quick_database",
        "test_interrupted_quick_flags",
        "test_interrupted_scenario_c",
    }


def test_a_downgrade_that_loses_reports_is_caught(example: Callable[..., Example]) -> None:
    parcels = example(NAME)
    drop = 'op.execute("DROP TABLE parcel_history")'
    lose = "op.execute(\"DELETE FROM deliveries WHERE status = 'accepted'\")"
    parcels.edit("db/versions/0003_parcel_history.py", drop, f"{lose}\n    {drop}")
    run = in_its_repository(parcels).drill("test_quick_application")
    assert findings(run) == {"rows-lost"}


def test_a_switch_that_is_not_read_is_caught(example: Callable[..., Example]) -> None:
    parcels = example(NAME)
    parcels.edit("parcels/web.py", 'app.config["ENABLED"] = enabled()', 'app.config["ENABLED"] = frozenset(CARRIERS)')
    run = in_its_repository(parcels).drill("test_quick_flags")
    assert findings(run) == {"flag-ignored"}


def test_a_switched_off_carrier_that_was_forgotten_is_caught(example: Callable[..., Example]) -> None:
    """Also a 404, but not the agreed answer: the status alone shows no difference."""
    parcels = example(NAME)
    body = '{"error": "carrier not enabled", "retry": False}'
    parcels.edit("parcels/web.py", body, '{"error": "no such carrier"}')
    run = in_its_repository(parcels).drill("test_quick_flags")
    assert findings(run) == {"disabled-answer-differs"}


def test_without_the_volatile_column_an_updated_parcel_is_taken_for_a_loss(example: Callable[..., Example]) -> None:
    parcels = example(NAME)
    parcels.edit("target.toml", 'volatile = ["public.parcels.status", "public.parcels.updated_at"]', "")
    run = in_its_repository(parcels).drill("failed_migration and in-a-transaction")
    assert findings(run) == {"rows-lost"}

"""The list of all options is what pytest shows."""

from __future__ import annotations

import pytest

from rollback_drills.pytest_plugin.options import every_option


def test_every_option_of_the_list_stands_in_the_help(pytester: pytest.Pytester) -> None:
    help_text = pytester.runpytest_inprocess("--help").stdout.str()
    listed = every_option()
    assert len(listed) == 20
    for option in listed:
        assert f"  {option.name}" in help_text
        assert " ".join(option.help.split()[:3]) in " ".join(help_text.split())
        assert f"  {option.ini} (" in help_text or not option.ini


def test_a_key_of_the_configuration_belongs_to_its_option() -> None:
    keys = {option.name: option.ini for option in every_option() if option.ini}
    assert keys == {
        "--drill-target": "drill_target",
        "--drill-runtime": "drill_runtime",
        "--drill-report-dir": "drill_report_dir",
        "--drill-timeout": "drill_timeout",
        "--drill-budget": "drill_budget",
    }


def test_a_switch_takes_no_value() -> None:
    switches = {option.name for option in every_option() if not option.metavar}
    assert switches == {"--drill-keep-stack", "--drill-strict-loss", "--drill-baseline-write"}

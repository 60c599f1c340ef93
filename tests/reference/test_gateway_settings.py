"""The reference gateway's settings: what is not understood stops the start."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.reference_gateway import (
    HEADS,
    SOURCE,
    environment,
    start,
    unreachable,
)


@given(st.sampled_from([*environment.TRUE, *environment.FALSE]), st.data())
def test_switches_are_understood_in_any_case(word: str, data: st.DataObject) -> None:
    spelt = "".join(letter.upper() if data.draw(st.booleans()) else letter for letter in word)
    padding = data.draw(st.text(" \t", max_size=2))
    assert environment.boolean("FLAG", padding + spelt + padding) is (word in environment.TRUE)


@given(st.one_of(st.text(), st.sampled_from(["", "tru", "2", "-1", "none", "enabled", "yes!", "0.0", "\uff54rue"])))
def test_nothing_else_is_taken_for_a_switch(text: str) -> None:
    if text.strip().lower() in environment.TRUE + environment.FALSE:
        return
    with pytest.raises(environment.ConfigurationError) as caught:
        environment.boolean("FLAG", text)
    message = str(caught.value)
    assert "FLAG" in message
    assert repr(text) in message
    assert "true, 1, on, yes, false, 0, off, no" in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_database_urls_become_what_libpq_understands(scheme: str) -> None:
    url = environment.database_url({"DATABASE_URL": f"{scheme}://u:p%40@h:5433/d?sslmode=prefer"})
    assert url == "postgresql://u:p%40@h:5433/d?sslmode=prefer"


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://u:s3cr3t@h/d"}, "postgresql://, postgres://, postgresql+psycopg://"),
        ({"DATABASE_URL": "postgresql://u:s3cr3t@x@h:port/d"}, "not a valid connection URL"),
        ({"INTEGRATIONS_JIRA_ENABLED": "maybe"}, "INTEGRATIONS_JIRA_ENABLED='maybe'"),
        ({"INTEGRATIONS_GITHUB_ACTIONS_ENABLED": ""}, "INTEGRATIONS_GITHUB_ACTIONS_ENABLED=''"),
        ({"MIGRATE_ON_START": "perhaps"}, "MIGRATE_ON_START='perhaps'"),
        ({"LOG_LEVEL": "loud"}, "debug, info, warning, error"),
        ({"DATABASE_POOL_SIZE": "0"}, "between 1 and 50"),
        ({"DATABASE_TIMEOUT": "nan"}, "between 0.1 and 60"),
    ],
)
def test_a_setting_that_is_not_understood_stops_the_start(
    trees: dict[str, Path], variables: dict[str, str], says: str
) -> None:
    result = start(trees["0.5.0"], None, **{"DATABASE_URL": unreachable(), **variables})
    assert result.returncode == 2
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "s3cr3t" not in result.stderr + result.stdout


def test_every_flag_reaches_the_container(trees: dict[str, Path]) -> None:
    names = runpy.run_path(str(trees["0.5.0"] / "gateway/integrations.py"))["INTEGRATIONS"]
    flags = {f"INTEGRATIONS_{name.upper()}_ENABLED" for name in names}
    for path, pattern in [
        (SOURCE / "compose.yaml", r"^ +- (INTEGRATIONS_\w+)$"),
        (SOURCE / ".env.example", r"^#(INTEGRATIONS_\w+)=true$"),
    ]:
        listed = re.findall(pattern, path.read_text(), re.MULTILINE)
        assert len(listed) == 21
        assert set(listed) == flags


def test_the_runbook_covers_every_section() -> None:
    text = (SOURCE / "ROLLBACK.md").read_text()
    sections = ["Quick rollback", "Scenarios", "Recovery checklist", "Prevention"]
    assert re.findall("^## (.*)$", text, re.MULTILINE) == sections
    assert len(re.findall(r"^### (?:\d\. |Scenario [ABC]: )", text, re.MULTILINE)) == 6
    assert text.count("- [ ] ") == 10
    for revision in HEADS.values():
        assert revision in text

"""Markdown for the ticket, lines for the terminal, and the JSON Schema."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples
from support.hostile_evidence import HOSTILE, hostile_run

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.evidence.schema import evidence_schema
from rollback_drills.report.formats.markdown import MAX_CHARACTERS, code, escape, render_markdown
from rollback_drills.report.formats.terminal import terminal_lines
from rollback_drills.report.views.report import Reports

STYLES = {"", "bold", "green", "red", "yellow", "green bold", "red bold", "yellow bold"}


def width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("a | b", r"a \| b"),
        ("<script>", "&lt;script&gt;"),
        ("*b* _i_ `c` [l](u) ~s~ $m$ \\", r"\*b\* \_i\_ \`c\` \[l\](u) \~s\~ \$m\$ " + "\\\\"),
        ("two\nlines\r\n", "two lines␍"),
        ("# head", r"\# head"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("0.5.0", "0.5.0"),
        ("@everyone #12", "@<!-- -->everyone #<!-- -->12"),
        ("https://evil.example www.evil.example", "https&#58;//evil.example www&#46;evil.example"),
        ("&amp; \u202e", "&amp;amp; &lt;U+202E&gt;"),
    ],
)
def test_markdown_is_escaped(text: str, literal: str) -> None:
    assert escape(text) == literal


def test_code_spans_hold_whatever_they_hold() -> None:
    assert [code(text) for text in ("plain", "a`b", "``", "a|b", "")] == [
        "`plain`",
        "``a`b``",
        "``` `` ```",
        "`a\\|b`",
        "",
    ]


@pytest.mark.parametrize("run", [samples.game_day(), *map(hostile_run, HOSTILE)])
def test_tables_keep_their_columns(run: RunEvidence) -> None:
    text = render_markdown(Reports(run))
    assert len(text) <= MAX_CHARACTERS
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows
    assert {line.replace("\\|", "").count("|") for line in rows} == {6, 8}
    assert "<script" not in re.sub("`[^`]*`", "", text)  # in a code span it is text


def test_markdown_says_the_same_as_the_page() -> None:
    text = render_markdown(Reports(samples.game_day()))
    said = "Can reference gateway 0.5.0 go back to 0.4.0? Yes, as far as it was drilled, but not its database"
    assert text.startswith(f"# ❌ {said}")
    assert "Scenario A: a new integration causes issues (21 integrations) | ❌ No (2 of 21)" in text
    assert "- [ ] Post mortem" in text
    assert "evidence of the *procedure*" in text
    assert len(text) < 6_000


def test_long_markdown_is_cut_with_a_note() -> None:
    drills = [
        build.drill(f"t.py::test_{index}", "failed", title="|" * 200, findings=[build.finding("rows-lost", "`" * 300)])
        for index in range(400)
    ]
    text = render_markdown(Reports(build.run(*drills)))
    assert len(text) <= MAX_CHARACTERS
    assert text.endswith("…the rest is in incident.html.\n")


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("run", [samples.game_day(), samples.good_day(), build.run(), *map(hostile_run, HOSTILE)])
def test_terminal_lines_fit(run: RunEvidence, columns: int) -> None:
    lines = terminal_lines(Reports(run), "reports/x/incident.html", width=columns)
    assert all(width(text) <= columns for text, _ in lines[:-1])
    assert not any(char in text for text, _ in lines for char in "\x1b\x00\n\r\u202e\ud800")
    assert {style for _, style in lines} <= STYLES
    assert lines[-1] == ("report: reports/x/incident.html", "bold")


def test_terminal_shows_what_matters_at_three_in_the_morning() -> None:
    lines = terminal_lines(Reports(samples.game_day()), "r/incident.html")
    text = "\n".join(line for line, _ in lines)
    assert lines[0] == ("Can reference gateway 0.5.0 go back to 0.4.0?", "bold")
    assert lines[1] == ("Yes, as far as it was drilled, but not its database or one integration at a", "red bold")
    assert ("1  The downgrade does not restore the schema [critical, schema-residue]", "red bold") in lines
    assert "   do     Parse the flag strictly" in text
    assert "   again  pytest 'drills/test_scenario_a.py::test_integration[slack]'" in text
    assert text.index("schema-residue") < text.index("objective-missed") < text.index("can we?")
    (scenario,) = [(line, style) for line, style in lines if line.startswith("Scenario a")]
    assert "NO" in scenario[0].split()
    assert scenario[1] == "red"
    assert "left out" not in text
    assert "…" not in text.replace("target has no backup command ([backup] in …", "")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_run_without_findings_is_told_in_forty_lines(columns: int) -> None:
    lines = [line for line, _ in terminal_lines(Reports(samples.good_day()), "r", width=columns)]
    assert len(lines) <= 36  # pytest adds its own first and last lines
    assert "…" not in "".join(lines)
    assert sum("yes" in line.split() for line in lines) == 8


def test_wide_characters_count_twice() -> None:
    drill = build.drill(title="回滚应用程序" * 12, findings=[build.finding("rows-lost", "数据" * 100)])
    assert all(width(text) <= 80 for text, _ in terminal_lines(Reports(build.run(drill)), "r"))


def test_schema_describes_the_evidence() -> None:
    schema = evidence_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "$id" not in schema
    assert schema["title"] == "Evidence of a run of rollback drills, version 1.4"
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    assert {"Check", "Finding", "DrillEvidence", "Recovery", "Writes"} <= definitions.keys()
    assert json.loads(json.dumps(schema)) == schema

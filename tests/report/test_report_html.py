"""The incident document: complete, harmless whatever the evidence says, small, and the same for the same evidence."""

from __future__ import annotations

import hashlib
import re
import time
from base64 import b64encode
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from support import evidence_builder as build
from support import evidence_samples as samples
from support.hostile_evidence import HOSTILE, hostile_run

from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.formats.html import MAX_BYTES, render_html
from rollback_drills.report.views.report import Reports

VOID = {"meta", "link", "br", "hr", "img", "input"}
_TAGS = """
    html head meta link title style body a header main section article nav footer div span p h1 h2 h3 h4 ul ol li dl
    dt dd table thead tbody tr th td strong code pre i del ins details summary figure figcaption svg line text rect
    path polyline circle script button input textarea label b symbol use time
"""
_ATTRIBUTES = """
    lang charset http-equiv content name rel href class id scope colspan role open tabindex data-label aria-label
    aria-labelledby aria-hidden width height x y x1 x2 y1 y2 viewbox preserveaspectratio d points cx cy r for type
    rows hidden autocomplete data-field data-scripted data-run aria-describedby datetime
    rx
"""
TAGS, ATTRIBUTES = set(_TAGS.split()), set(_ATTRIBUTES.split())


class Page(HTMLParser):
    """Every tag, attribute and text of a page; checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        values = dict(attrs)
        self.links += [values["href"] or ""] if "href" in values else []
        self.ids += [values["id"] or ""] if "id" in values else []
        if tag == "th":
            assert values.get("scope") in ("row", "col")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.texts.append(data)
        if self.headings and any(re.fullmatch("h[1-6]", tag) for tag in self._open):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.mark.parametrize("text", HOSTILE, ids=["script", "quotes", "close", "jinja", "control", "entities", "long"])
def test_hostile_text_is_text(text: str) -> None:
    html = render_html(Reports(hostile_run(text)))
    page = Page(html)
    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", html
    )
    assert len(html.encode()) < MAX_BYTES
    if len(text) < 100 and text.isprintable():
        assert " ".join(text.split()) in page.text


def test_control_characters_are_shown() -> None:
    text = Page(render_html(Reports(hostile_run(HOSTILE[4])))).text
    assert "␛[31mred␛[0m␀␈ rtl<U+202E>gnp.exe <U+200B><U+FEFF> <U+D800>" in text


@pytest.mark.parametrize("run", [samples.game_day(), samples.good_day(), build.run()], ids=["bad", "good", "empty"])
def test_every_section_is_there_in_order_and_every_link_leads_somewhere(run: RunEvidence) -> None:
    page = Page(render_html(Reports(run)))
    assert [text for level, text in page.headings if level == 2] == [
        *(["If it happens tonight"] if run.drills else []),
        "To do first" if run.verdict == "failed" else "To do",
        "The 8 sections of the runbook",
        "Findings",
        "What was not proven, and why",
        "All no drills" if not run.drills else f"All {len(run.drills)} drills",
        "Recovery checklist",
        "Scope, objectives, versions",
        "To be filled in by people",
        "Files",
        "Words",
        "Sign-off",
    ]
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_it_says_what_a_reader_needs() -> None:
    text = Page(render_html(Reports(samples.game_day()))).text
    for words in (
        "Yes, as far as it was drilled, but not its database or one integration at a time.",
        "19 of 26 drills passed, 3 failed",
        "No way back is proven",
        "Do not downgrade the database",
        "Make downgrade() the exact inverse",
        "recovery 6 min 4 s, objective missed",
        "downtime 5 min 51 s of 5 s, missed",
        "ENUM ('received', 'stored', 'failed')",
        "1,187 rows, 01de01de01de…",
        "bind: address already in use",
        "auto: no Docker engine answers",
        "sha256:" + "c4" * 32,
        "b2" * 32,
        "for a person to tick",
        "the target has no backup command",
        "not evidence of production\u2019s backups",
        "Owner",
        "Approved by",
        "Ticket",
        "Detection",
        "Analysis",
        "Sign-off",
        "someone who did not perform",
        "killed at its time limit",
        "pytest 'drills/test_scenario_a.py::test_integration[slack]'",
        "docs/reference/findings.md#flag-ignored",
        "lost 48 of 9,120, the oldest 12.4 s of 5 s, missed",
        "What clients saw: not measured.",
        "delivery-00911",
        "Before the trigger",
        "During the rollback",
        "✗ 13 rows gone",
        "1 relation differs",
    ):
        assert words in text, words


def test_nothing_is_fetched_and_nothing_runs_but_its_own_script() -> None:
    html = render_html(Reports(samples.game_day()))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-[\w+/=]{44}'", html)
    assert f"script-src 'sha256-{digest}';" in html
    assert html.count("<script") == 1
    assert not re.search(r"<iframe|<object|<img|<form|\ssrc=|\sstyle=|\son\w+=|@import|url\(|https?://", html)
    assert not re.search(r"innerHTML\s*=|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


@pytest.mark.parametrize("output", ["x" * 1_000_000, "'\"<&>\x1b\u202e" * 100_000], ids=["plain", "hostile"])
def test_a_game_day_stays_small_whatever_the_logs(output: str) -> None:
    html = render_html(Reports(samples.large(40, output, steps=10)))
    assert len(html.encode()) < MAX_BYTES
    assert "characters left out" in html
    assert html.count('<article class="drill') == 40


def test_the_bound_holds_for_many_entries_too() -> None:
    checks = [build.check(f"check {number}", "x" * 400, "y" * 400) for number in range(300)]
    steps = [build.step(number, f"Step {number}", number, 1.0, *checks) for number in range(1, 31)]
    run = build.run(*(build.drill(f"t.py::test_{index}", "failed", steps=steps) for index in range(10)))
    html = render_html(Reports(run))
    assert len(html.encode()) < MAX_BYTES
    assert "more entries of this step in" in html


def test_same_evidence_same_bytes() -> None:
    run = samples.game_day()
    again = RunEvidence.model_validate_json(run.model_dump_json())
    assert render_html(Reports(run)) == render_html(Reports(again))


def test_rendering_is_quick() -> None:
    run = samples.large(60, "log line\n" * 8, steps=5)
    render_html(Reports(run))  # compiles the templates
    took = []
    for _ in range(3):
        began = time.process_time()
        render_html(Reports(run))
        took.append(time.process_time() - began)
    # Some 100 ms of processor time on two slow cores, which a busy machine hardly changes.
    assert min(took) < 0.5

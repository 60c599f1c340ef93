"""The incident document in a browser: it complains about nothing, asks for nothing, fits, and can be used by all."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from support import evidence_builder as build
from support import evidence_samples as samples
from support.hostile_evidence import HOSTILE, hostile_run
from support.visiting import visit

from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.report.filing.filing import write_report
from rollback_drills.report.filing.history import History, past_of
from rollback_drills.report.formats.html import render_html, render_index
from rollback_drills.report.views.report import Reports
from rollback_drills.report.views.runs import runs_of

TELLTALE = """<!doctype html><html lang="en"><title>x</title>
<meta http-equiv="Content-Security-Policy" content="style-src 'none'"><p style="color: red">x</p>
<main><p>grey</p><input></main><div style="width: 3000px">x</div><img src="http://telltale.invalid/x.png">"""


@pytest.fixture(scope="session")
def bad_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document of a run with everything in it, and with former runs."""
    directory = tmp_path_factory.mktemp("bad-day")
    run = samples.game_day()
    former = tuple(past_of(run).model_copy(update={"run": f"2026112{number}-030405-aaaa"}) for number in range(4))
    return write_report(Reports(run, History(former)), directory)[1]


@pytest.fixture(scope="session")
def good_day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(Reports(samples.good_day()), tmp_path_factory.mktemp("good-day"))[1]


def complaints(page: Page) -> list[str]:
    """What axe-core finds, with the first element of each."""
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in Axe().run(page).response["violations"]]


@pytest.mark.parametrize("day", ["bad_day", "good_day"])
def test_it_complains_about_nothing_and_asks_for_nothing(
    day: str, browser: Browser, request: pytest.FixtureRequest
) -> None:
    with visit(browser, request.getfixturevalue(day)) as seen:
        assert (seen.console, seen.requested) == ([], [])
        assert seen.page.locator("html.scripted").count() == 1  # the policy lets its own script run
        assert len(seen.page.screenshot()) > 50_000  # styled and laid out, not a blank page


def test_the_browser_would_have_told(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "telltale.html"
    page.write_text(TELLTALE)
    with visit(browser, page, width=360) as seen:
        assert seen.requested == ["http://telltale.invalid/x.png"]
        assert any("Content Security Policy" in line for line in seen.console)
        assert any(line.startswith(("label:", "image-alt:")) for line in complaints(seen.page))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_it_fits_and_can_be_used_by_all(width: int, scheme: str, browser: Browser, bad_day: Path) -> None:
    with visit(browser, bad_day, width=width, color_scheme=scheme) as seen:
        assert seen.width <= width
        seen.unfold()
        assert seen.width <= width
        assert complaints(seen.page) == []
        painted = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert painted == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 22, 25)"}[scheme]


@pytest.mark.parametrize("width", [320, 600, 768, 1024])
def test_it_fits_in_between(width: int, browser: Browser, bad_day: Path) -> None:
    with visit(browser, bad_day, width=width) as seen:
        seen.unfold()
        assert seen.width <= width


def test_the_index_fits_and_can_be_used_by_all(browser: Browser, tmp_path: Path) -> None:
    runs = (samples.good_day(), samples.game_day())
    history = History(
        tuple(past_of(run).model_copy(update={"run": f"run-{number}"}) for number, run in enumerate(runs))
    )
    page = tmp_path / "index.html"
    page.write_text(render_index(runs_of(history, lambda run: True)))
    with visit(browser, page, width=360) as seen:
        assert (seen.console, seen.requested, seen.width) == ([], [], 360)
        assert complaints(seen.page) == []


def test_a_document_of_migrations_fits_and_can_be_used_by_all(browser: Browser, tmp_path: Path) -> None:
    revisions = [
        RevisionEvidence(revision=f"{number:04d}_a_rather_long_name_of_a_revision", verdict="lossless")
        for number in range(12)
    ]
    walk = build.drill("t.py::test_reversibility", runbook="reversibility", revisions=revisions)
    page = tmp_path / "incident.html"
    page.write_text(render_html(Reports(build.run(walk))))
    with visit(browser, page, width=360) as seen:
        seen.unfold()
        assert (seen.console, seen.requested, seen.width) == ([], [], 360)
        assert complaints(seen.page) == []


def test_a_long_word_in_a_list_breaks(browser: Browser, tmp_path: Path) -> None:
    """A phone shows it in lines, instead of a page that scrolls sideways."""
    observed = ["revision 0012_delivery_volume_by_status_and_more, no gateway runs", "x" * 200]
    check = build.check("nothing is left", [], [*observed])
    drill = build.drill(verdict="failed", title="y" * 90, steps=[build.step(1, "z" * 90, 0.1, 0.2, check)])
    page = tmp_path / "incident.html"
    page.write_text(render_html(Reports(build.run(drill))))
    with visit(browser, page, width=360) as seen:
        seen.unfold()
        assert seen.width == 360


def test_the_first_screen_says_what_failed_and_what_to_do(browser: Browser, bad_day: Path) -> None:
    with visit(browser, bad_day) as seen:
        for text in (
            "Yes, as far as it was drilled, but not its database",
            "If it happens tonight",
            "Make downgrade() the exact inverse",
        ):
            box = seen.page.get_by_text(text).first.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < 900


def test_a_keyboard_is_enough(browser: Browser, bad_day: Path) -> None:
    with visit(browser, bad_day) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.className") == "skip"
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"
        seen.page.locator("summary").first.focus()
        before = seen.page.locator("details[open]").count()
        seen.page.keyboard.press("Enter")
        assert abs(seen.page.locator("details[open]").count() - before) == 1


def test_without_javascript_all_of_it_is_readable(browser: Browser, bad_day: Path) -> None:
    with visit(browser, bad_day, java_script_enabled=False) as seen:
        assert (seen.console, seen.requested) == ([], [])
        page = seen.page
        assert page.get_by_text("Yes, as far as it was drilled").first.is_visible()
        assert page.locator("button:visible").count() == 0
        page.get_by_label("Approved by", exact=True).fill("Ada")
        page.locator("summary").first.click()


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=["script", "quotes", "close", "jinja", "control", "entities"])
def test_hostile_text_is_text_in_a_browser_too(text: str, browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "incident.html"
    page.write_text(render_html(Reports(hostile_run(text))))
    with visit(browser, page) as seen:
        assert (seen.console, seen.requested) == ([], [])
        assert seen.page.locator("script").count() == 1
        assert seen.page.locator("img, iframe, object, [onerror], [onmouseover]").count() == 0
        assert seen.page.locator("h1").count() == 1
        assert seen.width <= 1440

"""The incident document on paper: the page, the findings and the sign-off; of the rest, what was opened."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from pypdf import PdfReader
from support import evidence_samples as samples
from support.visiting import visit

from rollback_drills.report.filing.filing import write_report
from rollback_drills.report.views.report import Reports

pytestmark = pytest.mark.slow

SIZES = {"A4": (595, 842), "Letter": (612, 792)}  # points
LONG = "\n".join(f"Line {number} of a long analysis." for number in range(1, 121))


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(Reports(samples.game_day()), tmp_path_factory.mktemp("print"))[1]


def printed(page: Page, size: str = "A4") -> list[str]:
    """The text of each page, without line breaks."""
    reader = PdfReader(io.BytesIO(page.pdf(format=size, print_background=True)))
    for sheet in reader.pages:
        assert (int(sheet.mediabox.width), int(sheet.mediabox.height)) == SIZES[size]
    return [" ".join(sheet.extract_text().split()) for sheet in reader.pages]


FOLDED = ("Container gateway Stopped", "Running downgrade 0020 -> 0019", "delivery-00007", "OSError: [Errno 98]")
BUTTONS = ("Save a completed copy", "Add an action", "Skip to", "Open every fold")


@pytest.mark.parametrize(("size", "scripted"), [("A4", True), ("Letter", False)])
def test_paper_has_the_page_the_findings_and_the_sign_off(
    size: str, scripted: bool, browser: Browser, document: Path
) -> None:
    with visit(browser, document, java_script_enabled=scripted) as seen:
        pages = printed(seen.page, size)
    assert len(pages) <= 4
    text = " ".join(pages)
    for words in (
        "Yes, as far as it was drilled, but not its database",
        "If it happens tonight",
        "Do not downgrade the database",
        "The downgrade does not restore the schema",
        "13 of 1 200 rows of deliveries are gone",
        "accepted as it stands",
        "Approved by",
    ):
        assert words in text, words
    for words in (*FOLDED, *BUTTONS, "SHA-256"):
        assert words not in text, words
    assert all(f"{number} / {len(pages)}" in page for number, page in enumerate(pages, 1))


def test_a_run_without_findings_is_one_sheet(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, write_report(Reports(samples.good_day()), tmp_path)[1]) as seen:
        (sheet,) = printed(seen.page)
    assert "Yes." in sheet
    assert "Approved by" in sheet


def test_what_was_opened_is_printed_too(browser: Browser, document: Path) -> None:
    with visit(browser, document) as seen:
        seen.page.get_by_role("button", name="Open every fold").click()
        text = " ".join(printed(seen.page))
    for words in (*FOLDED, "Chosen because"):
        assert words in text, words
    assert not any(button in text for button in BUTTONS)


def test_what_was_filled_in_is_printed_however_long(browser: Browser, document: Path) -> None:
    with visit(browser, document) as seen:
        seen.page.locator("summary", has=seen.page.locator("#fields")).click()
        seen.page.get_by_label("Analysis", exact=True).fill(LONG)
        seen.page.get_by_label("Owner", exact=True).fill("Grace Hopper")
        seen.page.locator("[name='action-1-what']").fill("Write an exact downgrade()")
        seen.page.locator("[name='action-1-due']").fill("2026-12-24")
        text = " ".join(printed(seen.page))
    for words in (*LONG.splitlines(), "Grace Hopper", "Write an exact downgrade()", "2026-12-24"):
        assert words in text
    assert "mm/dd/yyyy" not in text  # dates that nobody gave are blank


def test_rows_are_not_cut_by_the_end_of_a_page(browser: Browser, document: Path) -> None:
    with visit(browser, document) as seen:
        seen.page.emulate_media(media="print")
        rule = "[...document.querySelectorAll(%s)].every(each => getComputedStyle(each).breakInside === 'avoid')"
        for selector in ("tr", ".timeline", ".finding", ".nine > ol > li", ".checklist > li"):
            assert seen.page.evaluate(rule % repr(selector)), selector
        assert seen.page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"

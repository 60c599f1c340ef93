"""The incident document on paper: nothing is hidden, nothing is cut, a drill begins on a page of its own."""

from __future__ import annotations

import io
import re
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


@pytest.mark.parametrize(("size", "scripted"), [("A4", True), ("Letter", False)])
def test_everything_is_printed_and_drills_begin_on_pages_of_their_own(
    size: str, scripted: bool, browser: Browser, document: Path
) -> None:
    with visit(browser, document, java_script_enabled=scripted) as seen:
        pages = printed(seen.page, size)
    assert 10 < len(pages) < 25
    assert min(map(len, pages)) > 100  # no page is blank
    text = " ".join(pages)
    for folded in (
        "Container gateway Stopped",
        "Running downgrade 0020 -> 0019",
        "delivery-00007",
        "OSError: [Errno 98]",
        "for a person to tick",
        "Signed by someone who did not",
    ):
        assert folded in text, folded
    for button in ("Save a completed copy", "Add an action", "Skip to"):
        assert button not in text
    assert all(f"{number} / {len(pages)}" in page for number, page in enumerate(pages, 1))
    for title in ("Quick rollback 2: database", "Scenario A: a new integration causes issues"):
        assert sum(bool(re.match(rf"\d+ / \d+ (. \w+ )?{title}", page)) for page in pages) == 1, title


def test_what_was_filled_in_is_printed_however_long(browser: Browser, document: Path) -> None:
    with visit(browser, document) as seen:
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
        for selector in ("tr", ".timeline", ".finding", ".now > li", ".checklist > li"):
            assert seen.page.evaluate(rule % repr(selector)), selector
        assert seen.page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"

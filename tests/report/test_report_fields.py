"""What people fill in: kept while they type, saved as a copy of its own, text and never HTML."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page
from support import evidence_samples as samples
from support.visiting import Visit, visit

from rollback_drills.report.filing.filing import write_report
from rollback_drills.report.views.report import Reports

pytestmark = pytest.mark.slow

NASTY = "\n</textarea><script>document.title = 'owned'</script>\n\n\"quoted\" & 'single' <b>bold</b>"
NO_STORAGE = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(Reports(samples.game_day()), tmp_path_factory.mktemp("fields"))[1]


def unfold(page: Page) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def fill_in(page: Page) -> None:
    unfold(page)
    page.get_by_label("Owner", exact=True).fill("Grace <i>Hopper</i>")
    page.get_by_label("Analysis", exact=True).fill(NASTY)
    page.locator("[name='action-1-what']").fill("Write an exact downgrade()")
    page.locator("[name='action-1-due']").fill("2026-12-24")
    page.locator("[name='action-1-done']").check()
    page.get_by_role("button", name="Add an action").click()
    page.keyboard.type("One more action")
    page.locator("[name='check-8']").check()
    page.locator("[name='check-8-by']").fill("Ada")


def assert_filled_in(seen: Visit) -> None:
    assert seen.value("owner") == "Grace <i>Hopper</i>"
    assert seen.value("analysis") == NASTY
    assert seen.value("action-1-what") == "Write an exact downgrade()"
    assert seen.value("action-1-due") == "2026-12-24"
    assert seen.page.locator("[name='action-1-done']").is_checked()
    assert not seen.page.locator("[name='action-2-done']").is_checked()
    assert seen.value("action-7-what") == "One more action"
    assert seen.page.locator("[name='check-8']").is_checked()
    assert seen.value("check-8-by") == "Ada"
    assert seen.page.locator("script").count() == 1
    assert "owned" not in seen.page.title()
    assert seen.console == []


def save_copy(page: Page, to: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save a completed copy").click()
    assert download.value.suggested_filename == "incident-20261122-030405-7f3a-completed.html"
    download.value.save_as(to)
    return to


def test_nothing_is_lost_by_closing_the_tab(browser: Browser, document: Path) -> None:
    with visit(browser, document) as first:
        fill_in(first.page)
        first.page.close()
        again = Visit(first.page.context.new_page(), document.as_uri())
        assert_filled_in(again)
        assert "Restored what was typed" in again.page.locator("#kept").inner_text()
        again.page.get_by_role("button", name="Discard what was typed").click()
        assert again.value("owner") == ""
        again.page.reload()
        assert (again.value("owner"), again.console) == ("", [])


def test_two_tabs_of_one_page_agree(browser: Browser, document: Path) -> None:
    with visit(browser, document) as one:
        other = Visit(one.page.context.new_page(), document.as_uri())
        unfold(one.page)
        one.page.get_by_label("Ticket").fill("OPS-1")
        other.page.wait_for_function("document.querySelector('[name=ticket]').value === 'OPS-1'")
        other.page.get_by_label("Approved by", exact=True).fill("Ada")
        one.page.wait_for_function("document.querySelector('[name=sign-off-name]').value === 'Ada'")
        assert one.value("ticket") == "OPS-1"


@pytest.mark.parametrize("scripted", [True, False], ids=["with-javascript", "without"])
def test_a_completed_copy_stands_by_itself(scripted: bool, browser: Browser, document: Path, tmp_path: Path) -> None:
    with visit(browser, document) as original:
        fill_in(original.page)
        copy = save_copy(original.page, tmp_path / "copy.html")
    with visit(browser, copy, java_script_enabled=scripted) as seen:  # elsewhere: nothing of the first is kept here
        if scripted:
            assert_filled_in(seen)
        assert seen.value("analysis") == NASTY
        assert seen.page.get_by_text("Completed copy, saved 2").is_visible()
        assert (seen.console, seen.requested) == ([], [])
        if scripted:  # and a copy of the copy
            seen.page.get_by_label("Approved by", exact=True).fill("Linus")
            second = save_copy(seen.page, tmp_path / "second.html")
            with visit(browser, second) as third:
                assert_filled_in(third)
                assert third.value("sign-off-name") == "Linus"


def test_a_copy_differs_from_the_document_in_what_was_filled_in_only(
    browser: Browser, document: Path, tmp_path: Path
) -> None:
    with visit(browser, document) as seen:
        copy = save_copy(seen.page, tmp_path / "copy.html")
    texts = []
    for page in (document, copy):
        with visit(browser, page, java_script_enabled=False) as seen:
            seen.page.evaluate("document.getElementById('copy-note').textContent = ''")
            seen.page.evaluate("for (const each of document.querySelectorAll('[data-scripted]')) each.remove()")
            texts.append(seen.page.evaluate("document.body.textContent.replace(/\\s+/g, ' ')"))
    assert texts[0] == texts[1]


def test_where_nothing_is_kept_the_page_says_so_and_asks_before_it_goes(browser: Browser, document: Path) -> None:
    with visit(browser, document) as seen:
        page = seen.page
        page.add_init_script(NO_STORAGE)
        page.reload()
        unfold(page)
        assert seen.console == []
        page.get_by_label("Owner", exact=True).fill("Grace")
        assert "keeps nothing" in page.locator("#kept").inner_text()
        asked: list[str] = []

        def stay(dialog: Dialog) -> None:
            asked.append(dialog.type)
            dialog.accept()

        page.on("dialog", stay)
        with page.expect_event("close"):
            page.close(run_before_unload=True)
        assert asked == ["beforeunload"]


def test_a_broken_draft_does_no_harm(browser: Browser, document: Path) -> None:
    for draft in ("{", "null", '{"values": 3, "actions": "x"}', '{"actions": 1e9, "values": {"owner": 7}}'):
        with visit(browser, document) as seen:
            seen.page.evaluate("text => localStorage.setItem('rollback-drills:20261122-030405-7f3a:', text)", draft)
            seen.page.reload()
            unfold(seen.page)
            assert (seen.console, seen.value("owner")) == ([], "")
            seen.page.get_by_label("Owner", exact=True).fill("Grace")
            assert "Kept in this browser" in seen.page.locator("#kept").inner_text()


@pytest.mark.parametrize(
    ("performed", "signed", "warned"),
    [
        ("Ada Lovelace", "Grace Hopper", False),
        ("Ada Lovelace", " ada  LOVELACE ", True),
        ("Grace Hopper, Ada Lovelace", "Ada Lovelace", True),
        ("Grace and Ada", "Ada", True),
        ("", "", False),
    ],
)
def test_whoever_performed_the_drills_cannot_sign_unnoticed(
    performed: str, signed: str, warned: bool, browser: Browser, document: Path, tmp_path: Path
) -> None:
    with visit(browser, document) as seen:
        seen.page.get_by_label("Performed by", exact=True).fill(performed)
        seen.page.get_by_label("Approved by", exact=True).fill(signed)
        assert seen.page.get_by_role("alert").is_visible() == warned
        copy = save_copy(seen.page, tmp_path / "copy.html")
    with visit(browser, copy, java_script_enabled=False) as seen:
        assert seen.page.get_by_role("alert").is_visible() == warned

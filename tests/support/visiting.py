"""A visit to a page: what it said on the console, what it asked for, and what it looks like from within."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page


class Visit:
    """A page that was opened, and everything that it complained about or asked for."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.console: list[str] = []
        self.requested: list[str] = []
        page.on("console", lambda message: self.console.append(message.text))
        page.on("pageerror", lambda error: self.console.append(str(error)))
        page.on("request", lambda request: self.requested.append(request.url))
        page.goto(address)
        self.requested = [url for url in self.requested if url != address]

    @property
    def width(self) -> int:
        """Of everything that there is, scrolled into view or not."""
        return int(self.page.evaluate("document.documentElement.scrollWidth"))

    def unfold(self) -> None:
        """Open whatever is folded, and lay out also what is out of sight."""
        self.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        lay_out = "each.style.contentVisibility = 'visible'"
        self.page.evaluate(f"for (const each of document.querySelectorAll('.drill')) {lay_out}")

    def value(self, name: str) -> str:
        return self.page.locator(f"[name='{name}']").input_value()


@contextmanager
def visit(browser: Browser, file: Path, *, width: int = 1440, **options: Any) -> Iterator[Visit]:
    """The page of ``file`` in a browser that has never seen it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    try:
        yield Visit(context.new_page(), file.as_uri())
    finally:
        context.close()

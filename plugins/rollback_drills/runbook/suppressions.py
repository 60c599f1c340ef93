"""Findings that the page itself accepts, each with its reason.

`# rollback-drills: ignore CODE: reason` concerns its own line or, if it stands alone, the next command. In a comment of
HTML, `<!-- rollback-drills: ignore CODE: reason -->`, it concerns the next block of code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollback_drills.runbook.flow import Block
from rollback_drills.runbook.page import Comment, Page

_FORM = re.compile(
    r"rollback-drills:\s*ignore\s+(?P<codes>[\w-]+(\s*,\s*[\w-]+)*)\s*(?::\s*(?P<reason>.*))?$", re.DOTALL
)
_MARK = re.compile(r"rollback-drills:")


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppression that concerns the lines from ``first`` to ``last``."""

    line: int
    code: str
    reason: str
    first: int
    last: int

    def covers(self, code: str, line: int) -> bool:
        return code == self.code and self.first <= line <= self.last


@dataclass(frozen=True, slots=True)
class Unfit:
    """What is wrong with a suppression."""

    line: int
    text: str
    why: str


def suppressions_of(page: Page, blocks: Iterable[Block], codes: Iterable[str]) -> tuple[list[Suppression], list[Unfit]]:
    """The suppressions of a page, and those that do not fit: without a reason, or of a code that does not exist."""
    known, found, unfit = set(codes), list[Suppression](), list[Unfit]()
    for line, text, first, last in _marked(page, list(blocks)):
        form = _FORM.search(text)
        if form is None:
            unfit.append(Unfit(line, text, "it is not of the form `rollback-drills: ignore CODE: reason`"))
            continue
        reason = " ".join((form["reason"] or "").split())
        for code in re.split(r"\s*,\s*", form["codes"]):
            if code not in known:
                unfit.append(Unfit(line, text, f"there is no finding {code}"))
            elif not reason:
                unfit.append(Unfit(line, text, "it has no reason"))
            else:
                found.append(Suppression(line, code, reason, first, last))
    return found, unfit


def _marked(page: Page, blocks: list[Block]) -> Iterator[tuple[int, str, int, int]]:
    """Each comment with the mark: its line, its text, and the lines that it concerns."""
    for comment in page.comments:
        if _MARK.search(comment.text):
            yield (comment.line, comment.text, *_next_block(page, comment))
    for block in blocks:
        for place, text in block.script.comments:
            if not _MARK.search(text):
                continue
            line = block.fence.line + place
            alone = block.fence.lines[place].strip().startswith("#")
            later = [call.line for call in block.calls if call.line > line]
            concerned = min(later, default=line) if alone else line
            yield line, text.lstrip("# "), line, concerned


def _next_block(page: Page, comment: Comment) -> tuple[int, int]:
    fence = next((each for each in page.fences if each.line > comment.last), None)
    return (fence.line, fence.line + len(fence.lines)) if fence is not None else (comment.line, comment.last)

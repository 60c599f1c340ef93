"""Runbooks of other people's shapes: what the linter says of each, line by line, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollback_drills.runbook.context import Context
from rollback_drills.runbook.linter import Remark, lint

BOOKS = sorted((Path(__file__).parent / "books").glob("*.md"))


def expected(text: str) -> list[tuple[int, str]]:
    """The last comment of a book: `<!-- expected: LINE CODE; LINE CODE -->`."""
    listed = re.findall(r"<!-- expected:(.*?)-->", text, re.DOTALL)[-1]
    pairs = (each.split() for each in listed.split(";") if each.strip())
    return sorted((int(line), code) for line, code in pairs)


def said(remarks: list[Remark]) -> list[tuple[int, str]]:
    return sorted((each.line, each.code) for each in remarks if not each.accepted)


@pytest.mark.parametrize("book", BOOKS, ids=[each.stem for each in BOOKS])
def test_what_is_said_of_a_book(book: Path):
    text = book.read_bytes().decode()
    assert said(lint(text, Context())) == expected(text)


@pytest.mark.parametrize("book", BOOKS, ids=[each.stem for each in BOOKS])
def test_it_is_the_same_with_the_line_ends_of_another_system(book: Path):
    text = book.read_bytes().decode().replace("\r\n", "\n")
    assert lint(text.replace("\n", "\r\n"), Context()) == lint(text, Context())

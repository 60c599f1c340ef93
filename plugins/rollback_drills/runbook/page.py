"""The structure of a Markdown page: its headings, its fenced code and its comments (CommonMark, by markdown-it-py).

Only fenced code counts: a command in a sentence, for example in a warning, is no instruction.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt

_SHELLS = {"bash", "sh", "shell", "zsh"}
_SESSIONS = {"console", "shell-session", "shellsession", "sh-session", "terminal"}
_LANGUAGE = re.compile(r"[\w+-]+")
_COMMENT = re.compile(r"<!--(?P<text>.*?)-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; ``line`` is counted from 1."""

    line: int
    level: int
    title: str


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced block of code.

    Args:
        number: its place among the fences of the page, from 0.
        line: the line of its first line of code, counted from 1.
        language: the first word of its info string in lower case; may be empty.
        lines: its code, without the indentation of the list that it stands in.
        columns: for each line, how many characters of the page's line precede it.
        heading: the nearest heading above it.
    """

    number: int
    line: int
    language: str
    lines: tuple[str, ...]
    columns: tuple[int, ...]
    heading: Heading | None

    @property
    def shell(self) -> bool:
        """Whether it says that it is for a shell."""
        return self.language in _SHELLS or self.session

    @property
    def session(self) -> bool:
        """Whether it says that it shows prompts and output as well as commands."""
        return self.language in _SESSIONS


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment of HTML, which readers do not see; ``line`` and ``last`` are counted from 1."""

    line: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Markdown."""

    text: str
    lines: tuple[str, ...]
    headings: tuple[Heading, ...]
    fences: tuple[Fence, ...]
    comments: tuple[Comment, ...]

    def prose(self) -> str:
        """The page without its fenced code."""
        code = {line for fence in self.fences for line in range(fence.line, fence.line + len(fence.lines))}
        return "\n".join(text for number, text in enumerate(self.lines, 1) if number not in code)


def read_page(markdown: str) -> Page:
    """The structure of a page; its line ends may be those of any system."""
    text = markdown.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    headings, fences, comments = list[Heading](), list[Fence](), list[Comment]()
    tokens = MarkdownIt("commonmark").parse(text)
    for place, token in enumerate(tokens):
        if token.map is None:
            continue
        first, end = token.map
        if token.type == "heading_open":
            headings.append(Heading(first + 1, int(token.tag[1:]), tokens[place + 1].content.strip()))
        elif token.type == "fence":
            fences.append(_fence(len(fences), first, token.info, token.content, lines, headings))
        elif token.type in {"html_block", "inline"}:
            comments += _comments("\n".join(lines[first:end]), first + 1)
    return Page(text, tuple(lines), tuple(headings), tuple(fences), tuple(comments))


def _fence(number: int, first: int, info: str, content: str, lines: list[str], headings: list[Heading]) -> Fence:
    named = _LANGUAGE.match(info.strip().lstrip("{."))
    code = content.removesuffix("\n").split("\n") if content else []
    columns = [_column(lines[first + 1 + place], text) for place, text in enumerate(code)]
    language = named[0].lower() if named else ""
    return Fence(number, first + 2, language, tuple(code), tuple(columns), headings[-1] if headings else None)


def _column(line: str, code: str) -> int:
    return len(line) - len(code) if line.endswith(code) else 0


def _comments(text: str, line: int) -> list[Comment]:
    found = list[Comment]()
    for each in _COMMENT.finditer(text):
        begins = line + text.count("\n", 0, each.start())
        found.append(Comment(begins, begins + each[0].count("\n"), each["text"].strip()))
    return found

"""A section of a page as its reader follows it: one command after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rollback_drills.runbook.calls import Call, calls_of
from rollback_drills.runbook.page import Fence, Page
from rollback_drills.runbook.shell import Placeholder, ShellText, parse

_PROMPT = re.compile(r"^(?P<prompt>\s*(?:\(\w+\)\s*)?(?:[\w.-]+@[\w.-]+[^$#\s]*\s?)?[$\u276f]\s+)(?=\S)")
_CONTINUED = re.compile(r"^\s*>\s?")
_KNOWN_PROGRAMS = re.compile(
    r"alembic|awk|bash|cat|cd|chmod|chown|cp|createdb|curl|date|diff|docker|docker-compose|dropdb|echo|env|exec|export"
    r"|find|git|grep|gunzip|helm|journalctl|jq|kill|kubectl|ls|make|mkdir|mv|nano|npm|pg_dump|pg_restore|pip|podman"
    r"|printf|psql|python3?|rm|rsync|scp|sed|set|sh|sleep|source|ssh|sudo|supervisorctl|systemctl|tail|tar|tee|test|uv"
    r"|vim?|wget|zcat|flask|poetry|aws|gcloud"
)
_INTERACTIVE_PSQL = re.compile(r"\bpsql\b(?!.*(<<|\s-\w*[cfl]\b|--command|--file|<\s|\|))")
_SQL = re.compile(
    r"\s*(SELECT|UPDATE|DELETE|INSERT|ALTER|DROP|CREATE|BEGIN|COMMIT|ROLLBACK|TRUNCATE|WITH|SET|\\\w+)\b", re.IGNORECASE
)
_WORD_OF_PROSE = re.compile(r"[^\W\d_][\w\u2019'-]*[,.:;!?)]*|\(?[^\W\d_][\w\u2019'-]*[,.:;!?)]*")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of shell, parsed.

    Args:
        prose: the page's lines that are sentences.
        sql: the page's lines that the reader types into psql.
    """

    fence: Fence
    script: ShellText
    calls: tuple[Call, ...]
    placeholders: tuple[Placeholder, ...]
    prose: tuple[tuple[int, str], ...]
    sql: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Flow:
    """The blocks below one heading.

    Args:
        above: the calls of all sections before it.
        functions: the functions that the page defines.
    """

    page: Page
    blocks: tuple[Block, ...]
    above: tuple[Call, ...] = ()
    functions: frozenset[str] = frozenset()
    calls: tuple[Call, ...] = field(default=())

    def later(self, call: Call) -> tuple[Call, ...]:
        """The calls after one, in its block."""
        block = [each for each in self.calls if each.fence == call.fence]
        return tuple(block[block.index(call) + 1 :])

    def earlier(self, call: Call) -> tuple[Call, ...]:
        """The calls before one, in its block."""
        block = [each for each in self.calls if each.fence == call.fence]
        return tuple(block[: block.index(call)])

    def until(self, call: Call) -> tuple[Call, ...]:
        """The calls of the page before one."""
        return (*self.above, *self.calls[: self.calls.index(call)])


def flows_of(page: Page) -> list[Flow]:
    """The sections of a page that have blocks of shell, in their order."""
    blocks = [block for fence in page.fences if (block := _block(fence)) is not None]
    functions = frozenset(name for block in blocks for name in block.script.functions)
    found, above = list[Flow](), list[Call]()
    while blocks:
        heading = blocks[0].fence.heading
        section = [block for block in blocks if block.fence.heading == heading]
        blocks = [block for block in blocks if block.fence.heading != heading]
        calls = [
            each
            for block in section
            for each in block.calls
            if each.command.function or each.program not in functions or each.inside
        ]
        found.append(Flow(page, tuple(section), tuple(above), functions, tuple(calls)))
        above += calls
    return found


def _block(fence: Fence) -> Block | None:
    text, session = _commands_of(fence)
    if fence.language not in {"", "text"} and not fence.shell:
        return None
    if not fence.shell and not session and not _looks_like_shell(text):
        return None
    prose = tuple((fence.line + place, line.strip()) for place, line in _statements(text) if _is_prose(line))
    if prose:
        sentences = {line - fence.line for line, _ in prose}
        text = "\n".join("" if place in sentences else line for place, line in enumerate(text.split("\n")))
    text, statements = _without_sql(text)
    script = parse(text)
    calls = tuple(
        call
        for command in script.commands
        for call in calls_of(
            command,
            line=fence.line + command.line,
            column=fence.columns[command.line] + command.column + 1,
            fence=fence.number,
        )
    )
    return Block(fence, script, calls, script.placeholders, prose, statements)


def _without_sql(text: str) -> tuple[str, tuple[int, ...]]:
    """The code without the statements that follow an interactive psql, and their lines, from 0."""
    lines, found, psql, open_statement = text.split("\n"), list[int](), False, False
    for place, line in enumerate(lines):
        if psql and (open_statement or _SQL.match(line)):
            found.append(place)
            open_statement = not line.rstrip().endswith(";") and not line.lstrip().startswith("\\")
        elif _INTERACTIVE_PSQL.search(line):
            psql = True
    closed = "\n".join("" if place in found else line for place, line in enumerate(lines))
    return closed, tuple(found)


def _commands_of(fence: Fence) -> tuple[str, bool]:
    """The code without prompts and, where there are prompts, without output; columns stay as they are."""
    if fence.session and not any(_PROMPT.match(line) for line in fence.lines):
        return "\n".join(fence.lines), True
    if not any(_PROMPT.match(line) for line in fence.lines):
        return "\n".join(fence.lines), False
    found, continued, end = list[str](), False, ""
    for line in fence.lines:
        prompt = _PROMPT.match(line)
        if prompt and not end:
            line = " " * prompt.end() + line[prompt.end() :]
        elif end:
            more = _CONTINUED.match(line)  # of a here-document, whose end must begin its line
            found.append(line[more.end() :] if more else line)
            end = "" if found[-1].strip() == end else end
            continue
        elif continued:
            more = _CONTINUED.match(line)
            line = " " * more.end() + line[more.end() :] if more else line
        elif not line.lstrip().startswith("#"):
            line = ""
        fed = re.search(r"<<-?\s*[\"'\\]?(\w+)", line)
        end = fed[1] if fed else ""
        continued = line.rstrip().endswith("\\")
        found.append(line)
    return "\n".join(found), True


def _looks_like_shell(text: str) -> bool:
    """Whether a block without a language is a shell's: it parses, and begins with a program that is known."""
    script = parse(text)
    first = next(iter(script.commands), None)
    if script.wrong_line is not None or first is None:
        return False
    if not first.words:
        return any(command.words and _KNOWN_PROGRAMS.fullmatch(command.words[0]) for command in script.commands)
    return bool(_KNOWN_PROGRAMS.fullmatch(first.words[0])) or first.words[0].startswith("./")


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines in which a statement can begin: none within a here-document or a quotation, as far as can be told."""
    lines, script = text.split("\n"), parse(text)
    if script.wrong_line is None:
        for place in sorted({command.line for command in script.commands if command.column == 0 or not command.fed_by}):
            yield place, lines[place]
        return
    end = ""
    for place, line in enumerate(lines):
        if end:
            end = "" if line.strip() == end else end
            continue
        fed = re.search(r"<<-?\s*[\"'\\]?(\w+)", line)
        end = fed[1] if fed and any(each.strip() == fed[1] for each in lines[place:]) else ""
        yield place, line


def _is_prose(line: str) -> bool:
    """Whether a line is a sentence: a capital or a letter beyond ASCII, and three plain words or more."""
    words = line.split()
    if len(words) < 3 or not words[0][0].isalpha():
        return False
    begins = words[0][0].isupper() and words[0][1:2].islower()
    foreign = not words[0][0].isascii()
    labelled = words[0].endswith(":")
    if not (begins or foreign or labelled):
        return False
    plain = sum(bool(_WORD_OF_PROSE.fullmatch(word)) for word in words)
    return plain >= max(2, len(words) - 2) and not any(word.startswith("-") or "=" in word for word in words)

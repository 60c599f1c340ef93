"""Rules about the text itself: what a shell does not read as the reader means it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

from rollback_drills.runbook.calls import Call
from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Block, Flow
from rollback_drills.runbook.instruction import Instruction, at

_ALTERNATIVE = re.compile(
    r"^#+\s*[-=*(]*\s*(or\b(?!\s+(else|the next))|option\s+(b|c|d|[2-9]|two)\b|alternative(ly|s)?\b(?!\s+text)"
    r"|variant\s+(b|[2-9])\b|method\s+(b|[2-9])\b|oder\b|alternativ\b|ou\b\s*:?|sinon\b|o bien\b|oppure\b|либо\b|или\b"
    r"|또는|或者|或\b|または|あるいは)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?P<all>your[_-][\w-]+|[\w-]+[_-]here|v?x{3,}|x\.y\.z|vx\.y(\.z)?|\.\.\.|…|xxx+|change[_-]?me|replace[_-]?me"
    r"|(previous|old|target|last)[_-](version|tag|release|revision|image|migration)([_-]id)?|revision_id)",
    re.IGNORECASE,
)
_BRACES = re.compile(r"(?<![$%@^{\\])(\{\{?\s*[A-Za-z][\w -]*\s*\}\}?)(?!\})")
_BRACKETS = re.compile(r"^\[[A-Za-z][A-Za-z _-]*[A-Za-z]\]$")
_PROGRAMS_WITH_BRACES = {"jq", "awk", "find", "xargs", "printf", "helm", "yq", "sed", "perl", "python", "python3"}
_NAMES_VARIABLES = {"grep", "echo", "read", "unset", "export", "printenv", "declare", "local", "printf", "test"}
_SPACED_BRACES = re.compile(r"(?<!['\"%$])\{\{ [A-Za-z][\w -]* \}\}")
_SYNOPSIS = {"[options]", "[args]", "[arguments]", "[flags]", "[command]", "[OPTIONS]", "[ARGS]"}
_OPENS = re.compile(r"^\s*(if|for|while|until|case|select)\b|[{(]\s*$")
_EXPANSION = re.compile(r"^\$\{?(?P<name>[A-Za-z_]\w*)(?P<rest>[^}]*)\}?$")
_TELLS_WHAT = re.compile(
    r"(VERSION|RELEASE|REVISION|_REV$|^REV$|TAG|BACKUP|DUMP|INTEGRATION$|FLAG|SERVICE$|PREVIOUS|TARGET)", re.I
)


def placeholder_redirects(flow: Flow, context: Context) -> Iterator[Instruction]:
    """Angle brackets around a word, outside quotation marks and here-documents."""
    for block in flow.blocks:
        told = set[int]()
        for each in block.placeholders:
            if each.redirects and each.line not in told:
                told.add(each.line)
                line = block.fence.line + each.line
                yield Instruction(line, each.text, f"<{each.name}>", block.fence.columns[each.line] + each.column + 1)


def placeholder_not_set(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A word that stands for another one, in a spelling that a shell takes literally."""
    told = {block.fence.line + each.line for block in flow.blocks for each in block.placeholders if each.redirects}
    for call in flow.calls:
        if not call.outermost or call.line in told:
            continue
        for word in _candidates(call):
            told.add(call.line)
            yield at(call, word)
            break


def _candidates(call: Call) -> Iterator[str]:
    values = [value for _, value in call.assignments]
    if (spaced := _SPACED_BRACES.search(call.text)) and call.program not in _PROGRAMS_WITH_BRACES:
        yield spaced[0]
    for word in (*call.arguments, *values):
        part = word.rpartition("=")[2] if word.startswith("-") or "=" in word else word
        for piece in (part, part.rpartition(":")[2], part.rpartition("/")[2]):
            whole = piece == part or piece not in {"...", "…"}
            if _BARE.fullmatch(piece) and whole and call.program not in _NAMES_VARIABLES:
                yield piece
                break
        braced = call.program not in _PROGRAMS_WITH_BRACES and (call.program != "curl" or "/" in part)
        if braced and (found := _BRACES.search(part)):
            yield found[1]
        if (
            _BRACKETS.match(part)
            and part not in _SYNOPSIS
            and call.program not in {"test", "grep", "sed", "tr", "ls", "rm", "cp", "echo"}
        ):
            yield part


def variable_not_set(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A variable that says what to roll back to, and that neither the page's commands nor its sentences mention."""
    if any(call.program in {"source", ".", "eval", "direnv"} for call in (*flow.above, *flow.calls)):
        return
    told = set[str]()
    for block in flow.blocks:
        for place, column, expansion in block.script.expansions:
            found = _EXPANSION.match(expansion)
            name = found["name"] if found is not None and not found["rest"] else ""
            if name in told or not _TELLS_WHAT.search(name) or _is_mentioned(name, flow):
                continue
            told.add(name)
            line = block.fence.line + place
            statement = next((call.text for call in block.calls if call.line == line), expansion)
            detail = f"nothing on the page sets {name}"
            yield Instruction(line, statement, detail, block.fence.columns[place] + column + 1)


def _is_mentioned(name: str, flow: Flow) -> bool:
    """Whether a block of the page sets a variable, in whatever way, or a sentence names it."""
    setting = re.compile(rf"(^|[\s;(]){name}\+?=|\b(for|read|select|mapfile)\b[^\n;]*\b{name}\b", re.MULTILINE)
    blocks = any(setting.search("\n".join(fence.lines)) for fence in flow.page.fences)
    return blocks or bool(re.search(rf"\b{name}\b", flow.page.prose()))


def alternatives_in_one_block(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A comment that begins an alternative, between commands of one block: pasted, it runs both."""
    for block in flow.blocks:
        lines = [call.line for call in block.calls if not call.command.function]
        for place, text in block.script.comments:
            line = block.fence.line + place
            alone = block.fence.lines[place].strip().startswith("#") if place < len(block.fence.lines) else False
            between = any(each < line for each in lines) and any(each > line for each in lines)
            if alone and between and _ALTERNATIVE.match(text.strip()):
                yield Instruction(line, text.strip(), "", block.fence.columns[place] + 1)


def not_shell(flow: Flow, context: Context) -> Iterator[Instruction]:
    """A block for a shell that no shell reads: sentences, or code that does not parse."""
    for block in flow.blocks:
        yield from (Instruction(line, text, "a sentence among the commands") for line, text in block.prose)
        wrong = block.script.wrong_line
        if (
            wrong is None
            or block.prose
            or not block.fence.shell
            or block.fence.session
            or block.fence.language == "zsh"
        ):
            continue
        said = _complaint(block)
        if said is not None:
            line, why = said
            text = block.fence.lines[line] if line < len(block.fence.lines) else ""
            yield Instruction(block.fence.line + line, text.strip(), why)


def _complaint(block: Block) -> tuple[int, str] | None:
    """What bash says of a block that the grammar does not know, and in which line; None if it does parse.

    bash reads it with `-n`, which runs nothing. Placeholders are replaced by words, since they are another finding.
    """
    text = "\n".join(block.fence.lines) + "\n"
    for each in block.placeholders:
        text = text.replace(f"<{each.name}>", "placeholder")
    try:
        done = subprocess.run(
            ["bash", "--norc", "--noprofile", "-n"],
            input=text.encode(errors="replace"),
            capture_output=True,
            check=False,
            timeout=10,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return None
    found = re.search(r"line (\d+): (?P<why>[^\n]+)", done.stderr.decode(errors="replace"))
    if found is None:
        return None
    if "end of file" in found["why"]:  # bash names the last line; what is open began before
        opened = [place for place, line in enumerate(block.fence.lines) if _OPENS.search(line)]
        return max(opened, default=block.script.wrong_line or 0), found["why"]
    return min(int(found[1]), len(block.fence.lines)) - 1, found["why"]

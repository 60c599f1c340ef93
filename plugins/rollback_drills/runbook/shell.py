"""The commands of a text of shell, by tree-sitter's grammar of bash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from rollback_drills.runbook.tree import pipeline_of, tested, where_last, with_ancestors

PLACEHOLDER = re.compile(r"(?<![<\d\\(&])<(?P<name>[^\W\d][\w.:-]*(?: [\w.-]+)*)>(?![&(])")
_FILE_AND_FILE = re.compile(r"(?<!\S)<[\w.-]+>(?=\w)")  # `sort <in>out` redirects both, as it should
_COMMANDS = {"command", "declaration_command", "unset_command", "test_command", "variable_assignment"}
_GROUPS = {"program", "compound_statement", "do_group", "subshell", "if_statement", "elif_clause", "else_clause"}
_ENDS_LIST = {"command_substitution", "process_substitution", "string", "command"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED_IN_QUOTES = re.compile(r"\\([\\\"$`])")


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirection. ``target`` is a file, the text of a here-document (`<<`) or of a here-string (`<<<`)."""

    operator: str
    target: str
    descriptor: str = ""


@dataclass(frozen=True, slots=True)
class SimpleCommand:
    """A simple command, with what surrounds it.

    Args:
        line: in which line of the text it begins, from 0.
        column: at which character of that line, from 0.
        text: the statement that it belongs to, as it is written, on one line.
        words: program and arguments, without quotation marks; expansions stay as written. Empty: assignments only.
        raw: the same words as they are written.
        assignments: what is assigned before it, or by it.
        fed_by: the program's words before it in a pipeline, nearest last.
        feeds: the words of the next program in the pipeline.
        after: the operator that follows it in a list (``&&``, ``||``), or nothing.
        otherwise: what follows an ``||``, as written.
        before: the operator in front of it in a list.
        tested: ``if``, ``while``, ``until`` or ``!`` where its status is a condition.
        substituted: its output is used by another command.
        function: the name of the function whose body it belongs to.
    """

    line: int
    column: int
    text: str
    words: tuple[str, ...]
    raw: tuple[str, ...]
    assignments: tuple[tuple[str, str], ...]
    redirections: tuple[Redirection, ...]
    fed_by: tuple[tuple[str, ...], ...]
    feeds: tuple[str, ...]
    after: str
    otherwise: str
    before: str
    tested: str
    substituted: bool
    function: str


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A word in angle brackets. ``redirects``: a shell takes the brackets for redirections."""

    line: int
    column: int
    name: str
    redirects: bool
    text: str


@dataclass(frozen=True, slots=True)
class ShellText:
    """A text of shell. ``wrong_line`` is the first line that the grammar does not know, from 0; None: there is none."""

    commands: tuple[SimpleCommand, ...]
    placeholders: tuple[Placeholder, ...]
    functions: frozenset[str]
    comments: tuple[tuple[int, str], ...]
    expansions: tuple[tuple[int, int, str], ...]
    wrong_line: int | None


def parse(text: str) -> ShellText:
    """The commands of a text of shell. Where it does not parse, the lines that do so by themselves count."""
    reader = _Reader(text)
    wrong = reader.wrong_line()
    if wrong is None:
        return reader.script(None)
    parts = list[ShellText]()
    for first, part in _parts(text):
        alone = _Reader(part, first)
        if alone.wrong_line() is None:
            parts.append(alone.script(None))
    return ShellText(
        tuple(each for part in parts for each in part.commands),
        tuple(each for part in parts for each in part.placeholders),
        frozenset(each for part in parts for each in part.functions),
        tuple(each for part in parts for each in part.comments),
        tuple(each for part in parts for each in part.expansions),
        wrong,
    )


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations and here-documents, and the number of the first one, from 0."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        first, fed = place, re.search(r"<<-?\s*[\"'\\]?(\w+)", lines[place])
        while lines[place].rstrip().endswith(("\\", "&&", "||", "|")) and place + 1 < len(lines):
            place += 1
        end = next((later for later in range(place + 1, len(lines)) if fed and lines[later].strip() == fed[1]), place)
        place = end + 1
        yield first, "\n".join(lines[first:place])


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bash.language()))


class _Reader:
    """The syntax tree of one text, in which placeholders are words of the same length, so that it parses."""

    def __init__(self, text: str, first: int = 0) -> None:
        files = {each.start() for each in _FILE_AND_FILE.finditer(text)}
        self._found = [each for each in PLACEHOLDER.finditer(text) if each.start() not in files]
        masked = text
        for each in self._found:
            masked = masked[: each.start()] + "P" * len(each[0]) + masked[each.end() :]
        self._text, self._first = text, first
        # The grammar's scanner looks letters up in C's table, which has none beyond ASCII: elsewhere it would crash.
        masked = "".join(letter if letter.isascii() else "." for letter in masked)
        self._root = _parser().parse(masked.encode()).root_node

    def wrong_line(self) -> int | None:
        if not self._root.has_error:
            return None
        wrong = [node for node in self._walk() if node.is_error]
        open_ones = [node.parent for node in self._walk() if node.is_missing and node.parent is not None]
        return self._first + min((node.start_point[0] for node in (*wrong, *open_ones)), default=0)

    def script(self, wrong: int | None) -> ShellText:
        nodes = list(self._walk())
        commands = tuple(self._command(node) for node in nodes if self._is_command(node))
        named = (node.child_by_field_name("name") for node in nodes if node.type == "function_definition")
        comments = tuple((self._line(node), self.source(node)) for node in nodes if node.type == "comment")
        expansions = tuple(
            (self._line(node), self._column(node), self.source(node))
            for node in nodes
            if node.type in {"simple_expansion", "expansion"}
        )
        functions = frozenset(self.source(node) for node in named if node is not None)
        return ShellText(commands, tuple(self._placeholders()), functions, comments, expansions, wrong)

    def _walk(self) -> Iterator[Node]:
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def _is_command(self, node: Node) -> bool:
        if node.type not in _COMMANDS:
            return False
        parent = node.parent
        inner = parent is not None and parent.type in {"command", "declaration_command", "variable_assignments"}
        first = parent is not None and parent.type == "variable_assignments" and parent.children[0] == node
        return node.type != "variable_assignment" or not inner or first

    def _line(self, node: Node) -> int:
        return self._first + node.start_point[0]

    def _column(self, node: Node) -> int:
        return node.start_byte - (self._text.rfind("\n", 0, node.start_byte) + 1)

    def source(self, node: Node) -> str:
        return self._text[node.start_byte : node.end_byte]

    def _placeholders(self) -> Iterator[Placeholder]:
        for each in self._found:
            node = self._root.descendant_for_byte_range(each.start(), each.start() + 1)
            kinds = {above.type for above in with_ancestors(node)} if node is not None else set()
            quoted = kinds & {"string", "raw_string", "ansi_c_string", "heredoc_body", "comment", "heredoc_content"}
            line = self._text.count("\n", 0, each.start())
            column = each.start() - (self._text.rfind("\n", 0, each.start()) + 1)
            text = self._statement(node) if node is not None else ""
            if "comment" not in kinds:
                yield Placeholder(self._first + line, column, each["name"], not quoted, text)

    def _statement(self, node: Node) -> str:
        while node.parent is not None and node.parent.type not in _GROUPS:
            node = node.parent
        return one_line(self.source(node))

    def _command(self, node: Node) -> SimpleCommand:
        pipeline, place = pipeline_of(node)
        after, otherwise, before = self._joined(node)
        words = self._words(node)
        return SimpleCommand(
            line=self._line(node),
            column=self._column(node),
            text=self._statement(node),
            words=tuple(word for word, _ in words),
            raw=tuple(raw for _, raw in words),
            assignments=tuple(self._assignments(node)),
            redirections=tuple(self._redirections(node)),
            fed_by=tuple(tuple(word for word, _ in self._words(each)) for each in pipeline[:place]),
            feeds=tuple(word for each in pipeline[place + 1 : place + 2] for word, _ in self._words(each)),
            after=after,
            otherwise=otherwise,
            before=before,
            tested=tested(node),
            substituted=any(
                above.type in {"command_substitution", "process_substitution"} for above in with_ancestors(node)
            ),
            function=self._function(node),
        )

    def _words(self, node: Node) -> list[tuple[str, str]]:
        if node.type in {"redirected_statement", "negated_command"}:
            inner = [child for child in node.named_children if child.type in _COMMANDS]
            return self._words(inner[0]) if inner else []
        if node.type == "test_command":
            return [("test", "test")]
        if node.type in {"declaration_command", "unset_command"}:
            return [(self.value(child), self.source(child)) for child in node.children]
        if node.type != "command":
            return []
        skipped = {"variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect"}
        found = list[tuple[str, str]]()
        for child in node.children:
            if child.type == "command_name" and child.children:
                child = child.children[0]
            if child.type not in skipped:
                found.append((self.value(child), self.source(child)))
        return found

    def value(self, node: Node) -> str:
        """A word without its quotation marks."""
        if node.type == "raw_string":
            return self.source(node)[1:-1]
        if node.type == "ansi_c_string":
            return self.source(node)[2:-1]
        if node.type == "string":
            return _ESCAPED_IN_QUOTES.sub(r"\1", self.source(node)[1:-1])
        if node.type in {"concatenation", "variable_assignment"}:
            return "".join(self.value(child) for child in node.children)
        text = self.source(node)
        return _ESCAPED.sub(r"\1", text) if node.type == "word" else text

    def _assignments(self, node: Node) -> Iterator[tuple[str, str]]:
        parent = node.parent
        if node.type == "variable_assignment" and parent is not None and parent.type == "variable_assignments":
            nodes = parent.children
        else:
            nodes = [node] if node.type == "variable_assignment" else node.children
        for each in nodes:
            name, value = each.child_by_field_name("name"), each.child_by_field_name("value")
            if each.type == "variable_assignment" and name is not None:
                yield self.source(name), self.value(value) if value is not None else ""

    def _redirections(self, node: Node) -> Iterator[Redirection]:
        nodes = [child for child in node.children if child.type.endswith("_redirect")]
        for above in where_last(node):
            if above.type == "redirected_statement":
                nodes += [child for child in above.children if child.type.endswith("_redirect")]
        for each in nodes:
            if each.type == "heredoc_redirect":
                nodes += [child for child in each.children if child.type == "file_redirect"]
                body = next((child for child in each.children if child.type == "heredoc_body"), None)
                yield Redirection("<<", self.source(body) if body is not None else "")
            elif each.type == "herestring_redirect":
                yield Redirection("<<<", self.value(each.children[-1]))
            else:
                yield self._file(each)

    def _file(self, node: Node) -> Redirection:
        descriptor = next((self.source(child) for child in node.children if child.type == "file_descriptor"), "")
        operator = next((self.source(child) for child in node.children if not child.is_named), "")
        target = node.child_by_field_name("destination")
        return Redirection(operator, self.value(target) if target is not None else "", descriptor)

    def _joined(self, node: Node) -> tuple[str, str, str]:
        """The operator after a command in its list, what an ``||`` is followed by, and the operator before it."""
        after, otherwise, before = "", "", ""
        current = node
        while current.parent is not None and current.parent.type not in _GROUPS and not after:
            parent = current.parent
            if parent.type == "list":
                operator = next((child for child in parent.children if child.type in {"&&", "||"}), None)
                if operator is not None and current == parent.children[0]:
                    after = operator.type
                    otherwise = self.source(parent.children[-1]) if after == "||" else ""
                elif operator is not None and not before:
                    before = operator.type
            elif parent.type in _ENDS_LIST or (parent.type == "pipeline" and current != parent.named_children[-1]):
                break
            current = parent
        return after, otherwise, before

    def _function(self, node: Node) -> str:
        for above in with_ancestors(node):
            if above.type == "function_definition":
                name = above.child_by_field_name("name")
                return self.source(name) if name is not None else ""
        return ""


def one_line(text: str) -> str:
    """A statement on one line: continuations are joined, and of more lines only the first is left."""
    joined = re.sub(r"\s*\\\n\s*", " ", text).strip()
    return joined.split("\n", 1)[0].rstrip()

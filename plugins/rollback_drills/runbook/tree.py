"""Where a command stands in the syntax tree: in a pipeline, in a list, in a condition."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

_STAGES = {"redirected_statement", "pipeline", "heredoc_redirect"}


def with_ancestors(node: Node) -> Iterator[Node]:
    """A node and all above it, nearest first."""
    current: Node | None = node
    while current is not None:
        yield current
        current = current.parent


def where_last(node: Node) -> Iterator[Node]:
    """The nodes above a command that end with it, so that their redirections are its own."""
    current = node
    while current.parent is not None:
        parent = current.parent
        if parent.type == "redirected_statement":
            yield parent
        elif not (parent.type in {"pipeline", "list"} and current == parent.named_children[-1]):
            return
        current = parent


def pipeline_of(node: Node) -> tuple[list[Node], int]:
    """The stages of the pipeline that a command is one of, and its own place."""
    current = node
    while current.parent is not None and current.parent.type in _STAGES:
        parent = current.parent
        if parent.type == "pipeline":
            stages = parent.named_children
            above = parent.parent
            if above is not None and above.type == "heredoc_redirect" and above.parent is not None:
                stages = [*above.parent.named_children[:1], *stages]  # `cat <<END | psql`
            return stages, next(place for place, each in enumerate(stages) if each == current)
        if parent.type == "heredoc_redirect" or current == parent.children[0]:
            inner = next((child for child in parent.named_children if child.type == "heredoc_redirect"), None)
            piped = next((child for child in inner.children if child.type == "pipeline"), None) if inner else None
            if piped is not None and current == parent.children[0]:
                return [current, *piped.named_children], 0
        current = parent
    return [node], 0


def tested(node: Node) -> str:
    """`if`, `while`, `until` or `!`, where the status of a command is a condition; else nothing."""
    current = node
    while current.parent is not None and current.parent.type not in {"program", "function_definition", "do_group"}:
        parent = current.parent
        if parent.type == "negated_command":
            return "!"
        if parent.type in {"if_statement", "elif_clause", "while_statement"}:
            condition = current in parent.children_by_field_name("condition") or (
                parent.type == "elif_clause" and current == parent.named_children[0]
            )
            return parent.children[0].type.removeprefix("el") if condition else ""
        if parent.type in {"command_substitution", "compound_statement"}:
            return ""
        if parent.type == "list" and current == parent.children[0] and any(c.type == "||" for c in parent.children):
            return ""
        current = parent
    return ""

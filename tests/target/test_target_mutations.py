"""Every mutation of a valid target file loads, or is refused with file, table, key and a hint."""

from __future__ import annotations

import copy
import datetime
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from rollback_drills.core.errors import TargetError
from rollback_drills.target.target import Target

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "fixtures" / "targets" / "reference.toml", *sorted((ROOT / "examples").glob("*/target.toml"))]
DOCUMENTS: list[dict[str, Any]] = [tomllib.loads(file.read_text()) for file in FILES]
ENVIRONMENT = {"HOME": "/home/somebody"}
# "table.key[0]: what is wrong", or the position in the text if it is not TOML.
PROBLEM = re.compile(r"(?:top level|the file|[^\s:]+(?: [^:]*)?): \S.*", re.DOTALL)

SCALARS = st.one_of(
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "ignore").decode()),
    st.sampled_from(["{port}", "${HOME}", "{", "/", "0.4.0", "true", "{unique}{integration}", "%(ids)s"]),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.just(datetime.date(2026, 1, 1)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc.$ ", max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    document = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(places(document)[1:]))
        here: Any = document
        for part in path[:-1]:
            here = here[part]
        old = here.pop(path[-1])
        kind = draw(st.sampled_from(["delete", "set", "rename", "wrap"]))
        new = {"set": draw(VALUES), "wrap": [old]}.get(kind, old)
        if isinstance(here, list):
            here.extend([] if kind == "delete" else [new])
        elif kind == "rename":
            here[draw(st.text("abcdef_", min_size=1, max_size=9))] = new
        elif kind != "delete":
            here[path[-1]] = new
        if len(places(document)) < 2:
            break
    return document


def judge(file: Path) -> None:
    """It loads as a target that can be dumped, or is refused with a message."""
    try:
        target = Target.load(file, ENVIRONMENT)
    except TargetError as refused:
        told(refused, file)
        return
    assert target.current != target.previous
    assert json.dumps(target.model_dump(mode="json"), allow_nan=False)


def told(refused: TargetError, file: Path) -> None:
    """The message names the file, the table and key of each mistake, and a remedy."""
    assert str(file) in refused.what
    if refused.cause:
        assert refused.fix
        problems = refused.cause.split("\n")
        assert re.search(r": \d+ mistakes? in the target file$", refused.what)
        assert all(PROBLEM.fullmatch(problem) for problem in problems if not problem.startswith(" ")), problems
    else:  # not TOML, or not text: the parser has the position
        assert re.search(r"is not (TOML|UTF-8): .+", refused.what), refused.what


@settings(max_examples=max(300, settings.default.max_examples))
@given(document=mutated())
def test_no_mutation_of_a_document_escapes_the_reader(
    document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "mutated.toml"
    file.write_text(tomli_w.dumps(document))
    judge(file)


@settings(max_examples=max(300, settings.default.max_examples))
@given(data=st.data())
def test_no_mutation_of_the_text_escapes_the_reader(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = data.draw(st.sampled_from(FILES)).read_text()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 30))
    inserted = data.draw(st.text(max_size=4).map(lambda text: text.encode("utf-8", "ignore").decode()))
    file = tmp_path_factory.getbasetemp() / "mutated-text.toml"
    file.write_text(text[:start] + inserted + text[start + length :])
    judge(file)


def written(value: object) -> str:
    """A secret, which no dump shows, or a date, which JSON does not have."""
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_a_target_that_was_read_can_be_written_and_read_again(file: Path, tmp_path: Path) -> None:
    target = Target.load(file, ENVIRONMENT)
    again = tmp_path / "again.toml"
    again.write_text(
        tomli_w.dumps(json.loads(json.dumps(target.model_dump(by_alias=True, exclude_unset=True), default=written)))
    )
    assert Target.load(again, {}).model_dump() == target.model_dump()

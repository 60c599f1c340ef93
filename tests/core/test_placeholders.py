"""Placeholders are checked when a file is read, and filled in exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.core.placeholders import Expansion, check, fill, fill_json, names_in, strings_in

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab{}", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)


def test_names_are_found_and_doubled_braces_are_literal():
    assert names_in("{a}-{b}-{{c}}-{a}") == {"a", "b"}


@pytest.mark.parametrize("template", ["{", "}", "{a", "{a.b}", "{a[0]}", "{0}", "{}", "{a!r}", "{a:>5}", "{a b}"])
def test_what_is_no_placeholder_is_refused(template: str):
    with pytest.raises(ValueError, match="written twice"):
        check(template, allowed={"a"})


@given(st.text("ab{}!:.[]0 ", max_size=12))
def test_a_template_that_is_accepted_can_be_filled(template: str):
    try:
        check(template, allowed={"a", "b"})
    except ValueError:
        return
    assert "VALUE{" in fill(template, {"a": "VALUE{", "b": "VALUE{"}) or not names_in(template)


@given(JSON)
def test_json_is_filled_in_its_texts_only(value: object):
    def doubled(item: object) -> object:
        match item:
            case str():
                return item.replace("{", "{{").replace("}", "}}")
            case list():
                return [doubled(each) for each in item]
            case dict():
                return {key: doubled(each) for key, each in item.items()}
        return item

    assert fill_json(doubled(value), {}) == value


def test_texts_of_a_document_are_listed_without_its_keys():
    assert strings_in({"key": ["a", 1, {"other": "b"}], "c": None}) == ["a", "b"]


def test_every_missing_variable_is_reported_with_its_place():
    expansion = Expansion({"A": "1"})
    assert expansion.expand({"x": ["${A}", "${B}"], "y": {"z": "${C}"}, "d": 1}) == {
        "x": ["1", ""],
        "y": {"z": ""},
        "d": 1,
    }
    assert [problem.split(":")[0] for problem in expansion.problems] == ["x[1]", "y.z"]


def test_a_value_is_not_expanded_again():
    assert Expansion({"A": "${B}", "B": "x"}).expand("${A}") == "${B}"

"""The runbook's sections, and those that a project adds."""

from __future__ import annotations

import pytest

from rollback_drills.runbook.sections import SECTIONS, RunbookSection, with_added


def test_without_additions_the_sections_are_the_built_in_ones():
    assert with_added([]) == SECTIONS


def test_an_added_section_comes_last_or_after_the_section_that_it_names():
    added = [
        RunbookSection("cache", "Cache", after="quick-flags"),
        RunbookSection("queue", "Queue", after="cache"),
        RunbookSection("dns", "Name service"),
    ]
    found = with_added(added)
    assert list(found)[2:6] == ["quick-flags", "cache", "queue", "scenario-a"]
    assert list(found.items())[-1] == ("dns", "Name service")
    assert len(found) == len(SECTIONS) + 3


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ([RunbookSection("prevention", "Prevention")], "there are two sections 'prevention'"),
        ([RunbookSection("a", "A"), RunbookSection("a", "A")], "there are two sections 'a'"),
        (
            [RunbookSection("a", "A", after="b"), RunbookSection("b", "B")],
            "the section 'a' follows 'b', which is none of",
        ),
    ],
)
def test_sections_that_do_not_fit_are_refused(sections: list[RunbookSection], message: str):
    with pytest.raises(ValueError, match=message):
        with_added(sections)


@pytest.mark.parametrize(("section", "title"), [("", "A"), ("A", "A"), ("a b", "A"), ("a", " ")])
def test_a_section_needs_a_plain_id_and_a_title(section: str, title: str):
    with pytest.raises(ValueError, match="the section"):
        with_added([RunbookSection(section, title)])

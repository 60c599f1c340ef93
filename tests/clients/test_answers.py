"""Which answers are the agreed ones, for every description that a target file can have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollback_drills.clients.answers import Answer, is_acknowledged, is_agreed, is_disabled
from rollback_drills.clients.traffic.records import fate, judged
from rollback_drills.target.answer_tables import AgreedAnswer
from rollback_drills.target.integration_tables import (
    Flags,
    Integration,
)
from rollback_drills.target.target import Target

DETAIL = {"detail": "integration disabled"}


def answer(status: int, body: Any) -> Answer:
    text = body if isinstance(body, str) else json.dumps(body)
    return Answer(status, body, 0.1, text=text)


@pytest.mark.parametrize(
    ("agreed", "status", "body", "expected"),
    [
        ({"status": 503, "body": DETAIL}, 503, DETAIL, True),
        ({"status": 503, "body": DETAIL}, 503, DETAIL | {"id": 1}, False),
        ({"status": 503, "body": DETAIL}, 500, DETAIL, False),
        ({"status": 503, "contains": DETAIL}, 503, DETAIL | {"id": 1}, True),
        ({"status": 503, "contains": DETAIL}, 503, {"detail": "database unavailable"}, False),
        ({"status": (404, 410)}, 410, "gone", True),
        ({"status": (404, 410)}, 503, "gone", False),
        ({"status": 410, "pattern": "^gone$"}, 410, "gone", True),
        ({"status": 410, "pattern": "^gone$"}, 410, "gone fishing", False),
        ({"status": 503, "pattern": r'"detail": "integration \w+'}, 503, DETAIL, True),
        ({"status": 503, "not_pattern": "(?i)database"}, 503, DETAIL, True),
        ({"status": 503, "not_pattern": "(?i)database"}, 503, {"detail": "Database unavailable"}, False),
        ({"status": 503, "contains": {"detail": "off"}, "not_pattern": "id"}, 503, {"detail": "off", "id": 1}, False),
        ({"status": 503, "body": "disabled"}, 503, "disabled", True),
    ],
)
def test_an_answer_is_the_agreed_one_or_it_is_not(agreed: dict[str, Any], status: int, body: Any, expected: bool):
    assert is_agreed(AgreedAnswer(**agreed), answer(status, body)) is expected


@given(body=st.dictionaries(st.text(max_size=3), st.integers(), max_size=3), other=st.integers(100, 599))
def test_what_a_file_says_in_two_ways_is_the_same(body: dict[str, int], other: int):
    """`contains` of the whole is weaker than `body`, and an answer with another status is never agreed."""
    whole, more = answer(503, body), answer(503, body | {"more": 1})
    for agreed in (AgreedAnswer(body=body), AgreedAnswer(contains=body), AgreedAnswer()):
        assert is_agreed(agreed, whole)
        assert is_agreed(agreed, answer(other, body)) is (other == 503)
    assert is_agreed(AgreedAnswer(contains=body), more)
    assert is_agreed(AgreedAnswer(body=body), more) is ("more" in body and body["more"] == 1)


def test_what_was_agreed_is_said_as_in_the_file():
    assert AgreedAnswer(status=503, body=DETAIL).brief() == {"status": 503, "body": DETAIL}
    assert AgreedAnswer(status=(404, 410), not_pattern="x").brief() == {"status": [404, 410], "not_pattern": "x"}


def target_with(target: Target, accepted: tuple[int, ...] = (202,), **disabled: Any) -> Target:
    own = target.integrations | {"jira": Integration(disabled=AgreedAnswer(**disabled))}
    delivery = target.delivery.model_copy(update={"accepted": accepted})
    return target.model_copy(update={"integrations": own, "delivery": delivery})


def test_an_integration_may_have_an_answer_of_its_own(reference_target: Target):
    target = target_with(reference_target, status=410, pattern="gone")
    assert is_disabled(target, "jira", answer(410, "gone"))
    assert not is_disabled(target, "jira", answer(503, DETAIL))
    assert is_disabled(target, "github", answer(503, DETAIL))
    assert not is_disabled(target, "github", answer(410, "gone"))
    assert not is_disabled(target.model_copy(update={"flags": None}), "github", answer(503, DETAIL))


def test_an_agreed_answer_may_name_its_integration(reference_target: Target):
    body = {"detail": ["{integration} is off"], "{integration}": {"of": 2}}
    flags = reference_target.flags
    assert flags is not None
    for said in ({"body": body}, {"contains": body}, {"pattern": '^{"detail": ."{integration} is off'}):
        agreed = flags.model_copy(update={"disabled": AgreedAnswer(**said)})
        target = reference_target.model_copy(update={"flags": agreed})
        assert is_disabled(target, "github", answer(503, {"detail": ["github is off"], "github": {"of": 2}}))
        assert not is_disabled(target, "jira", answer(503, {"detail": ["github is off"], "github": {"of": 2}}))
    assert AgreedAnswer(pattern="^{integration}$").of("a.b").brief() == {"status": 503, "pattern": r"^a\.b$"}


@pytest.mark.parametrize(
    "text", ["{}", '{"a": 1}', r"\d{3}", r"\d{1,3}", r"\{word\}", r"\N{SPACE}", "{", "}}", "{a b}"]
)
def test_a_brace_that_is_no_placeholder_stays(text: str):
    assert AgreedAnswer(body=text).of("github").body == text


def test_a_placeholder_as_text_is_written_with_two_braces():
    assert AgreedAnswer(body="{{integration}} of {integration}, {{x}}").of("github").body == (
        "{integration} of github, {x}"
    )


@pytest.mark.parametrize("key", ["body", "contains", "pattern", "not_pattern"])
@pytest.mark.parametrize("name", ["unique", "intergation", "name"])
def test_a_placeholder_that_no_answer_knows_is_refused(key: str, name: str):
    for value in (f"x {{{name}}}", {"a": [f"{{{name}}}"]}, {f"{{{name}}}": 1})[: 1 if "pattern" in key else 3]:
        with pytest.raises(
            ValueError, match=rf"{{{name}}} is not known in an answer \(allowed here: {{integration}}\)"
        ):
            AgreedAnswer(**{key: value})


def test_a_refusal_may_have_the_status_of_an_acknowledgement(reference_target: Target):
    """Many senders stop for good after an error, so a disabled integration may answer 200 and drop deliveries."""
    target = target_with(reference_target, (200, 202), status=200, contains={"status": "ignored"})
    ignored, taken = answer(200, {"status": "ignored", "id": 1}), answer(200, {"status": "stored"})
    assert not is_acknowledged(target, "jira", ignored)
    assert is_acknowledged(target, "jira", taken)
    assert is_acknowledged(target, "github", ignored)
    assert (fate(target, "jira", ignored), fate(target, "jira", taken)) == ("refused", "acknowledged")
    line = [1, "delivery", "jira", "id", 1.0, 1.0, 1.1, 200, "", '{"status": "ignored"}', "application/json"]
    assert (judged(target, line).outcome, judged(target, line).fate) == ("deliberate", "refused")


def test_the_load_judges_the_text_by_a_pattern(reference_target: Target):
    target = target_with(reference_target, status=503, pattern="^off$", not_pattern="database")
    for text, outcome in (("off", "deliberate"), ("off: no database", "failed"), ("", "failed")):
        line = [1, "delivery", "jira", "id", 1.0, 1.0, 1.1, 503, "", text, "text/plain"]
        assert judged(target, line).outcome == outcome, text


def test_flags_keep_their_default(reference_target: Target):
    flags = reference_target.flags
    assert isinstance(flags, Flags)
    assert reference_target.disabled_answer("github") == flags.disabled
    assert reference_target.disabled_answer("no-such") is None

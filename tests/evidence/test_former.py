"""The facts of 0.1.0 that are fields today."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from rollback_drills.evidence.former import with_fields
from rollback_drills.evidence.model import DrillEvidence


def read(facts: dict[str, JsonValue], **others: JsonValue) -> DrillEvidence:
    head: dict[str, JsonValue] = {"id": "t.py::test_x", "title": "X", "runbook": "scenario-c", "summary": ""}
    times: dict[str, JsonValue] = {"started_at": "2026-11-22T03:04:05Z", "seconds": 1, "target_seconds": 0}
    return DrillEvidence.model_validate({**head, **times, "verdict": "passed", "facts": facts, **others})


def test_every_key_that_began_with_not_proven_is_a_gap() -> None:
    drill = read({"not proven": "the error rate", "not proven: cut off here": "too late", "revision": "0020"})
    assert drill.gaps == ("the error rate", "cut off here: too late")
    assert drill.facts == {"revision": "0020"}
    assert (drill.measured_for, drill.revisions) == ("", ())


def test_revisions_were_one_table_or_several() -> None:
    fact: dict[str, JsonValue] = {"revision": "0007", "class": "lossless", "schema": ["index a"], "up_seconds": 0.5}
    for given in (fact, [fact, {**fact, "revision": "0008"}]):
        drill = read({"reversibility": given})
        assert drill.facts == {}
        assert drill.revisions[0].verdict == "lossless"
        assert drill.revisions[0].schema_differences == ("index a",)
        assert [each.revision for each in drill.revisions] == ["0007", "0008"][: len(drill.revisions)]


@pytest.mark.parametrize("fact", ["checked", None, [], [3], {"revision": "0007"}])
def test_a_fact_that_only_has_the_name_stays_one(fact: JsonValue) -> None:
    drill = read({"reversibility": fact, "measured for": 7})
    assert drill.facts == {"reversibility": fact, "measured for": 7}
    assert (drill.revisions, drill.measured_for) == ((), "")


def test_the_reason_of_a_skip_said_what_was_lacking() -> None:
    reason: JsonValue = "the runbook's commands to the letter need --drill-runtime=compose"
    assert read({}, verdict="skipped", reason=reason).lacks == ("compose",)
    assert read({}, verdict="skipped", reason="no [metrics]").lacks == ()
    assert read({}, verdict="failed", reason=reason).lacks == ()
    assert read({}, verdict="skipped", reason=reason, lacks=[]).lacks == ()


def test_todays_evidence_is_read_as_it_was_written() -> None:
    drill = read({"not proven": "the error rate"}, gaps=["another"])
    assert drill.gaps == ("another", "the error rate")
    assert DrillEvidence.from_json(drill.model_dump_json()) == drill
    assert with_fields(drill.model_dump(mode="json")) == drill.model_dump(mode="json")

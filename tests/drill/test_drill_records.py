"""What a drill records of what it has seen: all of it, without secrets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lone_drill import SECRET, Clock, everything_written, loss, result

from rollback_drills.core.redaction import MASK, Redactor
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    CheckFailedError,
    Plan,
)
from rollback_drills.drill.steps import OUTPUT_LIMIT
from rollback_drills.evidence.journal import Journal
from rollback_drills.evidence.model import DrillEvidence


def test_no_secret_is_recorded_anywhere(make: Any, tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    drill = make(journal=journal)
    with pytest.raises(AssertionError), drill:  # noqa: PT012 - the drill is the statement
        drill.fact("url", f"postgresql://u:{SECRET}@h/d")
        drill.not_proven(f"gap {SECRET}")
        drill.measured_for(f"drills {SECRET}")
        drill.revision({"revision": SECRET, "verdict": "lossy", "losses": [loss(example=SECRET)]})
        drill.attach(f"title {SECRET}", f"text {SECRET}", name=f"{SECRET}.txt")
        with drill.step(f"step {SECRET}"):
            drill.check(f"check {SECRET}", {SECRET: [SECRET]}, expected={SECRET: [SECRET]})
            drill.observe(f"seen {SECRET}", SECRET)
            drill.command(result(f"said {SECRET}", "tool", "--password", "abc", SECRET))
            drill.command(result(f"{SECRET}\n" * 2_000, f"tool-{SECRET}"))
            drill.find("false-green", f"detail {SECRET}", {"data": SECRET})
        with drill.step("fails"):
            raise AssertionError(f"exception {SECRET}")
    journal.close()
    written = everything_written(drill, tmp_path)
    assert SECRET not in written
    assert '"abc"' not in written
    assert written.count(MASK) > 10


def test_a_failing_check_does_not_tell_a_secret(drill: Drill):
    with drill.step("s"), pytest.raises(CheckFailedError) as caught:
        drill.check("c", SECRET, expected="x", finding="false-green")
    assert SECRET not in str(caught.value)


def test_long_output_is_cut_in_the_middle_and_kept_beside(drill: Drill, tmp_path: Path):
    output = "BEGIN" + "x" * (3 * OUTPUT_LIMIT) + "END"
    with drill.step("s"):
        drill.command(result(output, "/usr/bin/tool", seconds=0.0))
        drill.command(result("y" * OUTPUT_LIMIT))
    long, short = drill.evidence().steps[0].commands
    (artifact,) = drill.evidence().artifacts
    assert long.output.startswith("BEGIN")
    assert long.output.endswith("END")
    assert f"{len(output) - OUTPUT_LIMIT} characters left out, see {artifact.path}" in long.output
    assert len(long.output) < OUTPUT_LIMIT + 300
    assert short.output == "y" * OUTPUT_LIMIT
    content = (tmp_path / "run" / artifact.path).read_bytes()
    assert content.decode() == output
    assert (artifact.size, artifact.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("name", ["a/../../b", "..", ".", "", "x" * 500 + ".log", "ü\n:*?\0", "-rf"])
def test_artifacts_stay_in_their_directory(drill: Drill, tmp_path: Path, name: str):
    path = drill.attach("t", "text", name=name)
    file = tmp_path / "run" / path
    assert file.read_text() == "text"
    assert file.resolve().parent == (tmp_path / "run" / "artifacts").resolve()


def test_artifacts_of_the_same_name_do_not_replace_each_other(make: Any, tmp_path: Path):
    drills = [make(), make()]
    paths = [drill.attach("t", text, name="log.txt") for drill, text in zip(drills * 2, "abcd", strict=True)]
    assert [(tmp_path / "run" / path).read_text() for path in paths] == list("abcd")
    assert len(set(paths)) == 4
    assert all(path.endswith(".txt") for path in paths)


def test_a_command_killed_at_its_limit_has_no_exit_code(drill: Drill):
    with drill.step("s"):
        drill.command(result("", code=None, seconds=500))
    (command,) = drill.evidence().steps[0].commands
    assert (command.exit_code, command.at, command.where) == (None, 0, "here")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=ANYTHING, text=st.text(st.characters(), max_size=10))
def test_whatever_is_observed_can_be_recorded(tmp_path_factory: Any, reference_target: Any, value: Any, text: str):
    """Lone surrogates, NaN and infinities come out of broken gateways, and JSON has none of them."""
    drill = Drill(
        Plan("d", "t", "scenario-a"),
        target=reference_target,
        meter=Clock(),
        redactor=Redactor(),  # type: ignore[arg-type]
        directory=tmp_path_factory.getbasetemp() / "anything",
    )
    with drill.step(f"s{text}"):
        drill.observe(text, value)
        drill.find("false-green", text, value)
        drill.command(result(text, "tool", text))
        drill.fact(text, value)
        try:
            drill.check(text, value, expected="something else", detail=text)
        except CheckFailedError as failure:
            str(failure).encode()
    drill.attach(text, text, name=text)
    written = drill.evidence().model_dump_json()
    json.dumps(json.loads(written), allow_nan=False).encode()
    assert DrillEvidence.from_json(written) == drill.evidence()

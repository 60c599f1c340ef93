"""The table of all migrations in the document and in the summary."""

from __future__ import annotations

from pydantic import JsonValue
from support import evidence_builder as build

from rollback_drills.evidence.model import RunEvidence
from rollback_drills.migrations.reversibility.proof import Lock, Proof
from rollback_drills.migrations.reversibility.rows import Loss
from rollback_drills.pytest_plugin.revision_table import revision_lines
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.revisions import revision_rows


def run_of(*proofs: Proof) -> RunEvidence:
    drills = [
        build.drill(f"drills/test_reversibility.py::test_reversibility[{proof.revision}]", title="Reversibility")
        .model_copy(update={"facts": {"reversibility": proof.to_json()}})
        for proof in proofs
    ]  # fmt: skip
    return build.run(*drills)


def example() -> Proof:
    proof = Proof("0007_status", doc="A <status>", verdict="lossy", up_seconds=0.0123)
    proof.losses = [Loss("public.orders", "discount", 1204, "after", "'5' became NULL")]
    proof.locks = [Lock("public.orders", "AccessExclusiveLock", "ALTER TABLE", 3, "rewrite", 4.0)]
    proof.find("loss-undeclared", "…")
    return proof


def test_the_document_has_a_row_for_each_revision():
    page = render_html(run_of(example(), Proof("0008_index", verdict="lossless")))
    assert 'id="revisions"' in page
    assert "0007_status" in page
    assert "A &lt;status&gt;" in page
    assert "values of public.orders.discount in 1,204 rows, written after the upgrade" in page
    assert "public.orders: AccessExclusiveLock, rewrite" in page
    assert "12 ms" in page
    assert "0008_index" in page
    assert "loss-undeclared" in page


def test_the_summary_has_it_too():
    text = render_markdown(run_of(example()))
    assert "## Every migration" in text
    assert "0007\\_status" in text
    assert "`loss-undeclared`" in text


def test_without_revisions_there_is_no_table():
    assert 'id="revisions"' not in render_html(build.run(build.drill()))
    assert "Every migration" not in render_markdown(build.run(build.drill()))


def test_a_long_history_is_cut_with_a_note_and_findings_stay():
    many = [Proof(f"r{number:04}", verdict="lossless") for number in range(600)]
    many[-1].find("schema-residue", "…")
    page = render_html(run_of(*many))
    assert "r0599" in page
    assert "more, without findings or beyond the room" in page


def test_the_losses_of_the_targets_own_rows_come_first():
    proof = example()
    proof.seed_losses = [Loss("public.orders", "note", 3, "before")]
    page = render_html(run_of(proof))
    own = page.index("of the target&#39;s own data: values of public.orders.note in 3 rows, written before the upgrade")
    assert own < page.index("values of public.orders.discount")


def test_what_a_restore_has_brought_back_stands_beside_the_reason():
    proof = Proof("0009_purge", verdict="irreversible by design", reason="personal data", restored="restored: 9 rows")
    assert "personal data; restored: 9 rows" in render_html(run_of(proof))


def test_a_drill_may_have_proven_several():
    proofs: list[JsonValue] = [Proof(f"000{number}", verdict="lossless").to_json() for number in range(3)]
    drill = build.drill("drills/test_reversibility.py::test_reversibility[every]").model_copy(
        update={"facts": {"reversibility": proofs}}
    )
    rows, _ = revision_rows(build.run(drill), Limits())
    assert [row.revision for row in rows] == ["0000", "0001", "0002"]


def test_the_terminal_shows_those_with_something_to_say_and_all_when_asked():
    quiet = [Proof(f"q{number}", verdict="lossless") for number in range(3)]
    loud = [Proof(f"l{number:02}", verdict="lossless") for number in range(30)]
    for proof in loud:
        proof.find("schema-residue", "…")
    run = run_of(example(), *quiet, *loud)
    short = [text for text, _ in revision_lines(run, verbose=False, width=120)]
    assert "revision" in short[1]
    assert any(line.startswith("0007_status") and "loss-undeclared" in line and "12 ms" in line for line in short)
    assert not any(line.startswith("q") for line in short)
    assert short[-1] == (
        "34 revisions: 33 lossless, 1 lossy; 31 with findings; 11 more notable ones, and all others, with -v"
    )
    long = [text for text, _ in revision_lines(run, verbose=True, width=120)]
    assert len(long) == 1 + 1 + 34 + 1
    assert max(map(len, long)) <= 120
    assert list(revision_lines(build.run(build.drill()), verbose=True)) == []

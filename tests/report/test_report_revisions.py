"""The table of all migrations in the document and in the summary."""

from __future__ import annotations

import evidence_builder as build

from rollback_drills.evidence import RunEvidence
from rollback_drills.report.html import render_html
from rollback_drills.report.markdown import render_markdown
from rollback_drills.reversibility.proof import Lock, Proof
from rollback_drills.reversibility.rows import Loss


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
    assert "values of public.orders.discount in 1204 rows, written after the upgrade" in page
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

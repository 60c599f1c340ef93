"""The table of all migrations in the document and in the summary."""

from __future__ import annotations

from support import evidence_builder as build

from rollback_drills.evidence.revisions import RelationLock, RevisionEvidence, RowLoss
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.pytest_plugin.revision_table import revision_lines
from rollback_drills.report.formats.html import render_html
from rollback_drills.report.formats.markdown import render_markdown
from rollback_drills.report.views.limits import Limits
from rollback_drills.report.views.report import Reports
from rollback_drills.report.views.revisions import revision_rows


def run_of(*revisions: RevisionEvidence) -> RunEvidence:
    name = "drills/test_reversibility.py::test_reversibility"
    return build.run(*(build.drill(f"{name}[{each.revision}]", revisions=[each]) for each in revisions))


def revision(name: str, verdict: str = "lossless", *findings: str) -> RevisionEvidence:
    return RevisionEvidence(revision=name, verdict=verdict, findings=findings)


def loss(column: str, rows: int, written: str) -> RowLoss:
    line = f"values of public.orders.{column} in {rows:,} rows, written {written} the upgrade"
    return RowLoss(table="public.orders", column=column, rows=rows, written=written, line=line)


def example() -> RevisionEvidence:
    blocking = {"blocks": "reads and writes", "work": "rewrite", "seconds": 4.0}
    taken = {"relation": "public.orders", "mode": "AccessExclusiveLock", "statement": "ALTER TABLE", "line": 3}
    return RevisionEvidence(
        revision="0007_status",
        doc="A <status>",
        verdict="lossy",
        up_seconds=0.0123,
        losses=(loss("discount", 1204, "after"),),
        locks=(RelationLock.model_validate({**taken, **blocking}),),
        findings=("loss-undeclared",),
    )


def test_the_document_has_a_row_for_each_revision():
    page = render_html(Reports(run_of(example(), revision("0008_index"))))
    assert 'id="revisions"' in page
    assert "0007_status" in page
    assert "A &lt;status&gt;" in page
    assert "values of public.orders.discount in 1,204 rows, written after the upgrade" in page
    assert "public.orders: AccessExclusiveLock, rewrite" in page
    assert "12 ms" in page
    assert "0008_index" in page
    assert "loss-undeclared" in page


def test_the_summary_has_it_too():
    text = render_markdown(Reports(run_of(example())))
    assert "## Every migration" in text
    assert "0007\\_status" in text
    assert "`loss-undeclared`" in text


def test_without_revisions_there_is_no_table():
    assert 'id="revisions"' not in render_html(Reports(build.run(build.drill())))
    assert "Every migration" not in render_markdown(Reports(build.run(build.drill())))


def test_a_long_history_is_cut_with_a_note_and_findings_stay():
    many = [revision(f"r{number:04}") for number in range(599)] + [revision("r0599", "lossless", "schema-residue")]
    page = render_html(Reports(run_of(*many)))
    assert "r0599" in page
    assert "more, without findings or for lack of room" in page


def test_the_losses_of_the_targets_own_rows_come_first():
    own = example().model_copy(update={"seed_losses": (loss("note", 3, "before"),)})
    page = render_html(Reports(run_of(own)))
    first = page.index(
        "of the target&#39;s own data: values of public.orders.note in 3 rows, written before the upgrade"
    )
    assert first < page.index("values of public.orders.discount")


def test_what_a_restore_has_brought_back_stands_beside_the_reason():
    purge = revision("0009_purge", "irreversible by design")
    purge = purge.model_copy(update={"reason": "personal data", "restored": "restored: 9 rows"})
    assert "personal data; restored: 9 rows" in render_html(Reports(run_of(purge)))


def test_a_drill_may_have_proven_several():
    proven = [revision(f"000{number}") for number in range(3)]
    drill = build.drill("drills/test_reversibility.py::test_reversibility[every]", revisions=proven)
    rows, _ = revision_rows(build.run(drill), Limits())
    assert [row.revision for row in rows] == ["0000", "0001", "0002"]


def test_the_terminal_shows_those_with_something_to_say_and_all_when_asked():
    quiet = [revision(f"q{number}") for number in range(3)]
    loud = [revision(f"l{number:02}", "lossless", "schema-residue") for number in range(30)]
    run = run_of(example(), *quiet, *loud)
    short = [text for text, _ in revision_lines(run, verbose=False, width=120)]
    assert "revision" in short[1]
    assert any(line.startswith("0007_status") and "loss-undeclared" in line and "12 ms" in line for line in short)
    assert not any(line.startswith("q") for line in short)
    assert short[-1] == (
        "34 revisions: 33 lossless, 1 lossy; 31 with findings; 11 more notable ones, and all others, with -v"
    )
    long = [text for text, _ in revision_lines(run, verbose=True, width=120)]
    assert {line.partition(" ")[0] for line in long} >= {
        each.revision for drill in run.drills for each in drill.revisions
    }
    assert max(map(len, long)) <= 120
    assert list(revision_lines(build.run(build.drill()), verbose=True)) == []

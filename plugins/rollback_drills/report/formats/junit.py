"""JUnit XML: what a CI service reads about each drill, as pytest writes it and for rendered runs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator

from rollback_drills.evidence.model import DrillEvidence
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import visible

PREFIX = "drill_"
_KINDS = {"failed": "failure", "error": "error", "incomplete": "error", "skipped": "skipped", "not run": "skipped"}


def properties(evidence: DrillEvidence) -> Iterator[tuple[str, str]]:
    """Name and value of each figure that was measured."""
    yield f"{PREFIX}verdict", evidence.verdict
    recovery = evidence.recovery
    if recovery is not None:
        yield f"{PREFIX}recovery_seconds", "never" if recovery.seconds is None else f"{recovery.seconds:g}"
        if recovery.objective_seconds is not None:
            yield f"{PREFIX}recovery_objective_seconds", f"{recovery.objective_seconds:g}"
    if evidence.traffic is not None:
        yield f"{PREFIX}downtime_seconds", f"{evidence.traffic.longest_downtime:g}"
    if evidence.writes is not None:
        yield f"{PREFIX}acknowledged_writes", str(evidence.writes.acknowledged)
        if evidence.writes.judged:
            yield f"{PREFIX}lost_writes", str(evidence.writes.all_lost)
    for name, found in (
        ("findings", [each for each in evidence.findings if each.fails]),
        ("accepted_risks", evidence.accepted),
        ("known_gaps", [each for each in evidence.findings if each.severity == "info"]),
    ):
        if found or name == "findings":
            yield f"{PREFIX}{name}", " ".join(dict.fromkeys(finding.code for finding in found))


def render_junit(run: RunEvidence) -> str:
    """All drills of ``run`` as one suite; JUnit knows no incomplete tests, so those are errors."""
    counts = Counter(_KINDS.get(drill.verdict, "passed") for drill in run.drills)
    root = ElementTree.Element("testsuites", name="rollback drills")
    suite = ElementTree.SubElement(
        root,
        "testsuite",
        name=visible(run.target.name),
        tests=str(len(run.drills)),
        failures=str(counts["failure"]),
        errors=str(counts["error"]),
        skipped=str(counts["skipped"]),
        time=f"{run.seconds:.3f}",
        timestamp=visible(run.started_at),
    )
    for drill in run.drills:
        suite.append(_case(drill))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(drill: DrillEvidence) -> ElementTree.Element:
    file, _, name = drill.id.partition("::")
    classname = file.removesuffix(".py").replace("/", ".")
    case = ElementTree.Element(
        "testcase", classname=visible(classname), name=visible(name or file), time=f"{drill.seconds:.3f}"
    )
    listed = ElementTree.SubElement(case, "properties")
    for key, value in properties(drill):
        ElementTree.SubElement(listed, "property", name=key, value=visible(value))
    kind = _KINDS.get(drill.verdict)
    if kind is not None:
        told = ElementTree.SubElement(case, kind, message=visible(drill.reason or drill.verdict))
        told.text = visible(drill.reason)
    return case

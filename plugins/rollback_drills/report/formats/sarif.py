"""Findings as annotations of source files: SARIF 2.1.0, and the workflow commands of GitHub Actions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.evidence.findings.catalogue import CATALOGUE
from rollback_drills.evidence.model import DrillEvidence, Finding
from rollback_drills.evidence.run import RunEvidence

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MAX_COMMANDS = 50  # GitHub shows ten of each level for a step; more only lengthen the log
_LEVELS = {"critical": "error", "major": "warning", "minor": "note", "info": "note"}
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, relative to the root of the sources."""

    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Annotation:
    """A finding and its place."""

    finding: Finding
    place: Place

    @property
    def level(self) -> str:
        return "note" if not self.finding.fails else _LEVELS[self.finding.severity]


PlaceOf = Callable[[DrillEvidence, Finding], Place]


def annotations_of(run: RunEvidence, place_of: PlaceOf) -> list[Annotation]:
    """Every finding of a run, in the order of its drills."""
    return [Annotation(each, place_of(drill, each)) for drill in run.drills for each in drill.findings]


def sarif(run: RunEvidence, annotations: Sequence[Annotation]) -> str:
    """A SARIF 2.1.0 log (OASIS: "Static Analysis Results Interchange Format"), for services that show code scanning."""
    codes = dict.fromkeys(each.finding.code for each in annotations)
    driver: dict[str, JsonValue] = {
        "name": "rollback-drills",
        "version": run.versions.get("pytest-rollback-drills", "0"),
        "rules": [_rule(code) for code in codes],
    }
    log: dict[str, JsonValue] = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(each) for each in annotations]}],
    }
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def workflow_commands(annotations: Sequence[Annotation]) -> Iterator[str]:
    """Lines that GitHub Actions shows beside the source; accepted findings are left out, the worst come first."""
    order = list(_COMMANDS)
    failing = sorted((each for each in annotations if each.finding.fails), key=lambda each: order.index(each.level))
    for each in failing[:MAX_COMMANDS]:
        title = f"{each.finding.code}: {each.finding.title}"
        properties = {"file": each.place.file, "line": str(each.place.line), "title": title}
        given = ",".join(f"{name}={_escaped(value, ':,')}" for name, value in properties.items())
        yield f"::{_COMMANDS[each.level]} {given}::{_escaped(each.finding.detail)}"


def _rule(code: str) -> JsonValue:
    kind = CATALOGUE[code]
    return {
        "id": code,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.why},
        "help": {"text": kind.remedy},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
    }


def _result(each: Annotation) -> JsonValue:
    finding = each.finding
    result: dict[str, JsonValue] = {
        "ruleId": finding.code,
        "level": each.level,
        "message": {"text": f"{finding.title}. {finding.detail}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": each.place.file, "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": each.place.line},
                }
            }
        ],
        "partialFingerprints": {"findingOfRevision/v1": f"{finding.code}:{finding.subject}"},
    }
    if finding.accepted is not None:
        result["suppressions"] = [{"kind": "external", "justification": finding.accepted.reason}]
    return result


def _escaped(text: str, more: str = "") -> str:
    """As the workflow's runner reads it: percent-encoded line ends, and in properties also the separators."""
    for character in "%\r\n" + more:
        text = text.replace(character, f"%{ord(character):02X}")
    return text

"""The forms of the linter's output: text, JSON, SARIF 2.1.0, and annotations of GitHub Actions."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rollback_drills.evidence.findings.catalogue import CATALOGUE
from rollback_drills.evidence.findings.entry import FindingKind
from rollback_drills.report.text import count, visible
from rollback_drills.runbook.kinds import STATIC_KINDS
from rollback_drills.runbook.linter import RULES, Remark

KINDS: dict[str, FindingKind] = {code: CATALOGUE[code] for code in RULES} | {kind.code: kind for kind in STATIC_KINDS}
"""Every kind of finding of the linter, by its code."""

_DOCUMENT = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "major": "warning", "minor": "note", "info": "note"}
_COMMANDS = {"critical": "error", "major": "warning", "minor": "notice", "info": "notice"}


@dataclass(frozen=True, slots=True)
class Linted:
    """A file and what was found in it; ``version`` is that of the suite."""

    file: str
    remarks: tuple[Remark, ...]
    version: str

    @property
    def open(self) -> tuple[Remark, ...]:
        """The findings that no suppression accepts."""
        return tuple(each for each in self.remarks if not each.accepted)


def sentence(remark: Remark) -> str:
    """What is wrong, in one line."""
    title = KINDS[remark.code].title
    return f"{title}: {remark.detail}" if remark.detail else title


def as_text(linted: Sequence[Linted]) -> str:
    """For people: file, line, severity and code, the command, what is wrong, what to do."""
    lines = list[str]()
    for each in linted:
        for remark in each.open:
            kind = KINDS[remark.code]
            lines.append(f"{each.file}:{remark.line}:{remark.column}: {kind.severity}: {remark.code}")
            lines += [f"    {remark.text}", f"    {sentence(remark)}.", f"    To fix this: {kind.remedy}", ""]
        lines.append(f"{each.file}: {_total(each)}")
    return "\n".join(map(visible, lines)) + "\n"


def _total(linted: Linted) -> str:
    severities = Counter(KINDS[remark.code].severity for remark in linted.open)
    parts = ", ".join(f"{number} {severity}" for severity, number in sorted(severities.items()))
    accepted = len(linted.remarks) - len(linted.open)
    total = count(len(linted.open), "finding") + (f" ({parts})" if parts else "")
    return total + (f", {accepted} accepted in the page" if accepted else "")


def as_json(linted: Sequence[Linted]) -> str:
    """For programs: every finding with its texts; `accepted` has the reason of a suppression, or null."""
    files = [{"file": each.file, "findings": [_record(remark) for remark in each.remarks]} for each in linted]
    document = {"version": 1, "files": files, "findings": sum(len(each.open) for each in linted)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _record(remark: Remark) -> dict[str, object]:
    kind = KINDS[remark.code]
    return {
        "line": remark.line,
        "column": remark.column,
        "code": remark.code,
        "severity": kind.severity,
        "command": remark.text,
        "title": kind.title,
        "detail": remark.detail,
        "why": kind.why,
        "remedy": kind.remedy,
        "accepted": remark.accepted or None,
    }


def as_sarif(linted: Sequence[Linted]) -> str:
    """For code scanning: SARIF 2.1.0, suppressions included."""
    codes = list(KINDS)
    driver = {
        "name": "rollback-drills lint",
        "semanticVersion": linted[0].version if linted else "0",
        "rules": [_sarif_rule(kind) for kind in KINDS.values()],
    }
    results = [_sarif_result(each.file, remark, codes) for each in linted for remark in each.remarks]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _DOCUMENT, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _sarif_rule(kind: FindingKind) -> dict[str, Any]:
    return {
        "id": kind.code,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.why},
        "help": {"text": kind.remedy, "markdown": f"{kind.why}\n\n*What to do:* {kind.remedy}"},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
    }


def _sarif_result(file: str, remark: Remark, codes: list[str]) -> dict[str, Any]:
    region = {"startLine": remark.line, "startColumn": remark.column, "snippet": {"text": remark.text}}
    result: dict[str, Any] = {
        "ruleId": remark.code,
        "ruleIndex": codes.index(remark.code),
        "level": _LEVELS[KINDS[remark.code].severity],
        "message": {"text": f"{sentence(remark)}. {KINDS[remark.code].remedy}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": region}}],
    }
    if remark.accepted:
        result["suppressions"] = [{"kind": "inSource", "justification": remark.accepted}]
    return result


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file)


def as_github(linted: Sequence[Linted]) -> str:
    """Workflow commands: GitHub Actions shows each beside its line."""
    lines = list[str]()
    for each in linted:
        for remark in each.open:
            kind = KINDS[remark.code]
            place = f"file={_property(each.file)},line={remark.line},col={remark.column}"
            message = _escaped(f"{remark.text}\n{sentence(remark)}.\nTo fix this: {kind.remedy}")
            lines.append(f"::{_COMMANDS[kind.severity]} {place},title={_property(remark.code)}::{message}")
        lines.append(f"{each.file}: {_total(each)}")
    return "\n".join(map(visible, lines)) + "\n"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


FORMATS: dict[str, Callable[[Sequence[Linted]], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}
"""By the name of the option."""

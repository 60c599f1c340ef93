"""Evidence that holds hostile text wherever it has room for text."""

from __future__ import annotations

from rollback_drills.evidence.model import Writes
from rollback_drills.evidence.run import RunEvidence
from support import evidence_builder as build

HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>' onmouseover='x",
    "</style></pre></details><h1>owned</h1>",
    "{{ 7*7 }}{% raw %}",
    "\x1b[31mred\x1b[0m\x00\x08 rtl\u202egnp.exe \u200b\ufeff \ud800 \u2028",
    "javascript:alert(1)//&lt;&#x3c;",
    "a" * 50_000 + "<b>" + "'" * 50_000,
)


def hostile_run(text: str) -> RunEvidence:
    """``text`` wherever evidence has room for text."""
    step = build.step(
        1,
        text,
        0.1,
        0.5,
        build.check(text, text, {text: [text]}, finding=text),
        build.check(text, [text], {text: 1}),
        build.check(text, {text: {"rows": 1, text: text}}, {text: {"rows": text}}),
        build.check(text, {}, {"left_over": [text], "missing": {text: text}, "changed": {text: [text, text]}}),
        checklist=text,
        error=text,
        commands=[build.command(f"{text} x", text)],
    )
    found = build.finding("rows-lost", text, step=text, data={text: [{text: text}]}).model_copy(
        update={"code": text, "title": text, "why": text, "remedy": text}
    )
    common = {"title": text, "runbook": text, "reason": text, "summary": text, "facts": {text: text}}
    drills = [
        build.drill(
            f"{text}::{text}[{number}{text}]",
            "failed",
            steps=[step],
            findings=[found] * number,
            writes=Writes(acknowledged=1, lost=(text,)),
            recovery=build.recovery(name=text),
            **common,
        )
        for number in range(3)
    ]
    run = build.run(*drills, interrupted=text, selection=text, sections=[text])
    changes = {"name": text, "file": text, "sha256": text, "current": text, "previous": text, "objectives": {text: 1.0}}
    return run.model_copy(
        update={
            "run": text,
            "started_at": text,
            "versions": {text: text},
            "host": {text: {text: text}},
            "target": run.target.model_copy(update=changes),
            "runbook": run.runbook.model_copy(
                update={"title": text, "file": text, "checklist": {text: text}, "by_hand": {text: text}}
            ),
            "runtime": run.runtime.model_copy(update={"name": text, "reason": text, "facts": {text: text}}),
        }
    )

"""Evidence as a run would leave it, for the tests of the report: every verdict, 21 cases of one drill, diffs."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.evidence.findings.catalogue import entry
from rollback_drills.evidence.model import (
    Check,
    ClientTraffic,
    Command,
    Downtime,
    DrillEvidence,
    Finding,
    Interval,
    Latency,
    Observation,
    Phase,
    Recovery,
    Step,
    Verdict,
    Writes,
)
from rollback_drills.evidence.revisions import RevisionEvidence
from rollback_drills.evidence.run import (
    RunbookFacts,
    RunEvidence,
    RuntimeFacts,
    TargetFacts,
)

_INTEGRATIONS = """
    github jira shortcut linear pagerduty slack github_actions datadog sentry circleci jenkins gitlab kubernetes argocd
    ecs heroku codecov sonarqube newrelic prometheus cloudwatch
"""
_SECTIONS = """
    quick-application quick-database quick-flags scenario-a scenario-b scenario-c recovery-checklist prevention
"""
_CHECKLIST = """
    stop-service root-cause disable-or-rollback rollback-database restart-services verify-health error-rates monitor
    document post-mortem
"""
INTEGRATIONS, SECTIONS, CHECKLIST = (tuple(names.split()) for names in (_INTEGRATIONS, _SECTIONS, _CHECKLIST))


def check(
    title: str, expected: JsonValue = True, observed: JsonValue = True, *, at: float = 1.0, finding: str | None = None
) -> Check:
    return Check(title=title, expected=expected, observed=observed, passed=expected == observed, at=at, finding=finding)


def command(
    line: str, output: str = "", *, exit_code: int | None = 0, at: float = 1.0, seconds: float = 0.4
) -> Command:
    return Command(
        argv=tuple(line.split()), exit_code=exit_code, output=output, at=at, seconds=seconds, where="release 0.5.0"
    )


def step(
    number: int,
    title: str,
    at: float,
    seconds: float,
    *checks: Check,
    checklist: str | None = None,
    commands: Sequence[Command] = (),
    observations: Sequence[Observation] = (),
    error: str = "",
) -> Step:
    outcome = "error" if error else "failed" if any(item.fails for item in checks) else "passed"
    return Step(
        number=number,
        title=title,
        outcome=outcome,
        at=at,
        seconds=seconds,
        target_seconds=seconds * 0.9,
        checklist=checklist,
        error=error,
        checks=checks,
        observations=tuple(observations),
        commands=tuple(commands),
    )


def finding(code: str, detail: str, *, step: str = "", at: float = 2.0, data: JsonValue = None) -> Finding:
    known = entry(code)
    return Finding(
        code=code,
        severity=known.severity,
        title=known.title,
        detail=detail,
        why=known.why,
        remedy=known.remedy,
        at=at,
        step=step,
        data=data,
    )


def drill(
    name: str = "drills/test_quick_rollback.py::test_application",
    verdict: Verdict = "passed",
    *,
    title: str = "Quick rollback 1: application",
    runbook: str = "quick-application",
    reason: str = "",
    steps: Sequence[Step] = (),
    findings: Sequence[Finding] = (),
    recovery: Recovery | None = None,
    writes: Writes | None = None,
    traffic: ClientTraffic | None = None,
    facts: dict[str, JsonValue] | None = None,
    gaps: Sequence[str] = (),
    measured_for: str = "",
    revisions: Sequence[RevisionEvidence] = (),
    lacks: Sequence[str] = (),
    seconds: float = 6.0,
    summary: str = "The previous release serves again, with the data intact.",
) -> DrillEvidence:
    return DrillEvidence(
        id=name,
        title=title,
        runbook=runbook,
        summary=summary,
        verdict=verdict,
        started_at="2026-11-22T03:04:05.123456+00:00",
        seconds=seconds,
        target_seconds=seconds * 0.9,
        reason=reason,
        lacks=tuple(lacks),
        facts=facts or {},
        gaps=tuple(gaps),
        measured_for=measured_for,
        revisions=tuple(revisions),
        recovery=recovery,
        writes=writes,
        traffic=traffic,
        steps=tuple(steps),
        findings=tuple(findings),
    )


def run(
    *drills: DrillEvidence, interrupted: str = "", selection: str = "", sections: Sequence[str] = SECTIONS
) -> RunEvidence:
    return RunEvidence(
        run="20261122-030405-7f3a",
        started_at="2026-11-22T03:04:05+00:00",
        finished_at="2026-11-22T03:04:49+00:00",
        seconds=44.2,
        target_seconds=38.9,
        setup_seconds=2.1,
        workers=1,
        interrupted=interrupted,
        selection=selection,
        target=TargetFacts(
            name="reference gateway",
            file="fixtures/targets/reference.toml",
            sha256="a1" * 32,
            current="0.5.0",
            previous="0.4.0",
            integrations=21,
            objectives={"application_rollback": 120, "database_rollback": 300, "feature_flag": 5},
        ),
        runtime=RuntimeFacts(
            name="embedded",
            reason="auto: no Docker engine answers at unix:///var/run/docker.sock",
            facts={"PostgreSQL": "18.6", "gateway image digest": "sha256:" + "c4" * 32},
        ),
        runbook=RunbookFacts(
            title="Rollback Procedures",
            file="fixtures/gateway/ROLLBACK.md",
            sha256="b2" * 32,
            sections={name: name.replace("-", " ").capitalize() for name in sections},
            checklist={name: name.replace("-", " ").capitalize() for name in CHECKLIST},
            by_hand={"monitor": "an hour of watching is a person's"},
        ),
        versions={"python": "3.11.9", "pytest": "9.2.0", "rollback-drills": "0.1.0"},
        host={"system": "Linux 6.8", "processors": 2, "memory": "8 GB"},
        drills=drills,
    )


def recovery(
    seconds: float | None = 1.9, objective: float | None = 120, name: str = "application_rollback"
) -> Recovery:
    return Recovery(objective=name, objective_seconds=objective, started=2.4, seconds=seconds)


def traffic(
    *,
    trigger: float = 2.4,
    down: float = 1.4,
    total: float = 6.0,
    kinds: Sequence[str] = ("delivery", "health"),
    objective: float | None = 5.0,
    deliberate: int = 0,
) -> ClientTraffic:
    """Twenty requests a second of each kind; all of them fail for ``down`` seconds from the trigger on."""
    rate, length = 20.0, 0.25
    spans = (
        ("before", 0.0, trigger),
        ("during", trigger, trigger + down + 0.5),
        ("after", trigger + down + 0.5, total),
    )
    intervals, phases = [], []
    for number in range(round(total / length)):
        at = number * length
        failed = trigger <= at < trigger + down
        count = round(rate * length) * len(kinds)
        aside = min(deliberate, count) if at >= trigger + down else 0
        intervals.append(
            Interval(
                at=at,
                good=0 if failed else count - aside,
                deliberate=aside,
                failed=count if failed else 0,
                p95=None if failed else 0.02,
            )
        )
    for name, began, ended in spans:
        mine = [item for item in intervals if began <= item.at < ended]
        good, refused, failures = (
            sum(getattr(item, part) for item in mine) for part in ("good", "deliberate", "failed")
        )
        latency = Latency(p50=0.004, p95=0.021, p99=0.08, longest=1.2)
        phases.append(
            Phase(
                name=name,
                began=began,
                ended=ended,
                requests=good + refused + failures,
                good=good,
                deliberate=refused,
                failed=failures,
                latency=latency if good else None,
            )
        )
    lost = round(rate * down)
    return ClientTraffic(
        rate=rate * len(kinds),
        began=0.0,
        ended=total,
        requests={
            kind: {"200": round(rate * (total - down)), "ConnectError": lost, "503": lost // 4} for kind in kinds
        },
        downtime=tuple(
            Downtime(kind=kind, began=trigger, ended=trigger + down, requests=lost, cause="ConnectError")
            for kind in kinds
        )
        if down
        else (),
        downtime_seconds=dict.fromkeys(kinds, down),
        downtime_objective_seconds=objective,
        phases=tuple(phases),
        latency=Latency(p50=0.004, p95=0.021, p99=0.08, longest=1.2),
        interval_seconds=length,
        intervals=tuple(intervals),
        latest_send_seconds=0.004,
        cpu_seconds=0.3,
    )

"""Evidence as a run would leave it, for the tests of the report: every verdict, 21 cases of one drill, diffs."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.evidence import (
    Check,
    Command,
    DrillEvidence,
    Finding,
    Observation,
    Recovery,
    RunbookFacts,
    RunEvidence,
    RuntimeFacts,
    Step,
    TargetFacts,
    Verdict,
    Writes,
)
from rollback_drills.findings import entry

INTEGRATIONS = (
    "github",
    "jira",
    "shortcut",
    "linear",
    "pagerduty",
    "slack",
    "github_actions",
    "datadog",
    "sentry",
    "circleci",
    "jenkins",
    "gitlab",
    "kubernetes",
    "argocd",
    "ecs",
    "heroku",
    "codecov",
    "sonarqube",
    "newrelic",
    "prometheus",
    "cloudwatch",
)
SECTIONS = (
    "quick-application",
    "quick-database",
    "quick-flags",
    "scenario-a",
    "scenario-b",
    "scenario-c",
    "recovery-checklist",
    "prevention",
)
CHECKLIST = (
    "stop-service",
    "root-cause",
    "disable-or-rollback",
    "rollback-database",
    "restart-services",
    "verify-health",
    "error-rates",
    "monitor",
    "document",
    "post-mortem",
)
SCHEMA_DIFF: JsonValue = {
    "left_over": [{"key": "type public.delivery_state", "definition": "ENUM ('received', 'stored', 'failed')"}],
    "missing": ["index public.ix_deliveries_received_at"],
    "changed": [
        {
            "key": "column public.deliveries.attempts",
            "before": "integer NOT NULL DEFAULT 0",
            "after": "integer NOT NULL",
        },
        {
            "key": "constraint public.deliveries.ck_status",
            "before": "CHECK (status = ANY ('{new,done}'))",
            "after": "CHECK (status IS NOT NULL)",
        },
    ],
}
LOG = "\n".join(
    f"INFO  [alembic.runtime.migration] Running downgrade {20 - n:04d} -> {19 - n:04d}, step {n}" for n in range(12)
)


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
    outcome = "error" if error else "passed" if all(item.passed for item in checks) else "failed"
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
    facts: dict[str, JsonValue] | None = None,
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
        facts=facts or {},
        recovery=recovery,
        writes=writes,
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
            sections=tuple(sections),
            checklist=CHECKLIST,
        ),
        versions={"python": "3.11.9", "pytest": "9.2.0", "rollback-drills": "0.1.0"},
        host={"system": "Linux 6.8", "processors": 2, "memory": "8 GB"},
        drills=drills,
    )


def recovery(
    seconds: float | None = 1.9, objective: float | None = 120, name: str = "application_rollback"
) -> Recovery:
    return Recovery(objective=name, objective_seconds=objective, started=2.4, seconds=seconds)


def application(verdict: Verdict = "passed") -> DrillEvidence:
    steps = (
        step(
            1,
            "Deploy the current release and see it serve",
            0.1,
            1.9,
            check("the version is reported", "0.5.0", "0.5.0"),
            check("/health answers", 200, 200),
            observations=[Observation(title="revision", value="0020", at=1.2)],
        ),
        step(
            2,
            "Stop the affected service",
            2.4,
            0.3,
            checklist="stop-service",
            commands=[command("docker compose down", "Container gateway Stopped")],
        ),
        step(
            3,
            "Deploy the previous release",
            2.7,
            1.3,
            check("it serves", True, True),
            checklist="disable-or-rollback",
            commands=[command("docker compose up -d", LOG, at=2.8, seconds=1.1)],
        ),
        step(
            4,
            "Verify version, behaviour and data",
            4.3,
            1.2,
            check("the version", "0.4.0", "0.4.0", at=4.4),
            check("the agreed body", {"detail": "integration disabled"}, {"detail": "integration disabled"}),
            check(
                "every row is still there",
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
            ),
            checklist="verify-health",
        ),
    )
    return drill(
        verdict=verdict,
        steps=steps,
        recovery=recovery(),
        writes=Writes(acknowledged=140),
        facts={"downtime_seconds": 1.4, "revision": "0020"},
    )


def failed_database() -> DrillEvidence:
    verify = "Compare the schema with one that was only ever upgraded"
    steps = (
        step(
            1,
            "Read the revision before touching anything",
            0.1,
            0.4,
            check("the revision", "0020", "0020", at=0.3),
            checklist="root-cause",
        ),
        step(
            2,
            "Downgrade by one revision",
            0.8,
            351.1,
            check("the revision", "0019", "0019", at=1.7),
            checklist="rollback-database",
            commands=[command("alembic downgrade -1", "INFO  Running downgrade 0020 -> 0019", at=0.9, seconds=350.9)],
        ),
        step(
            3,
            verify,
            352.1,
            14.5,
            check("no difference is left", {}, SCHEMA_DIFF, at=2.4, finding="schema-residue"),
            check(
                "rows that should survive",
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                {"deliveries": {"rows": 1187, "hash": "01de" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                at=2.5,
                finding="rows-lost",
            ),
        ),
    )
    found = (
        finding(
            "schema-residue",
            "3 objects differ from a database that was only ever upgraded to 0019.",
            step=verify,
            data=SCHEMA_DIFF,
        ),
        finding("rows-lost", "13 of 1 200 rows of deliveries are gone after the downgrade.", step=verify),
        finding("objective-missed", "6 min 4 s against 5 min; “Downgrade by one revision” took longest.", at=2.9),
    )
    return drill(
        "drills/test_quick_rollback.py::test_database",
        "failed",
        title="Quick rollback 2: database",
        runbook="quick-database",
        reason="the schema is not the one expected after the downgrade",
        steps=steps,
        findings=found,
        recovery=recovery(364.0, 300, "database_rollback"),
        seconds=367.1,
        summary="One revision back and to a named one; schema and rows as they should be, and so after the restart.",
    )


def scenario_a(*ignored: str, skipped: Sequence[str] = ()) -> tuple[DrillEvidence, ...]:
    """21 cases; the flags of ``ignored`` do nothing."""
    return tuple(_integration(name, name in ignored, name in skipped) for name in INTEGRATIONS)


def _integration(name: str, ignored: bool, skipped: bool) -> DrillEvidence:
    common = {"title": "Scenario A: a new integration causes issues", "runbook": "scenario-a"}
    identifier = f"drills/test_scenario_a.py::test_integration[{name}]"
    if skipped:
        return drill(identifier, "skipped", reason="the integration has no flag", seconds=0.0, **common)
    off = f"Turn {name} off and re-create the gateway"
    status = 200 if ignored else 503
    steps = (
        step(1, "See the error rate rise", 0.1, 0.6, check("5xx in /metrics", 5, 5, at=0.5), checklist="error-rates"),
        step(
            2,
            off,
            0.9,
            1.2,
            check(f"{name} answers", 503, status, at=2.0, finding="flag-ignored"),
            check("its neighbours answer", 202, 202, at=2.1),
            checklist="disable-or-rollback",
        ),
        step(3, "See the error rate fall", 2.2, 0.4, check("new 5xx, deliberate 503s apart", 0, 0, at=2.5)),
    )
    found = [finding("flag-ignored", f"POST /webhooks/{name} answered 200 while its flag is off.", step=off)]
    return drill(
        identifier,
        "failed" if ignored else "passed",
        steps=steps,
        findings=found if ignored else [],
        reason=f"{name} still answers" if ignored else "",
        recovery=recovery(None if ignored else 1.3, 5, "feature_flag"),
        facts={"integration": name},
        seconds=2.9,
        summary="Turned off it answers the agreed 503, and nothing else changes.",
        **common,
    )


def errored() -> DrillEvidence:
    failing = step(
        1,
        "Start the release whose migration fails",
        0.2,
        10.0,
        error="StackError: the gateway did not answer within 10 s\nCause:\n  bind: address already in use",
        commands=[command("python -m gateway", "Traceback\n  OSError: [Errno 98]", exit_code=None)],
    )
    return drill(
        "drills/test_scenario_b.py::test_failed_migration[lock]",
        "error",
        seconds=10.4,
        steps=[failing],
        title="Scenario B: a database migration failed",
        runbook="scenario-b",
        reason="the gateway did not answer within 10 s",
    )


def skipped() -> DrillEvidence:
    return drill(
        "drills/test_scenario_c.py::test_restore",
        "skipped",
        seconds=0.0,
        title="Scenario C: complete rollback",
        runbook="scenario-c",
        reason="the target has no backup command ([backup] in the target file)",
    )


def incomplete() -> DrillEvidence:
    return drill(
        "drills/test_recovery_checklist.py::test_checklist",
        "incomplete",
        title="Recovery checklist",
        seconds=1.2,
        runbook="recovery-checklist",
        reason="the worker was killed",
        steps=[step(1, "Restart services", 0.1, 1.0, checklist="restart-services")],
    )


def game_day() -> RunEvidence:
    """A run with everything in it."""
    return run(
        application(),
        failed_database(),
        *scenario_a("datadog", "slack", skipped=["ecs"]),
        errored(),
        skipped(),
        incomplete(),
        selection="drills -k 'not prevention'",
    )


def good_day() -> RunEvidence:
    """A run of which nothing but good is to be told."""
    rest = (
        drill(f"drills/test_all.py::test_{index}", title=section, runbook=section, recovery=recovery())
        for index, section in enumerate(SECTIONS)
        if section not in ("quick-application", "scenario-a")
    )
    return run(application(), *scenario_a(), *rest)


def large(count: int, output: str, *, steps: int = 8) -> RunEvidence:
    """``count`` drills with ``steps`` steps each, all of them saying ``output``."""
    return run(
        *(
            drill(
                f"drills/test_many.py::test_{index}",
                "failed" if index % 7 == 0 else "passed",
                title=f"Drill {index}",
                runbook=SECTIONS[index % len(SECTIONS)],
                recovery=recovery(),
                writes=Writes(acknowledged=10),
                steps=[
                    step(
                        number,
                        f"Step {number} of drill {index}",
                        number * 0.5,
                        0.4,
                        check("a", 1, 1),
                        check("b", "x", "x"),
                        commands=[command("alembic current", output)],
                    )
                    for number in range(1, steps + 1)
                ],
            )
            for index in range(count)
        )
    )

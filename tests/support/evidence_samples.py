"""Drills and game days for the tests of the report: every verdict, 21 cases of one drill, differences, large logs."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import JsonValue

from rollback_drills.evidence.model import (
    DrillEvidence,
    Observation,
    Verdict,
    Writes,
)
from rollback_drills.evidence.run import RunEvidence
from support import evidence_builder as build

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


def application(verdict: Verdict = "passed") -> DrillEvidence:
    steps = (
        build.step(
            1,
            "Deploy the current release and see it serve",
            0.1,
            1.9,
            build.check("the version is reported", "0.5.0", "0.5.0"),
            build.check("/health answers", 200, 200),
            observations=[Observation(title="revision", value="0020", at=1.2)],
        ),
        build.step(
            2,
            "Stop the affected service",
            2.4,
            0.3,
            checklist="stop-service",
            commands=[build.command("docker compose down", "Container gateway Stopped")],
        ),
        build.step(
            3,
            "Deploy the previous release",
            2.7,
            1.3,
            build.check("it serves", True, True),
            checklist="disable-or-rollback",
            commands=[build.command("docker compose up -d", LOG, at=2.8, seconds=1.1)],
        ),
        build.step(
            4,
            "Verify version, behaviour and data",
            4.3,
            1.2,
            build.check("the version", "0.4.0", "0.4.0", at=4.4),
            build.check("the agreed body", {"detail": "integration disabled"}, {"detail": "integration disabled"}),
            build.check(
                "every row is still there",
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
            ),
            checklist="verify-health",
        ),
    )
    return build.drill(
        verdict=verdict,
        steps=steps,
        recovery=build.recovery(),
        writes=Writes(acknowledged=140, rpo_objective_seconds=0.0),
        traffic=build.traffic(),
        facts={"revision": "0020"},
    )


def failed_database() -> DrillEvidence:
    verify = "Compare the schema with one that was only ever upgraded"
    steps = (
        build.step(
            1,
            "Read the revision before touching anything",
            0.1,
            0.4,
            build.check("the revision", "0020", "0020", at=0.3),
            checklist="root-cause",
        ),
        build.step(
            2,
            "Downgrade by one revision",
            0.8,
            351.1,
            build.check("the revision", "0019", "0019", at=1.7),
            checklist="rollback-database",
            commands=[
                build.command("alembic downgrade -1", "INFO  Running downgrade 0020 -> 0019", at=0.9, seconds=350.9)
            ],
        ),
        build.step(
            3,
            verify,
            352.1,
            14.5,
            build.check("no difference is left", {}, SCHEMA_DIFF, at=2.4, finding="schema-residue"),
            build.check(
                "rows that should survive",
                {"deliveries": {"rows": 1200, "hash": "9f0c" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                {"deliveries": {"rows": 1187, "hash": "01de" * 8}, "integrations": {"rows": 21, "hash": "77ab" * 8}},
                at=2.5,
                finding="rows-lost",
            ),
        ),
    )
    found = (
        build.finding(
            "schema-residue",
            "3 objects differ from a database that was only ever upgraded to 0019.",
            step=verify,
            data=SCHEMA_DIFF,
        ),
        build.finding("rows-lost", "13 of 1 200 rows of deliveries are gone after the downgrade.", step=verify),
        build.finding("objective-missed", "6 min 4 s against 5 min; “Downgrade by one revision” took longest.", at=2.9),
    )
    return build.drill(
        "drills/test_quick_rollback.py::test_database",
        "failed",
        title="Quick rollback 2: database",
        runbook="quick-database",
        reason="the schema is not the one expected after the downgrade",
        steps=steps,
        findings=found,
        recovery=build.recovery(364.0, 300, "database_rollback"),
        writes=Writes(
            acknowledged=9120,
            lost=tuple(f"delivery-{number:05d}" for number in range(40)),
            lost_more=8,
            expected_lost=0,
            duplicated=("delivery-00911",),
            unexpected=("delivery-refused-7",),
            uncertain=3,
            rpo_seconds=12.4,
            rpo_objective_seconds=5.0,
        ),
        traffic=build.traffic(trigger=2.4, down=351.0, total=367.0, kinds=("delivery", "health", "read"), deliberate=2),
        seconds=367.1,
        summary="One revision back and to a named one; schema and rows as they should be, and so after the restart.",
    )


def scenario_a(*ignored: str, skipped: Sequence[str] = ()) -> tuple[DrillEvidence, ...]:
    """21 cases; the flags of ``ignored`` do nothing."""
    return tuple(_integration(name, name in ignored, name in skipped) for name in build.INTEGRATIONS)


def _integration(name: str, ignored: bool, skipped: bool) -> DrillEvidence:
    common = {"title": "Scenario A: a new integration causes issues", "runbook": "scenario-a"}
    identifier = f"drills/test_scenario_a.py::test_integration[{name}]"
    if skipped:
        return build.drill(identifier, "skipped", reason="the integration has no flag", seconds=0.0, **common)
    off = f"Turn {name} off and re-create the gateway"
    status = 200 if ignored else 503
    steps = (
        build.step(
            1,
            "See the error rate rise",
            0.1,
            0.6,
            build.check("5xx in /metrics", 5, 5, at=0.5),
            checklist="error-rates",
        ),
        build.step(
            2,
            off,
            0.9,
            1.2,
            build.check(f"{name} answers", 503, status, at=2.0, finding="flag-ignored"),
            build.check("its neighbours answer", 202, 202, at=2.1),
            checklist="disable-or-rollback",
        ),
        build.step(3, "See the error rate fall", 2.2, 0.4, build.check("new 5xx, deliberate 503s apart", 0, 0, at=2.5)),
    )
    found = [build.finding("flag-ignored", f"POST /webhooks/{name} answered 200 while its flag is off.", step=off)]
    return build.drill(
        identifier,
        "failed" if ignored else "passed",
        steps=steps,
        findings=found if ignored else [],
        reason=f"{name} still answers" if ignored else "",
        recovery=build.recovery(None if ignored else 1.3, 5, "feature_flag"),
        facts={"integration": name},
        seconds=2.9,
        summary="Turned off it answers the agreed 503, and nothing else changes.",
        **common,
    )


def errored() -> DrillEvidence:
    failing = build.step(
        1,
        "Start the release whose migration fails",
        0.2,
        10.0,
        error="StackError: the gateway did not answer within 10 s\nCause:\n  bind: address already in use",
        commands=[build.command("python -m gateway", "Traceback\n  OSError: [Errno 98]", exit_code=None)],
    )
    return build.drill(
        "drills/test_scenario_b.py::test_failed_migration[lock]",
        "error",
        seconds=10.4,
        steps=[failing],
        title="Scenario B: a database migration failed",
        runbook="scenario-b",
        reason="the gateway did not answer within 10 s",
    )


def skipped() -> DrillEvidence:
    return build.drill(
        "drills/test_scenario_c.py::test_restore",
        "skipped",
        seconds=0.0,
        title="Scenario C: complete rollback",
        runbook="scenario-c",
        reason="the target has no backup command ([backup] in the target file)",
    )


def incomplete() -> DrillEvidence:
    return build.drill(
        "drills/test_recovery_checklist.py::test_checklist",
        "incomplete",
        title="Recovery checklist",
        seconds=1.2,
        runbook="recovery-checklist",
        reason="the worker was killed",
        steps=[build.step(1, "Restart services", 0.1, 1.0, checklist="restart-services")],
    )


def game_day() -> RunEvidence:
    """A run with everything in it."""
    return build.run(
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
        build.drill(f"drills/test_all.py::test_{index}", title=section, runbook=section, recovery=build.recovery())
        for index, section in enumerate(build.SECTIONS)
        if section not in ("quick-application", "scenario-a")
    )
    return build.run(application(), *scenario_a(), *rest)


def large(count: int, output: str, *, steps: int = 8) -> RunEvidence:
    """``count`` drills with ``steps`` steps each, all of them saying ``output``."""
    return build.run(
        *(
            build.drill(
                f"drills/test_many.py::test_{index}",
                "failed" if index % 7 == 0 else "passed",
                title=f"Drill {index}",
                runbook=build.SECTIONS[index % len(build.SECTIONS)],
                recovery=build.recovery(),
                writes=Writes(acknowledged=10),
                steps=[
                    build.step(
                        number,
                        f"Step {number} of drill {index}",
                        number * 0.5,
                        0.4,
                        build.check("a", 1, 1),
                        build.check("b", "x", "x"),
                        commands=[build.command("alembic current", output)],
                    )
                    for number in range(1, steps + 1)
                ],
            )
            for index in range(count)
        )
    )

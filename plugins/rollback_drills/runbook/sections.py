"""The rollback runbook's structure: the sections that drills prove, and the recovery checklist.

The names are those of the runbook itself; `drills/` holds one module for each section.
"""

from __future__ import annotations

SECTIONS: dict[str, str] = {
    "quick-application": "Quick rollback 1: application",
    "quick-database": "Quick rollback 2: database",
    "quick-flags": "Quick rollback 3: feature flags",
    "scenario-a": "Scenario A: a new integration causes issues",
    "scenario-b": "Scenario B: a database migration failed",
    "scenario-c": "Scenario C: complete version rollback",
    "recovery-checklist": "Recovery checklist",
    "prevention": "Prevention",
    "reversibility": "Before a release: every migration",
}

CHECKLIST: dict[str, str] = {
    "stop-service": "Stop affected service",
    "root-cause": "Check logs for root cause",
    "disable-or-rollback": "Disable feature flag OR rollback code",
    "rollback-database": "Rollback database if needed",
    "restart-services": "Restart services",
    "verify-health": "Verify health endpoints",
    "error-rates": "Check error rates (dashboards or logs)",
    "monitor": "Monitor for 1 hour",
    "document": "Document incident",
    "post-mortem": "Schedule post-mortem",
}

BY_HAND: dict[str, str] = {
    "monitor": "an hour of watching is a person's; the drill shows that the error rate can be watched",
    "document": "the drill writes the document; its analysis is a person's to fill in",
    "post-mortem": "a meeting is a person's to call",
}
"""Checklist items that no drill can perform, with what the drill does towards them."""

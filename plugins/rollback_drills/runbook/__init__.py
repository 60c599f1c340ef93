"""The sections of a rollback runbook, and the linter of its commands."""

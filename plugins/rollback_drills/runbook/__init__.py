"""What a rollback runbook is, and what is wrong with its commands."""

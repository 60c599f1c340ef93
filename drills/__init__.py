"""The drills: one module for each place in the rollback runbook. They read like the page that they verify."""

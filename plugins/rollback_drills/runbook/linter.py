"""Finds the commands of a runbook that look successful and are not, or that do something else than they seem to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from rollback_drills.runbook import rules
from rollback_drills.runbook.markdown import Block, Context, Instruction, shell_blocks

Rule = Callable[[Block, Context], Iterator[Instruction]]

RULES: dict[str, Rule] = {
    "restart-keeps-environment": rules.restart_keeps_environment,
    "rollback-lives-in-a-shell": rules.rollback_lives_in_a_shell,
    "exec-needs-running-gateway": rules.exec_needs_running_gateway,
    "blind-downgrade": rules.blind_downgrade,
    "restore-over-live-database": rules.restore_over_live_database,
    "down-destroys-evidence": rules.down_destroys_evidence,
    "database-not-waited-for": rules.database_not_waited_for,
    "build-replaces-release": rules.build_replaces_release,
    "check-ignores-status": rules.check_ignores_status,
    "flag-checked-by-get": rules.flag_checked_by_get,
    "flag-check-fails-when-off": rules.flag_check_fails_when_off,
    "clean-leaves-younger-tables": rules.clean_leaves_younger_tables,
    "dropdb-while-connected": rules.dropdb_while_connected,
    "checkout-not-checked": rules.checkout_not_checked,
    "placeholder-redirects": rules.placeholder_redirects,
}
"""By the code of the finding."""


def find(code: str, markdown: str, context: Context) -> list[Instruction]:
    """The commands of a runbook that lead to the finding ``code``.

    Raises:
        KeyError: no rule finds that code.
    """
    rule = RULES[code]
    found = list[Instruction]()
    for block in shell_blocks(markdown):
        found += rule(block, context)
        context = replace(context, above=(*context.above, *block))
    return found

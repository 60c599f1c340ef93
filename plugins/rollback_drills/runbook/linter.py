"""Finds the commands of a runbook that look successful and are not, or that do something else than they seem to.

No line of the runbook is performed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollback_drills.runbook.context import Context
from rollback_drills.runbook.flow import Flow, flows_of
from rollback_drills.runbook.instruction import Instruction, Rule
from rollback_drills.runbook.page import Page, read_page
from rollback_drills.runbook.rules import checks, database, environment, form, names, releases
from rollback_drills.runbook.suppressions import Suppression, suppressions_of

RULES: dict[str, Rule] = {
    "restart-keeps-environment": environment.restart_keeps_environment,
    "rollback-lives-in-a-shell": environment.rollback_lives_in_a_shell,
    "exec-needs-running-gateway": database.exec_needs_running_gateway,
    "blind-downgrade": database.blind_downgrade,
    "restore-over-live-database": database.restore_over_live_database,
    "down-destroys-evidence": releases.down_destroys_evidence,
    "database-not-waited-for": database.database_not_waited_for,
    "build-replaces-release": releases.build_replaces_release,
    "check-ignores-status": checks.check_ignores_status,
    "flag-checked-by-get": checks.flag_checked_by_get,
    "flag-check-fails-when-off": checks.flag_check_fails_when_off,
    "clean-leaves-younger-tables": database.clean_leaves_younger_tables,
    "dropdb-while-connected": database.dropdb_while_connected,
    "checkout-not-checked": releases.checkout_not_checked,
    "placeholder-redirects": form.placeholder_redirects,
}
"""By the code of the finding. A drill of the same code shows what the command does."""

STATIC_RULES: dict[str, Rule] = {
    "down-deletes-volumes": releases.down_deletes_volumes,
    "dump-status-lost": database.dump_status_lost,
    "downgrade-with-old-tree": database.downgrade_with_old_tree,
    "checkout-without-build": releases.checkout_without_build,
    "variable-not-used": environment.variable_not_used,
    "variable-not-set": form.variable_not_set,
    "placeholder-not-set": form.placeholder_not_set,
    "service-not-there": names.service_not_there,
    "container-not-there": names.container_not_there,
    "file-not-there": names.file_not_there,
    "target-not-there": names.target_not_there,
    "tag-not-there": names.tag_not_there,
    "port-not-there": names.port_not_there,
    "alternatives-in-one-block": form.alternatives_in_one_block,
    "not-shell": form.not_shell,
    "waits-for-a-person": checks.waits_for_a_person,
}
"""By the code of the finding; no drill has these codes."""

UNFIT = "suppression-unfit"


@dataclass(frozen=True, slots=True, order=True)
class Remark:
    """A finding of the linter at a line of the page. ``accepted`` is the reason of its suppression."""

    line: int
    column: int
    code: str
    text: str
    detail: str = ""
    accepted: str = ""


def find(code: str, markdown: str, context: Context) -> list[Instruction]:
    """The commands of a runbook that lead to the finding ``code``.

    Raises:
        KeyError: no rule finds that code.
    """
    rule = (RULES | STATIC_RULES)[code]
    return [each for flow in flows_of(read_page(markdown)) for each in rule(flow, context)]


def lint(markdown: str, context: Context) -> list[Remark]:
    """All findings of a runbook in the order of its lines, those with a suppression included."""
    page = read_page(markdown)
    flows = flows_of(page)
    rules = RULES | STATIC_RULES
    found = {
        Remark(each.line, each.column, code, each.text, each.detail)
        for code, rule in rules.items()
        for flow in flows
        for each in rule(flow, context)
    }
    return sorted(_suppressed(found, page, flows))


def _suppressed(found: set[Remark], page: Page, flows: list[Flow]) -> list[Remark]:
    blocks = [block for flow in flows for block in flow.blocks]
    suppressions, unfit = suppressions_of(page, blocks, [*RULES, *STATIC_RULES])
    remarks, used = list[Remark](), set[Suppression]()
    for each in found:
        by = next((one for one in suppressions if one.covers(each.code, each.line)), None)
        if by is not None:
            used.add(by)
        remarks.append(Remark(each.line, each.column, each.code, each.text, each.detail, by.reason if by else ""))
    remarks += [Remark(each.line, 1, UNFIT, each.text, each.why) for each in unfit]
    for one in suppressions:
        if one not in used:
            remarks.append(Remark(one.line, 1, UNFIT, f"ignore {one.code}", f"there is no {one.code} to ignore"))
    return remarks

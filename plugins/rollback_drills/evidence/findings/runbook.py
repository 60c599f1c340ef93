"""The catalogue of findings: a runbook's commands that mislead whoever types them as they stand."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

TO_THE_LETTER = (
    FindingKind(
        "restart-keeps-environment", "critical", "The runbook restarts where it must re-create",
        "A container keeps the environment that it was created with. The command exits 0, and the edited flag is on.",
        "Use `docker compose up -d --no-build --no-deps --force-recreate gateway`, then look at the answer.",
    ),
    FindingKind(
        "rollback-lives-in-a-shell", "critical", "The rollback is a variable of one shell",
        "An exported variable holds in that shell only: the next `docker compose up -d` of a colleague or a timer "
        "reads .env and brings the bad release back, with exit code 0.",
        "Change the line in .env, which every later start reads, and unset the variable in the shell.",
    ),
    FindingKind(
        "exec-needs-running-gateway", "major", "The runbook enters a gateway that does not run",
        "A running container is what `exec` needs. In the very case that it is meant for, a gateway that will not "
        "start, there is none.",
        "Use `docker compose run --rm --no-deps --entrypoint alembic gateway current`: it needs no running gateway.",
    ),
    FindingKind(
        "blind-downgrade", "critical", "The runbook goes one revision back without looking where it is",
        "A failed migration that was rolled back by its transaction has left the database at the good revision. "
        "`downgrade -1` removes that one, with its tables and rows, and exits 0.",
        "Read `alembic current`, downgrade to a revision that is named, and do nothing if it is there already.",
    ),
    FindingKind(
        "restore-over-live-database", "critical", "The runbook restores over a database that is not empty",
        "After every error psql goes on, and exits 0: deleted rows are not back, damaged rows stay, rows of tables "
        "without a key are doubled.",
        "Restore into a new database with ON_ERROR_STOP and --single-transaction, verify it, then rename.",
    ),
    FindingKind(
        "down-destroys-evidence", "major", "The runbook takes everything down before anybody has looked",
        "Containers are removed by `down` with their logs, the database's among them: what happened can no "
        "longer be read, and everything is down instead of one service.",
        "Use `docker compose stop gateway`: it stops what is affected, and keeps its log.",
    ),
    FindingKind(
        "database-not-waited-for", "major", "The runbook does not wait for the database that it starts",
        "When `up -d` returns, the container has been started and no more. The next command meets a server that does "
        "not answer yet, or the image's temporary one.",
        "Use `docker compose up -d --wait db`, with a health check over TCP.",
    ),
    FindingKind(
        "build-replaces-release", "critical", "The runbook builds under the tag of a release that exists",
        "The build takes the tag away from the image that ran an hour ago, and a rollback that has to build first "
        "fails where a package or a network fails.",
        "Keep the images of released versions, and start one with `up -d --no-build`.",
    ),
    FindingKind(
        "check-ignores-status", "critical", "The runbook's check passes whatever the gateway answers",
        "An answer of whatever status lets curl exit 0, be it a 503. Whoever reads exit codes, or pastes the next "
        "line, takes a gateway that is broken for one that was rolled back.",
        "Use `curl -fsS` where 200 is wanted. Where another status is, as the 503 of a flag that is off, compare it: "
        "`test \"$(curl -sS -o /dev/null -w '%{http_code}' …)\" = 503`.",
    ),
    FindingKind(
        "flag-checked-by-get", "major", "The runbook checks a flag with a request that the flag does not concern",
        "A webhook is a POST route, and curl sends GET unless it is told otherwise: the answer is the same with the "
        "flag on and off, so that nobody notices a flag that did not take effect.",
        "Send what a sender sends, with `-X POST` or `-d`, and compare status and body with what is agreed for an "
        "integration that is off.",
    ),
    FindingKind(
        "flag-check-fails-when-off", "major", "The runbook's check of a flag fails when the flag works",
        "An integration that is off answers with an error status on purpose, and that is what makes `curl -f` fail: "
        "the rollback that succeeded looks like one that did not, and the script ends there.",
        "Compare the status with the agreed one: "
        "`test \"$(curl -sS -o /dev/null -w '%{http_code}' -X POST …)\" = 503`.",
    ),
    FindingKind(
        "clean-leaves-younger-tables", "critical", "The runbook restores with --clean over a younger schema",
        "The dump drops what it knows, and nothing else: tables that came after the backup stay, and the next upgrade "
        "fails on them. A younger foreign key makes a table undroppable, and the restore ends in the middle or with "
        "nothing done.",
        "Restore into a new database (`createdb --template=template0`), verify it, then rename.",
    ),
    FindingKind(
        "dropdb-while-connected", "major", "The runbook drops a database that the gateway is connected to",
        "PostgreSQL refuses to drop a database with sessions in it. What comes next then works on the old one: "
        "`createdb` fails, and a restore fills the damaged database a second time.",
        "Stop the gateway first, and use `dropdb --force`, which ends the sessions that are left; better still, rename "
        "the database and keep it.",
    ),
    FindingKind(
        "checkout-not-checked", "critical", "The runbook builds whatever is checked out",
        "A checkout fails where the tag was never pushed or fetched. A shell goes on with the next line, which builds "
        "and starts the release that is to be rolled back, with exit code 0.",
        "Begin with `set -euo pipefail`, or join the lines by `&&`; `git rev-parse --verify TAG^{commit}` asks for the "
        "tag beforehand.",
    ),
    FindingKind(
        "placeholder-redirects", "major", "The runbook has placeholders that a shell takes for redirections",
        "To a shell `<revision>` is an input file, and what follows the `>` is a file to be overwritten: typed as it "
        "stands the command does nothing, or empties the very file that it names.",
        "Write a variable and let the shell insist on it: `alembic downgrade \"${REVISION:?}\"`.",
    ),
)  # fmt: skip

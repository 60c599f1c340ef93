"""What a runbook's commands get wrong when they are typed exactly as written."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

RUNBOOK = (
    FindingKind(
        "restart-keeps-environment",
        "critical",
        "The runbook restarts a container that it must re-create",
        why=(
            "A container keeps the environment that it was created with. The command exits 0, and the edited flag "
            "is still on."
        ),
        remedy="Use `docker compose up -d --no-build --no-deps --force-recreate gateway`, then check the answer.",
    ),
    FindingKind(
        "rollback-lives-in-a-shell",
        "critical",
        "The rollback exists only as a variable of one shell",
        why=(
            "Other shells do not see an exported variable: the next `docker compose up -d`, by a colleague or a "
            "timer, reads .env and brings the bad release back with exit code 0."
        ),
        remedy="Change the line in .env, which every later start reads, and unset the variable in the shell.",
    ),
    FindingKind(
        "exec-needs-running-gateway",
        "major",
        "The runbook runs a command inside a gateway that is down",
        why=(
            "A running container is a condition of `exec`. A gateway that does not start, the very case that the "
            "step is for, has none."
        ),
        remedy=(
            "Use `docker compose run --rm --no-deps --entrypoint alembic gateway current`, which needs no running "
            "gateway."
        ),
    ),
    FindingKind(
        "blind-downgrade",
        "critical",
        "The runbook downgrades by one revision without checking the current one",
        why=(
            "When a migration fails, its transaction leaves the database at the good revision. `downgrade -1` then "
            "removes that one, with its tables and rows, and exits 0."
        ),
        remedy=(
            "Read `alembic current`, downgrade to a named revision, and do nothing if the database is already there."
        ),
    ),
    FindingKind(
        "restore-over-live-database",
        "critical",
        "The runbook restores over a database that is not empty",
        why=(
            "After every error, psql continues, and it exits 0: deleted rows stay deleted, damaged rows stay "
            "damaged, and rows of tables without a key are duplicated."
        ),
        remedy="Restore into a new database with ON_ERROR_STOP and --single-transaction, verify it, then rename it.",
    ),
    FindingKind(
        "down-destroys-evidence",
        "major",
        "The runbook removes everything before anyone has looked",
        why=(
            "The command removes the containers and their logs, the database's included: nobody can read what "
            "happened, and the outage grows from one service to all of them."
        ),
        remedy="Use `docker compose stop gateway`, which stops only what is affected and keeps its log.",
    ),
    FindingKind(
        "database-not-waited-for",
        "major",
        "The runbook does not wait for the database that it starts",
        why=(
            "All that `up -d` waits for is the start of the container. The next command meets a server that does "
            "not answer yet, or the image's temporary one."
        ),
        remedy="Use `docker compose up -d --wait db`, with a health check over TCP.",
    ),
    FindingKind(
        "build-replaces-release",
        "critical",
        "The runbook builds under the tag of an existing release",
        why=(
            "The build takes the tag away from the image that ran an hour ago; and a rollback that starts with a "
            "build fails when a package index or the network does."
        ),
        remedy="Keep the images of released versions, and start one with `up -d --no-build`.",
    ),
    FindingKind(
        "check-ignores-status",
        "critical",
        "The runbook's check passes whatever the gateway answers",
        why=(
            "Whatever the status, even 503, curl exits 0. An operator who reads exit codes, or pastes the next "
            "line, mistakes a broken gateway for a rolled-back one."
        ),
        remedy=(
            "Use `curl -fsS` where 200 is expected. Where another status is, such as the 503 of a disabled flag, "
            "compare it: `test \"$(curl -sS -o /dev/null -w '%{http_code}' …)\" = 503`."
        ),
    ),
    FindingKind(
        "flag-checked-by-get",
        "major",
        "The runbook checks a flag with a request that the flag does not affect",
        why=(
            "A webhook is a POST route, and curl sends GET by default: the answer is the same with the flag on or "
            "off, so a flag that did not take effect goes unnoticed."
        ),
        remedy=(
            "Send what a sender sends, with `-X POST` or `-d`, and compare status and body with those agreed for a "
            "disabled integration."
        ),
    ),
    FindingKind(
        "flag-check-fails-when-off",
        "major",
        "The runbook's check of a flag fails when the flag works",
        why=(
            "A disabled integration answers with an error status on purpose, so `curl -f` fails: the rollback has "
            "succeeded, but looks failed, and the script stops there."
        ),
        remedy=(
            "Compare the status with the agreed one: `test \"$(curl -sS -o /dev/null -w '%{http_code}' -X POST "
            '…)" = 503`.'
        ),
    ),
    FindingKind(
        "clean-leaves-younger-tables",
        "critical",
        "The runbook restores with --clean over a newer schema",
        why=(
            "The dump drops only what it contains: tables created after the backup stay, and the next upgrade "
            "fails on them. A newer foreign key blocks a drop, and the restore stops half-way or before it has "
            "done anything."
        ),
        remedy="Restore into a new database (`createdb --template=template0`), verify it, then rename it.",
    ),
    FindingKind(
        "dropdb-while-connected",
        "major",
        "The runbook drops a database while the gateway is connected to it",
        why=(
            "PostgreSQL refuses to drop a database that has sessions. The next commands then work on the old one: "
            "`createdb` fails, and a restore fills the damaged database a second time."
        ),
        remedy=(
            "Stop the gateway first, and use `dropdb --force`, which ends the remaining sessions; better still, "
            "rename the database and keep it."
        ),
    ),
    FindingKind(
        "checkout-not-checked",
        "critical",
        "The runbook builds whatever happens to be checked out",
        why=(
            "A checkout fails if the tag was never pushed or fetched. The shell then runs the next line, which "
            "builds and starts the release that should be rolled back, with exit code 0."
        ),
        remedy=(
            "Begin with `set -euo pipefail`, or join the lines with `&&`; `git rev-parse --verify TAG^{commit}` "
            "checks for the tag beforehand."
        ),
    ),
    FindingKind(
        "placeholder-redirects",
        "major",
        "The runbook has placeholders that a shell reads as redirections",
        why=(
            "To a shell, `<revision>` is an input file, and the word after `>` is a file to overwrite: typed as "
            "written, the command does nothing, or empties the very file that it names."
        ),
        remedy='Write a variable and let the shell insist on it: `alembic downgrade "${REVISION:?}"`.',
    ),
)

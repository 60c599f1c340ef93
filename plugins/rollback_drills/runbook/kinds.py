"""The findings of the runbook linter that no drill makes: what can be seen in the text, and nowhere else.

Those that a drill makes as well are in the catalogue of findings.
"""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

STATIC_KINDS = (
    FindingKind(
        "down-deletes-volumes",
        "critical",
        "The runbook deletes the database's volume",
        why=(
            "`down --volumes`, `docker volume rm` and `prune` delete the data for good: what was written since the "
            "last backup, and the damaged rows that the analysis needs."
        ),
        remedy="Keep the volume: `docker compose stop gateway`. Restore into a new database beside the damaged one.",
    ),
    FindingKind(
        "dump-status-lost",
        "major",
        "The runbook takes a backup whose failure nobody sees",
        why=(
            "The status of a pipeline is that of its last program. If pg_dump fails, gzip still succeeds, and leaves "
            "a file that looks like a backup."
        ),
        remedy="Put `set -o pipefail` above it, or let pg_dump compress: `pg_dump --compress=gzip --file=…`.",
    ),
    FindingKind(
        "downgrade-with-old-tree",
        "critical",
        "The runbook downgrades with the release that does not know the revision",
        why=(
            "After the rollback of the application its container has the older migrations. Alembic ends with "
            "`Can't locate revision`, and the database stays where it is."
        ),
        remedy=(
            "Downgrade first, with the newer release: `docker compose run --rm --no-deps --entrypoint alembic gateway "
            "downgrade REVISION`; then deploy the previous one."
        ),
    ),
    FindingKind(
        "checkout-without-build",
        "critical",
        "The runbook checks out a release and starts the image that is there already",
        why=(
            "`up -d` does not build when an image exists, and nothing in the checked-out tree chooses another one: the "
            "bad release starts again, with exit code 0."
        ),
        remedy="Choose the image of the previous release by its tag, in .env, and start it with `up -d --no-build`.",
    ),
    FindingKind(
        "variable-not-used",
        "critical",
        "The runbook sets a variable that no compose file uses",
        why=(
            "Compose ignores it: the same image starts again, or the container never sees the flag, and the command "
            "exits 0."
        ),
        remedy="Use it in the compose file (`image: app:${VERSION}`, `environment: [FLAG]`), or set the one that is.",
    ),
    FindingKind(
        "variable-not-set",
        "major",
        "The runbook uses a variable that it does not set",
        why=(
            "An unset variable is an empty word: `git checkout $TAG` stays where it is, and `app:$VERSION` is another "
            "image, both without a warning."
        ),
        remedy='Set it on the page, or let the shell insist on it: `"${VERSION:?the release to go back to}"`.',
    ),
    FindingKind(
        "placeholder-not-set",
        "major",
        "The runbook has placeholders that a shell takes literally",
        why="Whoever pastes the line asks for a release or a revision of that very name.",
        remedy='Write a variable and let the shell insist on it: `alembic downgrade "${REVISION:?}"`.',
    ),
    FindingKind(
        "service-not-there",
        "critical",
        "The runbook names a service that the compose file does not have",
        why="Docker Compose ends with `no such service`, and the step is not performed.",
        remedy="Use the service's name in the compose file; `docker compose config --services` lists them.",
    ),
    FindingKind(
        "container-not-there",
        "major",
        "The runbook gives Docker the name of a service",
        why="Compose names the container PROJECT-SERVICE-1. Docker ends with `No such container`.",
        remedy="Use `docker compose` with the service's name, or set `container_name` in the compose file.",
    ),
    FindingKind(
        "file-not-there",
        "critical",
        "The runbook uses a script or a compose file that the repository does not have",
        why="It was renamed or never added, and the step cannot be performed.",
        remedy="Add it to the repository, or write what it does into the runbook.",
    ),
    FindingKind(
        "target-not-there",
        "critical",
        "The runbook makes a target that the Makefile does not have",
        why="make ends with `No rule to make target`, and the step is not performed.",
        remedy="Add the target, or write what it does into the runbook.",
    ),
    FindingKind(
        "tag-not-there",
        "critical",
        "The runbook checks out a tag that the repository does not have",
        why="The checkout fails, and the lines below it work on the release that is checked out already.",
        remedy="Name a tag that `git tag` lists, and push tags with each release.",
    ),
    FindingKind(
        "port-not-there",
        "major",
        "The runbook asks a port that the compose file does not publish",
        why="Nobody answers there, or another program does: a healthy rollback looks broken, or the reverse.",
        remedy="Use the published port; `docker compose port gateway 8000` tells it.",
    ),
    FindingKind(
        "alternatives-in-one-block",
        "major",
        "The runbook has alternatives in one block",
        why="The reader copies the block as a whole, at night most of all: the shell performs one after the other.",
        remedy="Give each alternative a block of its own, and say above it when it applies.",
    ),
    FindingKind(
        "not-shell",
        "major",
        "The runbook has a block for a shell that no shell can read",
        why="Pasted, it ends in a syntax error or an open quotation, which swallows the lines below.",
        remedy="Mend the quotation marks, move sentences out of the block, or name its true language after the fence.",
    ),
    FindingKind(
        "waits-for-a-person",
        "major",
        "The runbook has lines below a program that does not return",
        why="Pasted, the lines below go into that program, or are never reached.",
        remedy=("End the block there; or let the program end by itself: `psql -c …`, `logs --tail 100`, `up -d`."),
    ),
    FindingKind(
        "suppression-unfit",
        "minor",
        "A suppression in the runbook has no reason, an unknown code, or nothing to suppress",
        why="Nobody can tell later why the finding was accepted, or whether it still has to be.",
        remedy="Write `rollback-drills: ignore CODE: the reason`, and delete those that suppress nothing.",
    ),
)
"""What only the linter finds."""

"""What a release gets wrong: start, stop, version, health, deliveries."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

RELEASES = (
    FindingKind(
        "release-not-serving",
        "critical",
        "The release that was rolled back to does not serve",
        why="The rollback ends in an outage of its own.",
        remedy=(
            "Read the quoted log. Typical causes: the database is at a revision that this release does not know, "
            "or a variable is set only in the newer release's environment."
        ),
    ),
    FindingKind(
        "deliveries-rate-limited",
        "major",
        "Deliveries run into the gateway's rate limit",
        why=(
            "The drill then judges the limit, not the rollback: the gateway refuses deliveries that the release "
            "would accept."
        ),
        remedy=(
            "State the limit under [delivery] as `rate_limit`, or lift it in the drilled stack with a variable "
            "under [gateway.env]."
        ),
    ),
    FindingKind(
        "repetition-answer-differs",
        "major",
        "A repeated delivery is not answered as agreed",
        why=(
            "Senders repeat every delivery that got no answer, most of all after an outage. An error makes them "
            "repeat it again and again; treated as new, it triggers everything twice."
        ),
        remedy="Recognise a delivery by its id in every release, and answer what `delivery.repeated` states.",
    ),
    FindingKind(
        "version-wrong",
        "critical",
        "The gateway reports a different version from the one rolled back to",
        why="A VERSION that no image or compose file uses changes nothing, while /health answers 200.",
        remedy="Make the deployment depend on the exported version, and read /version after every rollback.",
    ),
    FindingKind(
        "release-variable-unused",
        "critical",
        "The variable that is to select the release changes nothing",
        why=(
            "Compose acts on the resolved file alone. Where it is the same for both releases, `docker compose up -d` "
            "exits 0 and leaves the release that was to be rolled back."
        ),
        remedy=(
            "Name the image by release, as `image: gateway:${VERSION:?set VERSION in .env}`, and keep the image of "
            "each release. If another variable selects it, name that one under [compose] as `release_variable`."
        ),
    ),
    FindingKind(
        "wrong-code",
        "critical",
        "The wrong code reports the right version",
        why=(
            "An image that was rebuilt or tagged from the wrong checkout has the release's version number and "
            "nothing else of it."
        ),
        remedy="Deploy by digest, never rebuild a released tag, and verify behaviour that only this release has.",
    ),
    FindingKind(
        "health-lies",
        "critical",
        "/health reports healthy while the gateway cannot work",
        why="Load balancers, orchestrators and the runbook's own verification all trust this answer.",
        remedy=(
            "Let /health query the database with a time limit and compare its revision with the one that this "
            "release expects; answer 503 otherwise."
        ),
    ),
    FindingKind(
        "write-probe-failed",
        "critical",
        "The write probe is not answered as it should be",
        why=(
            "/health may pass while every request that needs the tables fails; and a probe that passes without any "
            "table proves nothing."
        ),
        remedy=(
            "Read the log: usually the schema is not the one that the release was built for. If the answer is "
            "right, correct [write_probe] in the target file."
        ),
    ),
    FindingKind(
        "health-hangs",
        "major",
        "/health does not answer while the database is frozen",
        why="A hanging probe looks like a dead network; orchestrators react late or not at all.",
        remedy=(
            "Limit every wait on the database (connect, statement and pool timeouts, and a limit on the whole "
            "check) and answer 503."
        ),
    ),
    FindingKind(
        "stop-not-normal",
        "major",
        "The gateway does not shut down cleanly",
        why="Work in progress is cut off: requests under way are lost, and an orchestrator counts the stop as a crash.",
        remedy=(
            "Finish open requests on SIGTERM and exit with 0 (in a container, the process must receive the signal: "
            "use the exec form, or an init). If another code is normal, name it under gateway.normal_exit_codes."
        ),
    ),
)

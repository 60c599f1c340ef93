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
        "no-answer",
        "major",
        "The gateway gives no answer",
        why=(
            "What is not answered is neither right nor wrong: nothing is known of the version, the code or the flag "
            "that was asked for, and senders wait as long as the drill did."
        ),
        remedy=(
            "Read the log of the start that the detail names, and look for what it waits for: a lock, a pool, another "
            "service. If the answer is right and only slow, allow more with `request_timeout` under [gateway]."
        ),
    ),
    FindingKind(
        "deliveries-rate-limited",
        "major",
        "Requests run into the gateway's rate limit",
        why=(
            "The drill then judges the limit, not the rollback: the gateway refuses requests that the release "
            "would accept."
        ),
        remedy=(
            "State the limit under [traffic] as `rate_limit` (of deliveries alone: under [delivery]), or lift it in "
            "the drilled stack with a variable under [gateway.env]."
        ),
    ),
    FindingKind(
        "read-differs",
        "major",
        "A read is answered differently after the rollback",
        why="The release is back and healthy, and clients get other answers than before: a field is missing, a value "
        "differs, or what they ask for is gone. What reads those answers fails next.",
        remedy="Compare both answers. Restore the data that the answer is made of, or release the API's change in two "
        "steps, so that both releases answer alike. Where the answer may differ, remove `same` from the request.",
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
        "stopped-release-answers",
        "critical",
        "The stopped release still answers",
        why=(
            "A part of the deliveries still goes to the code that was to be rolled back, on a schema that it does not "
            "know, and every check after the rollback may have asked the wrong release."
        ),
        remedy=(
            "End the processes that the detail names when the gateway is told to stop: let it be one process in the "
            "foreground, or let it forward the signal and wait for its workers (`exec` in a shell command)."
        ),
    ),
    FindingKind(
        "stop-leaves-processes",
        "major",
        "Processes of the stopped release go on running",
        why=(
            "They work with the code that was to be rolled back: on queues, on schedules, on the database that is "
            "being downgraded."
        ),
        remedy="End all of them when the gateway is told to stop, and wait until they have ended.",
    ),
    FindingKind(
        "requests-cut-off",
        "info",
        "A stop cuts off requests that are under way",
        why=(
            "Nobody was told that these requests were done, so that senders repeat them; but each rollback looks like "
            "an outage to them. The gateway has no handler of the signal that stops it."
        ),
        remedy="Handle the signal: take no new requests, answer those that are under way, then exit with 0.",
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

"""What feature flags and the error rate get wrong."""

from __future__ import annotations

from rollback_drills.evidence.findings.entry import FindingKind

FLAGS = (
    FindingKind(
        "flag-ignored",
        "critical",
        "A disabled integration still answers",
        why="The one rollback that needs no deployment does not work.",
        remedy=(
            'Parse the flag strictly (`bool("false")` is true), pass it on to the container, and re-create the '
            "gateway: a restart keeps the old environment."
        ),
    ),
    FindingKind(
        "disabled-answer-differs",
        "major",
        "A disabled integration does not give the agreed answer",
        why=(
            "A database error answers 503 as well: only the agreed body tells senders and operators that the "
            "refusal is deliberate."
        ),
        remedy="Answer what the target file states as `disabled`, under [flags] or of the integration.",
    ),
    FindingKind(
        "neighbour-affected",
        "critical",
        "Disabling one integration changes another",
        why="The rollback of one integration becomes the next one's incident.",
        remedy=(
            "Compare whole names, not prefixes (github and github_actions), and read each flag from its own variable; "
            "split a list before it is searched, also one with a single name."
        ),
    ),
    FindingKind(
        "flag-not-restored",
        "major",
        "An integration does not come back when its flag is turned on again",
        why="The flag works once; after the incident the integration stays dead.",
        remedy="Read the flag at every start, and keep no state of it elsewhere.",
    ),
    FindingKind(
        "integration-without-flag",
        "major",
        "An integration has no feature flag",
        why="When it misbehaves, only a whole release can be rolled back.",
        remedy="Put every integration behind a flag before its release.",
    ),
    FindingKind(
        "integration-ungated",
        "info",
        "No known flag disables an integration",
        why=(
            "When it misbehaves, only a whole release can be rolled back. The target file declares that, with its "
            "reason."
        ),
        remedy=(
            "Put it behind a flag and remove `ungated` from the target file, or rehearse the alternative to the flag."
        ),
    ),
    FindingKind(
        "flag-default-differs",
        "major",
        "An unset flag is not what the target file says",
        why=(
            "A rollback keeps the environment, but a new environment sets no flags: an integration is on or off "
            "without anyone's decision."
        ),
        remedy="Give the release the default that `defaults` states, or set every flag explicitly in each deployment.",
    ),
    FindingKind(
        "flags-misread",
        "critical",
        "The previous release misreads the flags of the newer one",
        why=(
            "A rollback changes the image and keeps the environment: the older release starts with variables that "
            "were set for the newer one."
        ),
        remedy=(
            "Let every release ignore flags that it does not know, and never give a variable another meaning. Until "
            "then, remove the newer release's variables as a step of the rollback."
        ),
    ),
    FindingKind(
        "errors-not-visible",
        "major",
        "Failing deliveries do not show in the error rate",
        why="Nobody is paged, and nobody sees whether the rollback helped.",
        remedy="Count every 5xx answer in /metrics, and deliberate 503s under a label of their own.",
    ),
    FindingKind(
        "errors-go-on",
        "critical",
        "The error rate does not fall after the rollback",
        why="The rollback did not remove the cause.",
        remedy="Find the integration that the remaining errors come from before you repeat anything.",
    ),
)

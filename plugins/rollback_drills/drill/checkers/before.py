"""Before a rollback: what will be verified after it is not the case already, and the rollback can be chosen at all."""

from __future__ import annotations

from rollback_drills.drill.checkers.judge import Judge
from rollback_drills.evidence.model import strictly_equal
from rollback_drills.lab.stack import Stack


def check_not_rolled_back_yet(judge: Judge, stack: Stack) -> None:
    """The current release is not taken for the previous one, so that the proof after the rollback is not vacuous.

    An answer that is neither release's, or none at all, is for the other checks.
    """
    target = stack.target
    version = stack.client.version()
    judge.observe(f"version of release {target.current}", version)
    if target.version is not None and target.version_of(target.current) != target.version_of(target.previous):
        judge.check(
            f"the version is already that of release {target.previous}",
            version == target.version_of(target.previous),
            expected=False,
            finding="steady-state-missing",
            detail=f"release {target.current} was deployed, and reports {version!r} as release {target.previous} does: "
            "after a rollback, the version would prove nothing",
        )
    asked = stack.client.behaviour(target.previous)
    if asked:
        judge.check(
            f"everything answers already as only release {target.previous} does",
            all(strictly_equal(expected, observed) for expected, observed in asked.values()),
            expected=False,
            finding="steady-state-missing",
            detail=f"release {target.current} was deployed, and answers {', '.join(asked)} as release "
            f"{target.previous} does: after a rollback, these answers would prove nothing",
        )


def check_release_variable(judge: Judge, stack: Stack) -> bool:
    """Under Compose: the variable that is to select the release changes what Compose resolves the file to."""
    if stack.project is None:
        return True
    target, chosen = stack.target, stack.project.selection
    judge.observe(f"what {chosen.variable} changes in `docker compose config`", [*chosen.differences[:20]])
    what = f"names the image {chosen.image}" if chosen.image else "names no image, and is built from the same"
    same = "differs only in what is built" if chosen.differences else "is the same"
    both = f"{chosen.variable}={target.current} and {chosen.variable}={target.previous}"
    return judge.check(
        f"{chosen.variable} selects the release",
        chosen.effective,
        finding="release-variable-unused",
        detail=f"`docker compose config` {same} for {both}: the service {stack.project.services[0]} {what} in both "
        "cases, and `docker compose up -d` changes nothing",
    )

"""Checks that the Compose file's release variable selects a release."""

from __future__ import annotations

from collections.abc import Iterator

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.lab.lab import Lab
from rollback_drills.runtimes.protocols import CommandLog

TITLE = "release variable"


def examine_selection(lab: Lab) -> Iterator[Diagnosis]:
    """What the file resolves to for each release; nothing without a compose project."""
    project = lab.runtime.project(CommandLog())
    if project is None:
        return
    chosen, target = project.selection, lab.target
    both = f"{chosen.variable}={target.current} and {chosen.variable}={target.previous}"
    if not chosen.effective:
        same = "differs only in what is built" if chosen.differences else "is the same"
        yield Diagnosis(
            TITLE,
            "problem",
            f"`docker compose config` {same} for {both}: no `docker compose up -d` changes the release",
            f"name the image of {project.services[0]} by release, as image: name:${{{chosen.variable}}}, or correct "
            "release_variable under [compose]",
        )
    elif chosen.needs_build:
        yield Diagnosis(
            TITLE,
            "note",
            f"{chosen.variable} changes only what is built: a rollback takes `docker compose up -d --build`",
            f"name the image by release, as image: name:${{{chosen.variable}}}, and keep it",
        )
    else:
        yield Diagnosis(TITLE, "ok", f"{chosen.variable} changes {', '.join(chosen.differences[:3])}")

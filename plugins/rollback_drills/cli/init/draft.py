"""The draft of a target file: what the survey found, what it guesses, and what is left to fill in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rollback_drills.cli.init import client_sections as clients
from rollback_drills.cli.init import system_sections as system
from rollback_drills.cli.init.entries import Kind, TargetEntry, TargetSection, to_toml
from rollback_drills.cli.init.flags import flags_among
from rollback_drills.cli.init.hints import hints
from rollback_drills.cli.init.survey import Survey

SCHEMA = "target.schema.json"
_HEADER = f"""\
#:schema ./{SCHEMA}
# The gateway to drill. Written by `rollback-drills init` from the project's files; nothing was run.
# "found" names the source, "guessed" needs a check, "FILL IN" an answer. All keys: docs/reference/target-file.md."""


@dataclass(frozen=True, slots=True)
class TargetDraft:
    """A target file that can be read as it is, although it describes the system only in part."""

    text: str
    sections: tuple[TargetSection, ...]

    def of(self, kind: Kind) -> tuple[tuple[str, str], ...]:
        """Key and note of all entries of a kind."""
        return tuple(
            (f"{section.name}.{entry.key}" if section.name else entry.key, entry.note)
            for section in self.sections
            for entry in section.entries
            if entry.kind == kind
        )


def draft_target(found: Survey) -> TargetDraft:
    """The target file that a survey leads to."""
    sections = tuple(_sections(found))
    release = {entry.key: to_toml(entry.value) for entry in sections[0].entries}
    lines = [_HEADER]
    for section in sections:
        lines += ["", *section.lines()]
        lines += [f"# {hint}" for hint in hints(section.name, release["current"], release["previous"])]
    return TargetDraft("\n".join(lines) + "\n", sections)


def _sections(found: Survey) -> Iterator[TargetSection]:
    environment = found.compose.environment if found.compose else {}
    flags = flags_among([*found.variables, *environment], environment)

    def section(name: str, comment: str, entries: Iterable[TargetEntry]) -> TargetSection:
        return TargetSection(name, comment, tuple(entries))

    yield section("", "", system.top(found))
    origin = "Where a release comes from: files (path, git or command), an image, or both."
    yield section("releases", origin, system.releases(found))
    if found.requirements:
        entry = TargetEntry("requirements", list(found.requirements), "found", found.requirements[0])
        yield section("python", "Installed once per release, into its own environment.", (entry,))
    yield section("gateway", "How it starts. It inherits nothing from your environment.", system.gateway(found))
    complete = "Its complete environment, also for alembic. No secret was copied."
    yield section("gateway.env", complete, system.environment(found, flags))
    yield section("database", "The disposable PostgreSQL, and its seed.", system.database(found))
    yield section("migrations", "How alembic is called, in the files of a release.", system.migrations(found))
    yield section("health", "body: JSON that the right answer must contain.", clients.health(found))
    yield section("version", "Where the gateway reports its version.", clients.version(found))
    delivered = "How a webhook is delivered, and how to check that it was stored."
    yield section("delivery", delivered, clients.delivery(found))
    each = 'One key per integration; { since = "2.0" } if only the current release has it.'
    yield section("integrations", each, clients.integrations(found, flags))
    if flags is not None:
        yield section("flags", "Feature flags, read when the gateway is created.", clients.flag_entries(flags))
    if found.compose is not None and found.compose.gateway and found.compose.database:
        copied = "For --drill-runtime=compose: the file is copied, never run in place."
        yield section("compose", copied, system.compose(found.compose))
    yield section("runbook", "The runbook under drill; its hash is recorded in the evidence.", system.runbook(found))

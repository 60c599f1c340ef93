"""Alembic's command line, run in the tree of a release: the very commands that the runbook names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rollback_drills.core.errors import StackError
from rollback_drills.migrations.remedies import remedy_in
from rollback_drills.runtimes.protocols import CommandResult, Commands, ReleaseCommand
from rollback_drills.target.target import Target

# alembic/script/base.py, Script._head_only: "down, down2 (depends) -> revision (label) (head) (mergepoint), message"
_HISTORY_LINE = re.compile(r"(?P<down>\S+(?:, \S+)*)(?: \([^)]*\))? -> (?P<revision>[^\s,]+)")
# The same of `alembic current`, which prints the revision first; whatever else env.py prints is no revision.
_CURRENT_LINE = re.compile(r"(?P<revision>\S+)(?: \([^)]*\))*\s*")
_NOTHING_BELOW = "<base>"
JOINT = ", "
"""Between the revisions of a database, or of a release, that has several heads."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One script: its revision, and those directly below it (several where branches are merged)."""

    id: str
    down: tuple[str, ...]


Histories = dict[str, tuple[Revision, ...]]
"""By release, newest revision first."""


class Alembic:
    """What `alembic` says and does; histories are read once per release, since a release does not change."""

    def __init__(self, commands: Commands, target: Target, histories: Histories) -> None:
        self._commands, self._target, self._histories = commands, target, histories

    def run(
        self,
        release: str,
        *arguments: str,
        database_url: str | None = None,
        kill_when: Callable[[], bool] | None = None,
        timeout: float | None = None,
    ) -> CommandResult:
        """One alembic command with the scripts of ``release``; judge it by the database's state afterwards."""
        settings = self._target.migrations
        command = ReleaseCommand(release, [*settings.command, *arguments], settings.directory, database_url)
        return self._commands.run(command, timeout=timeout or settings.timeout, kill_when=kill_when)

    def current(self, release: str) -> str:
        """What ``alembic current`` prints as the revision: ``base`` when it prints none.

        Raises:
            StackError: the command failed, for example because the release does not know the revision.
        """
        result = self._succeed(release, self.run(release, "current"))
        matches = map(_CURRENT_LINE.fullmatch, result.stdout.splitlines())
        # env.py may print a word of its own on a line of its own: only what the release has a script of is a revision.
        return _joined([match["revision"] for match in matches if match and self.knows(release, match["revision"])])

    def upgrade(self, release: str, revision: str = "heads", *, database_url: str | None = None) -> CommandResult:
        """To a revision, or to several that are joined by a comma; by default to every head there is."""
        return self._each(release, "upgrade", revision.split(JOINT), database_url)

    def downgrade(self, release: str, revision: str, *, database_url: str | None = None) -> CommandResult:
        """To a revision, or to several that are joined by a comma, and nothing beside them.

        A branch that none of them is on is taken down to where it leaves what is below them. In a history without
        branches that is the one command that the runbook names.
        """
        return self._each(release, "downgrade", self.ways_down(release, revision), database_url)

    def ways_down(self, release: str, revision: str) -> tuple[str, ...]:
        """What `alembic downgrade` has to be given, one after the other, to arrive at ``revision``."""
        goals = revision.split(JOINT)
        below = {known.id: known.down for known in self._revisions(release)}
        if not set(goals) <= set(below):  # base, a relative step, or what alembic itself has to refuse
            return (revision,)
        kept = self.at_or_below(release, revision)
        branches = []
        for each, downs in below.items():
            if each in kept or not kept.issuperset(downs) or set(goals) & set(downs):
                continue
            branches.append(f"{each}@{downs[0] if downs else 'base'}")
        return (*branches, *goals)

    def at_or_below(self, release: str, revision: str) -> frozenset[str]:
        """A revision, or several that are joined by a comma, with everything that it needs below it; without base."""
        below = {known.id: known.down for known in self._revisions(release)}
        found, pending = set[str](), [each for each in revision.split(JOINT) if each in below]
        while pending:
            found.add(each := pending.pop())
            pending += below.get(each, ())
        return frozenset(found)

    def _each(self, release: str, verb: str, revisions: Sequence[str], database_url: str | None) -> CommandResult:
        """One command after the other, until one fails; the last one's result."""
        for revision in revisions:
            result = self.run(release, verb, revision, database_url=database_url)
            if not result.ok:
                break
        return result

    def history(self, release: str) -> tuple[str, ...]:
        """The revisions that a release knows, newest first.

        Raises:
            StackError: alembic cannot read the release's scripts.
        """
        return tuple(revision.id for revision in self._revisions(release))

    def head(self, release: str) -> str:
        """The newest revision of a release, ``base`` where it has none; several heads are joined by a comma."""
        revisions = self._revisions(release)
        below = {down for revision in revisions for down in revision.down}
        return _joined([revision.id for revision in revisions if revision.id not in below])

    def before(self, release: str, revision: str) -> str:
        """The revision below ``revision``; ``base`` below the first, joined by a comma below a merge.

        Raises:
            StackError: the release does not know the revision.
        """
        for known in self._revisions(release):
            if known.id == revision:
                return _joined(known.down)
        raise StackError(
            f"release {release} has no script of the revision {revision}",
            cause=f"it knows {', '.join(self.history(release)) or 'none'}",
            fix="downgrade with the scripts of a release that has it",
        )

    def _revisions(self, release: str) -> tuple[Revision, ...]:
        if release not in self._histories:
            result = self._succeed(release, self.run(release, "history"))
            matches = filter(None, map(_HISTORY_LINE.match, result.stdout.splitlines()))
            self._histories[release] = tuple(
                Revision(match["revision"], tuple(down for down in match["down"].split(", ") if down != _NOTHING_BELOW))
                for match in matches
            )
        return self._histories[release]

    def knows(self, release: str, revision: str) -> bool:
        """Whether a release has the script of ``revision``, or of each where several are joined by a comma.

        If not, it can neither start on it nor downgrade it.
        """
        return revision == "base" or set(revision.split(JOINT)) <= set(self.history(release))

    def _succeed(self, release: str, result: CommandResult) -> CommandResult:
        if not result.ok:
            raise StackError(
                f"{' '.join(result.argv)} failed in {result.where} with exit code {result.exit_code}",
                cause=result.output,
                fix=remedy_in(result.output, release)
                or "run the command by hand in the release's tree; [migrations] says how it is called",
            )
        return result


def _joined(revisions: Sequence[str]) -> str:
    return JOINT.join(sorted(revisions)) or "base"

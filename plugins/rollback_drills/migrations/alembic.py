"""Alembic's command line, run in the tree of a release: the same commands that the runbook contains."""

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
# `alembic current` prints the revision first; other lines are env.py's own output.
_CURRENT_LINE = re.compile(r"(?P<revision>\S+)(?: \([^)]*\))*\s*")
# alembic/script/base.py, Script.log_entry, as `alembic show` prints it
_PATH_LINE = re.compile(r"^Path: (?P<path>.+)$", re.MULTILINE)
_BASE = "<base>"
JOINT = ", "
"""Separates revisions where a database or a release has several heads."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One script: its revision and those directly below it, several where it merges branches."""

    id: str
    down: tuple[str, ...]


Histories = dict[str, tuple[Revision, ...]]
"""By release, newest revision first."""


class Alembic:
    """Runs alembic. The history of a release is read once, since a release does not change."""

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
        """Run one alembic command with the scripts of ``release``; judge it by the database's state afterwards.

        Args:
            database_url: of the database to migrate; by default the stack's.
            kill_when: polled; the command is killed as soon as it returns True.
            timeout: seconds; by default migrations.timeout of the target file.
        """
        settings = self._target.migrations
        command = ReleaseCommand(release, [*settings.command, *arguments], settings.directory, database_url)
        return self._commands.run(command, timeout=timeout or settings.timeout, kill_when=kill_when)

    def current(self, release: str) -> str:
        """The revision that ``alembic current`` prints, ``base`` when it prints none.

        Raises:
            StackError: the command failed, for example because the release does not know the revision.
        """
        result = self._succeed(release, self.run(release, "current"))
        matches = map(_CURRENT_LINE.fullmatch, result.stdout.splitlines())
        # env.py may print lines of one word too: a revision is one of which the release has a script.
        return _joined([match["revision"] for match in matches if match and self.knows(release, match["revision"])])

    def upgrade(self, release: str, revision: str = "heads", *, database_url: str | None = None) -> CommandResult:
        """Upgrade to a revision, or to several joined by `JOINT`; by default to all heads."""
        return self._each(release, "upgrade", revision.split(JOINT), database_url)

    def downgrade(self, release: str, revision: str, *, database_url: str | None = None) -> CommandResult:
        """Downgrade to exactly one revision, or to several joined by `JOINT`.

        A branch without any of them is downgraded to the revision from which it branches off. In a history without
        branches, this is the single command of the runbook.
        """
        return self._each(release, "downgrade", self.downgrade_arguments(release, revision), database_url)

    def downgrade_arguments(self, release: str, revision: str) -> tuple[str, ...]:
        """The arguments of the `alembic downgrade` commands that together lead to ``revision``, in order."""
        goals = revision.split(JOINT)
        below = {known.id: known.down for known in self._revisions(release)}
        if not set(goals) <= set(below):  # base, a relative step, or one that alembic refuses
            return (revision,)
        kept = self.at_or_below(release, revision)
        branches = []
        for each, downs in below.items():
            if each in kept or not kept.issuperset(downs) or set(goals) & set(downs):
                continue
            branches.append(f"{each}@{downs[0] if downs else 'base'}")
        return (*branches, *goals)

    def at_or_below(self, release: str, revision: str) -> frozenset[str]:
        """A revision, or several joined by `JOINT`, with all revisions below; without base."""
        below = {known.id: known.down for known in self._revisions(release)}
        found, pending = set[str](), [each for each in revision.split(JOINT) if each in below]
        while pending:
            found.add(each := pending.pop())
            pending += below.get(each, ())
        return frozenset(found)

    def source(self, release: str, revision: str) -> str:
        """The text of a revision's script, wherever the release's tree is; empty where it cannot be read."""
        shown = _PATH_LINE.search(self.run(release, "show", revision).stdout)
        if shown is None:
            return ""
        command = ReleaseCommand(release, ["cat", shown["path"].strip()], self._target.migrations.directory, None)
        result = self._commands.run(command, timeout=self._target.migrations.timeout)
        return result.stdout if result.ok else ""

    def _each(self, release: str, verb: str, revisions: Sequence[str], database_url: str | None) -> CommandResult:
        """Run one command per revision until one fails; the result of the last."""
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
        """The newest revision of a release, ``base`` where it has none; several heads are joined by `JOINT`."""
        revisions = self._revisions(release)
        below = {down for revision in revisions for down in revision.down}
        return _joined([revision.id for revision in revisions if revision.id not in below])

    def before(self, release: str, revision: str) -> str:
        """The revision below ``revision``; ``base`` below the first, several joined by `JOINT` below a merge.

        Raises:
            StackError: the release does not know the revision.
        """
        for known in self._revisions(release):
            if known.id == revision:
                return _joined(known.down)
        raise StackError(
            f"release {release} has no script of the revision {revision}",
            cause=f"its revisions: {', '.join(self.history(release)) or 'none'}",
            fix="downgrade with the scripts of a release that has it",
        )

    def _revisions(self, release: str) -> tuple[Revision, ...]:
        if release not in self._histories:
            result = self._succeed(release, self.run(release, "history"))
            matches = filter(None, map(_HISTORY_LINE.match, result.stdout.splitlines()))
            self._histories[release] = tuple(
                Revision(match["revision"], tuple(down for down in match["down"].split(", ") if down != _BASE))
                for match in matches
            )
        return self._histories[release]

    def knows(self, release: str, revision: str) -> bool:
        """Whether a release has the script of ``revision``, or of each of several joined by `JOINT`.

        A release that lacks it can neither start on such a database nor downgrade it.
        """
        return revision == "base" or set(revision.split(JOINT)) <= set(self.history(release))

    def _succeed(self, release: str, result: CommandResult) -> CommandResult:
        if not result.ok:
            raise StackError(
                f"{' '.join(result.argv)} failed in {result.where} with exit code {result.exit_code}",
                cause=result.output,
                fix=remedy_in(result.output, release)
                or "run the command by hand in the release's tree; its command line is under [migrations]",
            )
        return result


def _joined(revisions: Sequence[str]) -> str:
    return JOINT.join(sorted(revisions)) or "base"

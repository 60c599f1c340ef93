"""Alembic's command line, run in the tree of a release: the very commands that the runbook names."""

from __future__ import annotations

import re
from collections.abc import Callable

from rollback_drills.errors import StackError
from rollback_drills.stack import CommandResult, Commands
from rollback_drills.target import Target

# alembic/script/base.py, Script.log_entry: "down, down2 -> revision (head) (mergepoint), message"
_HISTORY_LINE = re.compile(r"^(?P<down>\S+(?:, \S+)*) -> (?P<revision>[^\s,]+)")


class Alembic:
    """What `alembic` says and does; histories are read once per release, since a release does not change."""

    def __init__(self, commands: Commands, target: Target, histories: dict[str, tuple[str, ...]]) -> None:
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
        return self._commands.in_release(
            release,
            [*self._target.migrations.command, *arguments],
            timeout=timeout or self._target.migrations.timeout,
            database_url=database_url,
            kill_when=kill_when,
        )

    def current(self, release: str) -> str:
        """What ``alembic current`` prints as the revision: ``base`` when it prints none.

        Raises:
            StackError: the command failed, for example because the release does not know the revision.
        """
        result = self._succeed(self.run(release, "current"))
        revisions = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
        return ", ".join(sorted(revisions)) or "base"

    def upgrade(self, release: str, revision: str = "head", *, database_url: str | None = None) -> CommandResult:
        return self.run(release, "upgrade", revision, database_url=database_url)

    def downgrade(self, release: str, revision: str, *, database_url: str | None = None) -> CommandResult:
        return self.run(release, "downgrade", revision, database_url=database_url)

    def history(self, release: str) -> tuple[str, ...]:
        """The revisions that a release knows, newest first.

        Raises:
            StackError: alembic cannot read the release's scripts.
        """
        if release not in self._histories:
            result = self._succeed(self.run(release, "history"))
            matches = map(_HISTORY_LINE.match, result.stdout.splitlines())
            self._histories[release] = tuple(match["revision"] for match in matches if match)
        return self._histories[release]

    def head(self, release: str) -> str:
        """The newest revision of a release, ``base`` where it has none."""
        return next(iter(self.history(release)), "base")

    def before(self, release: str, revision: str) -> str:
        """The revision below ``revision``; ``base`` below the first."""
        history = self.history(release)
        position = history.index(revision) + 1
        return history[position] if position < len(history) else "base"

    def knows(self, release: str, revision: str) -> bool:
        """Whether a release has the script of ``revision``: if not, it can neither start on it nor downgrade it."""
        return revision == "base" or revision in self.history(release)

    def _succeed(self, result: CommandResult) -> CommandResult:
        if not result.ok:
            raise StackError(
                f"{' '.join(result.argv)} failed in {result.where} with exit code {result.exit_code}",
                cause=result.output,
                fix="run the command by hand in the release's tree; [migrations] says how it is called",
            )
        return result

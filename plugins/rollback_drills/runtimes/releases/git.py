"""The files of a release from a git repository, which is only read: no checkout, no worktree, no hooks."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.core.private_files import CALLERS_UMASK
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.protocols import CommandResult

TIMEOUT = 300.0  # seconds for one git command


class Repository:
    """A git repository of the user's.

    Args:
        directory: the repository, or a directory within it.
        workspace: holds the index files, so that the repository's own stays unchanged.
    """

    def __init__(self, directory: Path, workspace: Path) -> None:
        self._directory, self._workspace = directory, workspace

    def commit(self, ref: str) -> str:
        """The SHA of the commit that a ref (a tag, branch or commit) names.

        Raises:
            StackError: there is no repository, or it has no such ref.
        """
        result = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if result.ok:
            return result.stdout.strip()
        listed = self._git("for-each-ref", "--format=%(refname:short)")
        if not listed.ok:
            raise StackError(
                f"{self._directory} is not a git repository",
                cause=listed.output,
                fix="correct releases.git.repository",
            )
        names = listed.stdout.split()
        close = get_close_matches(ref, names, n=3)
        raise StackError(
            f"the repository {self._directory} has no {ref}",
            cause=f"it has {', '.join(close or names[:5]) or 'neither tags nor branches'}",
            fix="fetch it (a shallow clone has no tags: `git fetch --tags`), or correct releases.git.ref",
        )

    def extract(self, commit: str, directory: str, tree: Path) -> None:
        """Write the files of a commit, or of one directory in it, to ``tree``.

        Submodules stay empty; filters such as Git LFS apply, as in a checkout.

        Raises:
            StackError: the commit has no such directory, or the files cannot be written.
        """
        where = self._git("rev-parse", "--absolute-git-dir")
        variables = {"GIT_INDEX_FILE": str(tree.parent / f"index-{tree.name}")}
        read = self._git("read-tree", f"{commit}:{directory}", variables=variables)
        if not read.ok:
            raise StackError(
                f"{commit[:12]} has no directory {directory!r}", cause=read.output, fix="correct releases.git.directory"
            )
        tree.mkdir(parents=True)
        place = (f"--git-dir={where.stdout.strip()}", f"--work-tree={tree}")
        written = self._git(*place, "checkout-index", "--all", "--force", cwd=tree, variables=variables)
        if not written.ok:
            raise StackError(
                f"the files of {commit[:12]} cannot be written to {tree}",
                cause=written.output,
                fix=f"run `git -C {self._directory} checkout {commit[:12]}` by hand to see why",
            )

    def _git(self, *arguments: str, cwd: Path | None = None, variables: dict[str, str] | None = None) -> CommandResult:
        # The target file names the repository, so it is trusted, even if another user owns it (as in a CI container).
        argv = ["git", "-c", "safe.directory=*", *arguments]
        environment = process.clean_environment(self._workspace, variables)
        try:
            return process.run(argv, cwd=cwd or self._directory, env=environment, timeout=TIMEOUT, umask=CALLERS_UMASK)
        except StackError as error:
            fix = "install git, and correct releases.git.repository"
            raise StackError(error.what, cause=error.cause, fix=fix) from None

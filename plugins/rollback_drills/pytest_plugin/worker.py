"""What one pytest process has started for its drills: a workspace, and what runs from it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from pydantic import JsonValue

from rollback_drills.clients.traffic import Sender
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.meter import Meter
from rollback_drills.core.redaction import Redactor
from rollback_drills.evidence.run import RuntimeFacts
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes import Choice
from rollback_drills.runtimes.embedded.builds import PostgresBuild
from rollback_drills.runtimes.embedded.postgres import PostgresServer, server_version
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import clean_environment
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target


class WorkerResources:
    """Opened at most once at a time; `close` removes all of them, unless a stack is kept.

    Args:
        worker: the name of the process.
        keep: whether stacks are to be kept (``--drill-keep-stack``).
    """

    def __init__(self, run: str, worker: str, *, keep: bool, meter: Meter, redactor: Redactor) -> None:
        self._run, self._worker, self._keep = run, worker, keep
        self._meter, self._redactor = meter, redactor
        self._workspace: Workspace | None = None
        self._sender: Sender | None = None
        self.setup_seconds = 0.0
        self.facts: RuntimeFacts | None = None
        self.kept: list[str] = []
        self.kept_removal = ""

    @property
    def workspace(self) -> Workspace:
        """The workspace that `open_lab` or `open_server` has created."""
        assert self._workspace is not None
        return self._workspace

    @property
    def keeps_stack(self) -> bool:
        """Whether `keep_stack` was called for the open workspace."""
        return self._workspace is not None and self._workspace.kept

    def open_lab(self, target: Target, choice: Choice) -> Lab:
        """Start this worker's server, and build its templates.

        Raises:
            DrillError: something did not start.
        """
        began = self._meter.elapsed()
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._workspace = Workspace(self._run, self._worker, to_be_kept=self._keep)
            self._redactor.shorten(str(self._workspace.path), "$WORKSPACE")
            runtime = choice.make(target, self._workspace, self._meter)
            sender = self._open_sender(self._workspace.path) if target.traffic.rate else None
            lab = Lab(target, runtime, self._meter, self._run, sender, self._redactor.add_known)
            for secret in (lab.role_password, *runtime.secrets()):
                self._redactor.add_known(secret)
            on_failure.callback(lab.close)
            lab.start()
            lab.learn()
            on_failure.pop_all()
        facts = {name: self._redactor.json(value) for name, value in runtime.facts().items()}
        self.facts = RuntimeFacts(name=choice.name, reason=choice.reason, facts=facts)
        self.setup_seconds = self._meter.elapsed() - began
        return lab

    def _open_sender(self, workspace: Path) -> Sender:
        """The process that sends the client traffic; it gets ready while the runtime starts."""
        environment, log = clean_environment(workspace), workspace / "traffic.log"
        self._sender = Sender(lambda: PipedConversation(ARGV, cwd=workspace, env=environment, log=log))
        self._sender.open()
        return self._sender

    def open_server(self, choice: Choice, build: PostgresBuild) -> tuple[PostgresServer, Workspace]:
        """A disposable PostgreSQL and nothing else, for drills that need no gateway; `close` ends it.

        Args:
            build: the programs to start.

        Raises:
            DrillError: it did not start.
        """
        began = self._meter.elapsed()
        self._workspace = Workspace(self._run, self._worker)
        self._redactor.shorten(str(self._workspace.path), "$WORKSPACE")
        server = PostgresServer(self._workspace, self._meter, bin_dir=build.bin_dir)
        self._redactor.add(server.password)
        server.start()
        version = server_version(server.bin_dir, clean_environment(self._workspace.path))
        facts: dict[str, JsonValue] = {"postgres": version, **({"because": build.reason} if build.reason else {})}
        self.facts = RuntimeFacts(name=choice.name, reason=choice.reason, facts=facts)
        self.setup_seconds = self._meter.elapsed() - began
        return server, self._workspace

    def keep_stack(self, drill: str, stack: Stack) -> None:
        """Leave a stack up, and note how to reach it (shown only in the terminal, since it contains a password)."""
        lines = [
            f"{drill}",
            f"  gateway   {stack.gateway.base_url}  (release {stack.gateway.release})",
            f"  database  {stack.database.url}",
        ]
        self.workspace.keep("\n".join(lines))
        self.kept += lines
        self.kept_removal = self.workspace.removal_command()

    def close(self) -> None:
        """Remove the workspace and everything that runs from it, unless it is kept."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        if self._workspace is not None:
            workspace, self._workspace = self._workspace, None
            removal.close(workspace)

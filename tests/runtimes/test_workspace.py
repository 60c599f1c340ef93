"""A run removes what killed runs left behind, and nothing that is in use or kept."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from rollback_drills.core.errors import StackError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.runtimes.embedded.postgres import PostgresServer
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.workspace import directory as workspaces
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import KEPT, Workspace, root
from rollback_drills.runtimes.workspace.removal import sweep

# A run that starts a child and a daemon, prints their pids, and waits for its input to end.
OWNER = """
import subprocess, sys
from rollback_drills.runtimes.host import process
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
workspace = Workspace(sys.argv[1], "gw0")
environment = process.clean_environment(workspace.path)
quiet = dict(stdout=subprocess.DEVNULL, env=environment)
pids = [subprocess.Popen(["sleep", "600"], start_new_session=own, **quiet).pid for own in (False, True)]
if "keep" in sys.argv:
    workspace.keep("http://127.0.0.1:1")
print(workspace.path, *pids, flush=True)
if sys.stdin.readline() == "close\\n":
    removal.close(workspace)
"""
RACER = """
import os
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
for number in range(12):
    workspace = Workspace(f"race-{os.getpid()}", f"{number}")
    (workspace.directory("data") / "file").write_text("x")
    removal.sweep()
    assert (workspace.path / "data" / "file").exists(), "a workspace in use was removed"
    if number % 3:
        removal.close(workspace)
    else:
        workspace.release_lock()  # as if it had been killed here
"""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files that no other test uses."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


class Owner:
    def __init__(self, run: str, *arguments: str) -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", OWNER, run, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.child.stdout is not None
        path, *pids = self.child.stdout.readline().rsplit(maxsplit=2)
        self.path, self.pids = Path(path), [int(pid) for pid in pids]

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def alive(self) -> list[bool]:
        return [psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in self.pids]


@pytest.fixture
def owner(private: Path) -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def owner(run: str, *arguments: str) -> Owner:
        owners.append(Owner(run, *arguments))
        return owners[-1]

    yield owner
    for each in owners:
        each.kill()
        for pipe in (each.child.stdin, each.child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.end_all(process.of_workspace(each.path))


def test_an_orphan_is_swept_with_everything_it_started(owner: Callable[..., Owner]):
    killed, living = owner("killed"), owner("living")
    killed.kill()
    ((run, message),) = sweep()
    assert run == "killed"
    assert "killed-gw0" in message
    assert "2 processes" in message
    assert not killed.path.exists()
    assert killed.alive() == [False, False], "the daemon too"
    assert living.path.exists()
    assert living.alive() == [True, True]
    assert sweep() == []


def test_a_run_that_ends_leaves_nothing(owner: Callable[..., Owner]):
    ended = owner("ended")
    ended.child.communicate("close\n")
    assert ended.child.returncode == 0
    assert not ended.path.exists()
    assert ended.alive() == [False, False]


def test_a_kept_stack_stays(owner: Callable[..., Owner]):
    kept = owner("kept", "keep")
    kept.child.communicate("close\n")
    assert sweep() == []
    assert kept.alive() == [True, True]
    assert (kept.path / KEPT).read_text() == "http://127.0.0.1:1\n"


def remove(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rollback_drills.runtimes.workspace.remove", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_kept_stack_can_be_removed_once_its_run_has_ended(owner: Callable[..., Owner]):
    kept = owner("it's; kept", "keep")
    refused = remove(kept.path)
    assert refused.returncode == 1
    assert "is still running" in refused.stderr
    assert kept.alive() == [True, True]
    kept.child.communicate("close\n")
    removed = remove(kept.path)
    assert removed.returncode == 0, removed.stderr
    assert not kept.path.exists()
    assert kept.alive() == [False, False]


def test_the_removal_command_is_quoted_for_a_shell(private: Path):
    workspace = Workspace("it's; kept", "main")
    *_, path = shlex.split(workspace.removal_command())
    assert path == str(workspace.path)
    removal.close(workspace)


def test_only_a_kept_stack_can_be_removed_by_command(private: Path):
    workspace = Workspace("living", "main")
    for path in (workspace.path, private, private / "none"):
        refused = remove(path)
        assert refused.returncode == 1
        assert "is not a kept stack" in refused.stderr
    assert workspace.path.exists()
    removal.close(workspace)


def test_a_workspace_that_cannot_be_removed_does_not_keep_the_others(private: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("a", "b"):
        (root() / name).mkdir()
    real = process.of_workspace

    def fails_for_a(path: Path) -> list[psutil.Process]:
        if path.name == "a":
            raise StackError("ending leftover processes: not within 10 s")
        return real(path)

    monkeypatch.setattr(process, "of_workspace", fails_for_a)
    first, second = (each.message for each in sweep())
    assert "cannot be removed" in first
    assert "removed what the killed run b" in second
    assert not (root() / "b").exists()


def test_files_and_links_are_not_workspaces(private: Path):
    elsewhere = private / "elsewhere"
    elsewhere.mkdir()
    (root() / "file").write_text("x")
    (root() / "link").symlink_to(elsewhere)
    assert sweep() == []
    assert elsewhere.exists()


def test_tmpdir_is_honoured(private: Path):
    script = (
        "from rollback_drills.runtimes.workspace import removal\n"
        "from rollback_drills.runtimes.workspace.directory import Workspace\n"
        "workspace = Workspace('r', 'w')\nprint(workspace.path)\nremoval.close(workspace)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).parent == private / f"rollback-drills-{os.getuid()}"


def test_other_users_may_pass_through_but_not_list(private: Path):
    workspace = Workspace("r", "w")
    assert workspace.path.stat().st_mode & 0o077 == 0o011
    assert root().stat().st_mode & 0o077 == 0o011
    removal.close(workspace)


def test_a_name_that_is_taken_is_refused(private: Path):
    first = Workspace("r", "w")
    with pytest.raises(StackError, match="cannot be created"):
        Workspace("r", "w")
    removal.close(first)


@pytest.mark.parametrize("kind", ["link", "dangling", "file"])
def test_a_root_that_is_not_a_directory_is_refused(private: Path, kind: str):
    path = private / f"rollback-drills-{os.getuid()}"
    if kind == "file":
        path.write_text("")
    else:
        path.symlink_to(private / "target")
        if kind == "link":
            (private / "target").mkdir()
    with pytest.raises(StackError, match="TMPDIR"):
        root()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_root_of_another_user_is_refused(private: Path):
    path = private / f"rollback-drills-{os.getuid()}"
    path.mkdir()
    os.chown(path, 65534, 65534)
    with pytest.raises(StackError, match="belongs to another user"):
        root()


def test_many_runs_may_begin_sweep_and_end_at_once(private: Path):
    racers = [subprocess.Popen([sys.executable, "-c", RACER], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    errors = [racer.communicate()[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, errors
    sweep()
    assert [path.name for path in root().iterdir()] == [".registry.lock"]


def test_postgresql_is_found_by_its_pid_file(private: Path):
    """The server overwrites its environment with its title, so only its pid file leads to it."""
    workspace = Workspace("r", "w")
    data = workspace.directory("pgdata")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(data)]) as server:
        poll_until(lambda: str(data) in psutil.Process(server.pid).cmdline(), what="exec", timeout=10)
        (data / "postmaster.pid").write_text(f"{server.pid}\n{data}\n")
        (workspace.directory("other") / "postmaster.pid").write_text(f"{os.getpid()}\n")  # the number has been reused
        (workspace.directory("broken") / "postmaster.pid").write_text("x")
        removal.close(workspace)
        assert server.wait(10) == -signal.SIGKILL


def test_a_memory_directory_is_removed_with_its_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(workspaces, "MEMORY", tmp_path)
    monkeypatch.setattr(workspaces, "MEMORY_FREE", 0)
    workspace = workspaces.Workspace("memory", str(os.getpid()))
    data = workspace.memory_directory("pgdata")
    (data / "file").write_text("x")
    assert data.resolve().is_relative_to(tmp_path)
    beside = {path.name for path in data.resolve().parent.iterdir()}
    assert beside == {data.resolve().name, f"{data.resolve().name}.workspace"}
    removal.close(workspace)
    assert not workspace.path.exists()
    assert list(next(tmp_path.iterdir()).iterdir()) == []


def test_an_orphan_is_removed_with_its_memory_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(workspaces, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(workspaces, "MEMORY_FREE", 0)
    (tmp_path / "memory").mkdir()
    workspace = workspaces.Workspace("memory", "orphan")
    data = workspace.memory_directory("pgdata").resolve()
    foreign = tmp_path / "memory" / "precious"
    foreign.mkdir()
    (workspace.path / "trap").symlink_to(foreign)
    workspace.release_lock()  # as the kernel does for a process that is killed
    ((run, message),) = sweep()
    assert run == "memory"
    assert "memory-orphan" in message
    assert not data.exists()
    assert foreign.exists()


@pytest.mark.parametrize("why", ["TMPDIR is set", "no room", "no such place"])
def test_data_stay_on_disk_if_memory_is_not_available(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(workspaces, "MEMORY", tmp_path / "nowhere" if why == "no such place" else tmp_path)
    monkeypatch.setattr(workspaces, "MEMORY_FREE", 1 << 60 if why == "no room" else 0)
    workspace = workspaces.Workspace("disk", str(os.getpid()))
    if why == "TMPDIR is set":
        monkeypatch.setenv("TMPDIR", tempfile.gettempdir())
    assert not workspace.memory_directory("pgdata").is_symlink()
    removal.close(workspace)


def segments() -> dict[str, str]:
    """By the id of each System V shared memory segment, its creator's pid (proc(5), /proc/sysvipc)."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {line.split()[1]: line.split()[4] for line in lines}


@pytest.mark.parametrize("known", [True, False], ids=["pid-file", "killed-before-it-wrote-so"])
def test_a_killed_server_leaves_no_shared_memory(bin_dir: Path, known: bool):
    workspace = Workspace(f"killed-server-{known}", str(os.getpid()))
    server = PostgresServer(workspace, Meter(), bin_dir=bin_dir)
    server.start()
    lines = (server.data / "postmaster.pid").read_text().splitlines()
    leader, segment = lines[0], lines[6].split()[1]
    # POSIX memory would outlive it. Other processes' may come and go meanwhile: every initdb tries it.
    assert "/dev/shm/PostgreSQL." not in Path(f"/proc/{leader}/maps").read_text()
    server.kill()
    assert [each for each, creator in segments().items() if creator == leader] == [segment], "and it created no other"
    if not known:
        (server.data / "postmaster.pid").unlink()
    removal.close(workspace)
    assert segment not in segments()


def test_backends_that_outlive_their_postmaster_are_ended(bin_dir: Path):
    workspace = Workspace("orphaned-backends", str(os.getpid()))
    server = PostgresServer(workspace, Meter(), bin_dir=bin_dir)
    server.start()
    assert server._process is not None
    family = process.family(server._process.pid)
    for member in family[1:]:
        with contextlib.suppress(psutil.NoSuchProcess):  # the backend that answered the readiness check
            member.suspend()
    family[0].kill()
    poll_until(lambda: not server._process.running, what="the postmaster's end", timeout=20)
    removal.close(workspace)
    assert [member for member in family if member.is_running() and member.status() != psutil.STATUS_ZOMBIE] == []


def test_a_run_that_was_killed_under_another_tmpdir_is_swept(
    owner: Callable[..., Owner], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    killed, living, kept = owner("killed"), owner("living"), owner("kept", "keep")
    killed.kill()
    kept.kill()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    swept = [each for each in sweep() if each.run in ("killed", "living", "kept")]
    assert [each.run for each in swept] == ["killed"]
    assert "2 processes" in swept[0].message
    assert not killed.path.exists()
    assert (killed.alive(), living.alive(), kept.alive()) == ([False, False], [True, True], [True, True])


def test_processes_of_a_deleted_workspace_end_unless_their_run_lives(owner: Callable[..., Owner], private: Path):
    """As after somebody has emptied /tmp."""
    killed, living = owner("killed"), owner("living")
    for each in (killed, living):
        shutil.rmtree(each.path)
    killed.kill()
    assert [each.run for each in sweep() if each.run in ("killed", "living")] == ["killed"]
    assert (killed.alive(), living.alive()) == ([False, False], [True, True])


def test_data_in_memory_do_not_outlive_their_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("TMPDIR", raising=False)
    monkeypatch.setattr(workspaces, "MEMORY", tmp_path / "memory")
    monkeypatch.setattr(workspaces, "MEMORY_FREE", 0)
    (tmp_path / "memory").mkdir()
    living, killed, closed = (Workspace(run, "main") for run in ("living", "killed", "closed"))
    data = {each: each.memory_directory("pgdata").resolve() for each in (living, killed, closed)}
    removal.close(closed)
    killed.release_lock()
    shutil.rmtree(killed.path)
    assert [each.run for each in sweep() if each.run in ("living", "killed")] == ["killed"]
    left = sorted(path.name for path in data[living].parent.iterdir())
    assert left == ["living-main-pgdata", "living-main-pgdata.workspace"]
    removal.close(living)
    assert list(data[living].parent.iterdir()) == []


def test_an_ordinary_users_workspace_is_closed_to_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Only PostgreSQL's account, under which root runs it, has to pass."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for user, mode in ((1000, 0o700), (0, 0o711)):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        workspace = Workspace(f"of-{user}", "main")
        assert [stat.S_IMODE(path.stat().st_mode) for path in (root(), workspace.path)] == [mode, mode]
        assert stat.S_IMODE(workspace.directory("data").stat().st_mode) == 0o700
        removal.close(workspace)

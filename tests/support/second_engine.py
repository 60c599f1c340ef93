"""A second Docker engine for tests, with an SSH server, in a network namespace that stands for another host.

Its firewall rules and bridges are separate from this machine's engine, and so is its 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rollback_drills.core.polling import poll_until

# Four of RFC 2544's addresses, which no network routes; each process, such as a pytest worker, has its own four.
_NETWORK = ipaddress.ip_network("198.18.0.0/16")[4 * (os.getpid() % (1 << 14))]
HERE, THERE = str(_NETWORK + 1), str(_NETWORK + 2)
API_PORT, SSH_PORT = 2375, 2222
NEEDED = ("dockerd", "docker", "ip", "nsenter", "mount", "ssh", "sshd", "ssh-keygen")
_SPACE = "1500m"  # the size of the engine's data directory, a tmpfs


def obstacle() -> str:
    """Why a second engine cannot run here; empty if it can."""
    if os.getuid() != 0:
        return "only root can start a second engine"
    missing = [program for program in NEEDED if shutil.which(program, path=_path()) is None]
    return f"a second engine needs {', '.join(missing)}" if missing else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass
class SecondEngine:
    """Created and ended by `running`."""

    directory: Path
    namespace: str = field(default_factory=lambda: f"drills{os.getpid()}")
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def tcp(self) -> str:
        return f"tcp://{THERE}:{API_PORT}"

    @property
    def ssh(self) -> str:
        return f"ssh://root@{THERE}:{SSH_PORT}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def socket(self) -> Path:
        return self.directory / "docker.sock"

    @property
    def programs(self) -> Path:
        """A directory for PATH, with an ``ssh`` that uses the tests' key and ignores the user's configuration."""
        return self.directory / "bin"

    def start(self, images: Sequence[str]) -> None:
        self._join_networks()
        self.data.mkdir()
        _call("mount", "-t", "tmpfs", "-o", f"size={_SPACE},mode=0711", "drills", str(self.data))
        options = {
            "data-root": self.data,
            "exec-root": self.directory / "exec",
            "pidfile": self.directory / "dockerd.pid",
            "containerd-namespace": self.namespace,
            "containerd-plugins-namespace": f"{self.namespace}-plugins",
            "bip": "198.51.100.129/26",
            "tls": "false",
        }
        addresses = ["-H", self.tcp, "-H", f"unix://{self.socket}"]
        self._run("dockerd", *addresses, *(f"--{name}={value}" for name, value in options.items()))
        self._wait(API_PORT, "starting a second engine", timeout=60)
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            load = ["docker", "-H", self.tcp, "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, stdout=subprocess.DEVNULL, check=True)
        assert saved.returncode == 0

    def start_ssh(self) -> None:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's chroot, which its service would create
        for name in ("host", "client"):
            _call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.directory / name))
        shutil.copy(self.directory / "client.pub", self.directory / "authorized")
        (self.directory / "sshd_config").write_text(
            f"Port {SSH_PORT}\nListenAddress {THERE}\nHostKey {self.directory}/host\nPidFile none\nUsePAM yes\n"
            f"AuthorizedKeysFile {self.directory}/authorized\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"SetEnv DOCKER_HOST=unix://{self.socket}\n"
        )
        (self.directory / "ssh_config").write_text(
            f"IdentityFile {self.directory}/client\nIdentitiesOnly yes\nUserKnownHostsFile {self.directory}/known\n"
            "StrictHostKeyChecking accept-new\nLogLevel ERROR\nBatchMode yes\n"
            # docker-py opens a connection for every request.
            f"ControlMaster auto\nControlPath {self.directory}/%C\nControlPersist 60\n"
        )
        self.programs.mkdir()
        client = self.programs / "ssh"
        real = shlex.quote(str(shutil.which("ssh")))
        client.write_text(f'#!/bin/sh\nexec {real} -F {shlex.quote(str(self.directory / "ssh_config"))} "$@"\n')
        client.chmod(0o755)
        self._run(str(shutil.which("sshd", path=_path())), "-D", "-e", "-f", str(self.directory / "sshd_config"))
        self._wait(SSH_PORT, "starting sshd", timeout=20)

    def stop(self) -> None:
        if self.programs.is_dir():
            shared = [self.programs / "ssh", "-O", "exit", "-l", "root", "-p", str(SSH_PORT), THERE]
            subprocess.run(shared, check=False, capture_output=True)
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(60)
        for mount in (self.data, *sorted(self.directory.glob("exec/netns/*"))):
            subprocess.run(["umount", str(mount)], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", self.namespace], check=False, capture_output=True, env=_environment())

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Fill the engine's data directory; nothing more can be written there until this ends."""
        filler = self.data / "filler"
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        try:
            yield
        finally:
            filler.unlink()

    def _join_networks(self) -> None:
        """Connect this machine and the namespace."""
        here = f"{self.namespace}h"
        _call("ip", "netns", "add", self.namespace)
        _call("ip", "link", "add", here, "type", "veth", "peer", "name", "uplink", "netns", self.namespace)
        _call("ip", "address", "add", f"{HERE}/30", "dev", here)
        _call("ip", "link", "set", here, "up")
        for arguments in (f"address add {THERE}/30 dev uplink", "link set uplink up", "link set lo up"):
            _call("ip", "-n", self.namespace, *arguments.split())

    def _run(self, *argv: str) -> None:
        # `ip netns exec` would hide the control groups.
        command = ["nsenter", f"--net=/run/netns/{self.namespace}", *argv]
        with (self.directory / "log").open("ab") as log:
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment())
            )

    def _wait(self, port: int, what: str, *, timeout: float) -> None:
        poll_until(lambda: self._listens(port), what=what, timeout=timeout, died=self._died, last_words=self._log)

    def _listens(self, port: int) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((THERE, port), timeout=2):
            return True
        return False

    def _died(self) -> str | None:
        codes = [process.poll() for process in self._processes]
        return None if set(codes) <= {None} else f"exit codes {codes}"

    def _log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-3000:]


def _environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith("DOCKER_")} | {"PATH": _path()}


def _call(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, env=_environment(), check=False)
    assert done.returncode == 0, f"{shlex.join(argv)}: {done.stderr}"


@contextlib.contextmanager
def running(images: Sequence[str]) -> Iterator[SecondEngine]:
    """An engine with copies of these images, and an SSH server; both are removed at the end."""
    # A socket's path may have 107 bytes, which pytest's directories exceed.
    with tempfile.TemporaryDirectory(prefix="engine-") as directory:
        engine = SecondEngine(Path(directory))
        try:
            engine.start(images)
            engine.start_ssh()
            yield engine
        finally:
            engine.stop()

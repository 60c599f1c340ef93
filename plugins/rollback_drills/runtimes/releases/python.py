"""The Python of a release's processes: given, or an environment with its requirements that is kept for later runs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rollback_drills.core.errors import StackError
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.host import process
from rollback_drills.target.target import Target

INSTALL_TIMEOUT = 900.0  # seconds
KEPT_FOR = 30 * 86_400.0  # seconds since the last use of an environment
_READY = ".ready"
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]+(?P<file>\S+)", re.MULTILINE)
# The caller's variables that an installation gets: the package index, and the way to it.
_PASSED_ON = re.compile(r"(PIP|UV)_\w+|(https?|no|all)_proxy|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE", re.IGNORECASE)


def interpreter(target: Target, release: str, tree: Path, workspace: Path) -> str:
    """The Python of a release according to the target's [python]; by default the suite's own.

    Raises:
        StackError: it does not exist, or the requirements cannot be installed.
    """
    settings = target.python
    if settings.interpreter is not None:
        values = {"here": str(target.here), "release": release, "tree": str(tree)}
        path = fill(settings.interpreter, values)
        found = shutil.which(path) if os.sep not in path else str(target.here / path)
        if found is None or not os.access(found, os.X_OK):
            raise StackError(
                f"there is no Python {path} for release {release}", fix=f"correct python.interpreter in {target.file}"
            )
        return found
    if not settings.requirements:
        return sys.executable
    base = shutil.which(settings.base or sys.executable)
    if base is None:
        raise StackError(f"there is no Python {settings.base}", fix=f"correct python.base in {target.file}")
    files = [tree / name for name in settings.requirements]
    return _installed(base, files, release, workspace, f"correct python.requirements in {target.file}")


def cache() -> Path:
    """The directory of the environments; it may be deleted between runs."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return Path(home) / "rollback-drills" / "environments"


def _installed(base: str, files: list[Path], release: str, workspace: Path, fix: str) -> str:
    environment = cache() / _fingerprint(base, files, fix)
    python, ready = environment / "bin" / "python", environment / _READY
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with _alone(environment):
            if not ready.exists():
                shutil.rmtree(environment, ignore_errors=True)  # of an installation that was killed
                _install(base, files, environment, release, workspace)
            ready.touch()  # the time of the last use
        _remove_unused()
    except OSError as error:
        raise StackError(
            f"the environment of release {release} cannot be kept in {cache()}: {error.strerror or error}",
            fix="free some space, or set XDG_CACHE_HOME to another directory",
        ) from None
    return str(python)


def _install(base: str, files: list[Path], environment: Path, release: str, workspace: Path) -> None:
    passed = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    variables = process.clean_environment(workspace, {"HOME": str(Path.home()), **passed})
    named = [part for file in files for part in ("-r", str(file))]
    for argv in (
        [base, "-m", "venv", str(environment)],
        [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *named],
    ):
        result = process.run(argv, cwd=files[0].parent, env=variables, timeout=INSTALL_TIMEOUT)
        if not result.ok:
            raise StackError(
                f"the environment of release {release} cannot be created: {' '.join(argv)} exited with "
                f"{result.exit_code}",
                cause=result.output,
                fix="run the command by hand; it gets pip's settings and the proxies of this environment",
            )


def _fingerprint(base: str, files: list[Path], fix: str) -> str:
    """SHA-256 of the Python and of the requirement files, including those that they include."""
    digest = hashlib.sha256(f"{Path(base).resolve()}\0{os.stat(base).st_mtime_ns}\0".encode())
    waiting, seen = list(files), set[Path]()
    while waiting:
        file = waiting.pop(0)
        if file in seen:
            continue
        seen.add(file)
        try:
            text = file.read_text()
        except (OSError, ValueError) as error:
            raise StackError(f"the requirements {file} cannot be read: {error}", fix=fix) from None
        digest.update(f"{file.name}\0{text}\0".encode())
        waiting += [file.parent / match["file"] for match in _INCLUDED.finditer(text) if "://" not in match["file"]]
    return digest.hexdigest()[:24]


@contextmanager
def _alone(environment: Path) -> Iterator[None]:
    """Of two workers that need the same environment, let one create it and the other find it."""
    descriptor = os.open(environment.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_unused() -> None:
    for ready in cache().glob(f"*/{_READY}"):
        if time.time() - ready.stat().st_mtime > KEPT_FOR:
            with _alone(ready.parent):
                shutil.rmtree(ready.parent, ignore_errors=True)

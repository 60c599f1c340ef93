"""The images that a target needs: one per release, and PostgreSQL's.

An image that the target builds is named by a fingerprint of its context: a changed context gets a new image, and an
unchanged one is not built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import docker.errors
from docker.utils import build as context_files
from docker.utils import parse_repository_tag

from rollback_drills.core.errors import RuntimeUnavailableError
from rollback_drills.core.placeholders import fill
from rollback_drills.runtimes.docker.cleanup import remove_stages
from rollback_drills.runtimes.docker.engine import (
    LABEL,
    ApiError,
    Engine,
    labels,
    message_of,
    namespace,
    translate_errors,
    uninterrupted,
)
from rollback_drills.runtimes.releases.trees import Trees
from rollback_drills.runtimes.workspace import directory as workspaces
from rollback_drills.target.system_tables import Build
from rollback_drills.target.target import Target

Tell = Callable[[str], None]
BUILT_LABEL = f"{LABEL}.built-from"
NAMESPACE = "rollback-drills"
_TELL_EVERY = 5.0  # seconds between two lines of progress of a build
_STEP = re.compile(r"Step (\d+)/(\d+)")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?", re.IGNORECASE | re.MULTILINE)
_ARG = re.compile(r"^\s*ARG\s+(?P<name>\w+)(?:=(?P<default>\S*))?", re.IGNORECASE | re.MULTILINE)
_VARIABLE = re.compile(r"\$\{?(\w+)(?::?-([^}]*))?\}?")


def silent(line: str) -> None:
    """Report no progress."""


class Images:
    """Obtains each image once. An image made for a single run carries its label and is removed with it."""

    def __init__(self, engine: Engine, target: Target, trees: Trees) -> None:
        self._engine, self._target, self._trees = engine, target, trees
        self._of_release: dict[str, str] = {}

    @property
    def database(self) -> str:
        return self._target.database.image

    def prepare(self, tell: Tell = silent, *, with_database: bool = True) -> None:
        """Obtain the images of the target's two releases and of its database.

        Raises:
            RuntimeUnavailableError: the engine lacks one, and it cannot be pulled or built.
        """
        for release in (self._target.previous, self._target.current):
            self.of_release(release, tell)
        if with_database:
            self.pull(self.database, tell, "set database.image in the target file to one that can be pulled")

    def of_release(self, release: str, tell: Tell = silent) -> str:
        """Obtain a release's image; return its name.

        Raises:
            RuntimeUnavailableError: it cannot be obtained.
        """
        if release not in self._of_release:
            self._of_release[release] = self._obtain(release, tell)
        return self._of_release[release]

    def derive(self, base: str, name: str, files: Mapping[str, str], private: Path) -> str:
        """Add files to the working directory of a release's image; the new image is removed with the workspace."""
        image = f"{namespace(private)}:{name}"
        api = self._engine.client.api
        with translate_errors(f"the release {name} cannot be derived from {base}"):
            origin = self._engine.client.images.get(self.of_release(base))
            directory = PurePosixPath(origin.attrs["Config"].get("WorkingDir") or "/")
            created = uninterrupted(lambda: api.create_container(origin.id, labels=labels(private)))["Id"]
            try:
                api.put_archive(created, "/", _archive({directory / path: text for path, text in files.items()}))
                changes = [f"LABEL {key}={value}" for key, value in labels(private).items()]
                repository, tag = parse_repository_tag(image)
                uninterrupted(lambda: api.commit(created, repository=repository, tag=tag, changes=changes))
            finally:
                api.remove_container(created, v=True, force=True)
        self._of_release[name] = image
        return name

    def facts(self) -> dict[str, str]:
        """The name and digest of the image of each of the target's two releases."""
        known = [each for each in (self._target.previous, self._target.current) if each in self._of_release]
        return {f"image of {release}": self.described(self._of_release[release]) for release in known}

    def described(self, name: str) -> str:
        """An image's name and digest, for the evidence."""
        return f"{name} ({self.digest(name)})"

    def digest(self, name: str) -> str:
        """The image's id: the SHA-256 of its configuration, and so of its content."""
        image = self._engine.image(name)
        return str(image.id) if image is not None else "missing"

    def _obtain(self, release: str, tell: Tell) -> str:
        source = self._target.releases
        name = fill(source.image, {"release": release}) if source.image is not None else ""
        if name and (source.build is None or self._engine.image(name) is not None):
            return self.pull(name, tell, "build or push it, or correct releases.image in the target file")
        if source.build is None:
            raise RuntimeUnavailableError(
                "the target does not name the images of its releases",
                cause=f"[releases] in {self._target.file} has neither image nor build",
                fix="add image or build, or use --drill-runtime=embedded",
            )
        return self._build(source.build, release, tell)

    def pull(self, name: str, tell: Tell, fix: str) -> str:
        """Pull an image unless the engine has it; return its name.

        Raises:
            RuntimeUnavailableError: it cannot be pulled; quotes the engine.
        """
        if self._engine.image(name) is not None:
            return name
        tell(f"pulling {name}")
        repository, tag = parse_repository_tag(name)
        try:
            for event in self._engine.client.api.pull(repository, tag=tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise RuntimeUnavailableError(f"the image {name} cannot be pulled", cause=event["error"], fix=fix)
        except docker.errors.DockerException as error:
            what = f"the image {name} is not on the engine, and cannot be pulled"
            raise RuntimeUnavailableError(what, cause=message_of(error), fix=fix) from None
        return name

    def _build(self, build: Build, release: str, tell: Tell) -> str:
        values = {"here": str(self._target.here), "release": release}
        if "{tree}" in build.context:
            values["tree"] = str(self._trees.tree(release))
        context = (self._target.here / fill(build.context, values)).resolve()
        dockerfile = context / build.dockerfile
        if not dockerfile.is_file():
            raise RuntimeUnavailableError(
                f"release {release} cannot be built: there is no {dockerfile}",
                fix=f"correct releases.build in {self._target.file}: dockerfile {build.dockerfile!r} must be in the "
                f"context {build.context!r}",
            )
        arguments = {name: fill(text, values) for name, text in build.args.items()}
        bases = bases_of(dockerfile.read_text(errors="replace"), arguments)
        for base in bases:
            self.pull(base, tell, _base_remedy(build, dockerfile, base))
        ids = [self.digest(base) for base in bases]
        slug = re.sub(r"[^a-z0-9]+", "-", self._target.name.lower()).strip("-") or "target"
        origin = fingerprint_of(context, build, arguments, ids)
        name = f"{NAMESPACE}/{slug}:{release}-{origin[:12]}"
        with _one_at_a_time():
            if self._engine.image(name) is None:
                tell(f"building release {release} from {context}")
                output = self._run_build(context, build, arguments, name, {BUILT_LABEL: f"{slug}:{release}"}, tell)
                remove_stages(self._engine, output)
                self._remove_older(f"{slug}:{release}", name)
        return name

    def _run_build(
        self, context: Path, build: Build, arguments: dict[str, str], name: str, marks: dict[str, str], tell: Tell
    ) -> str:
        output: list[str] = []
        last_told = time.monotonic()
        where = "a checkout of the release" if _is_private(build) else context
        by_hand = f"run `docker build -f {build.dockerfile} .` in {where} by hand"
        fix = f"{by_hand}, then correct releases.build in the target file"
        with translate_errors(f"the image {name} cannot be built", fix=fix):
            events = self._engine.client.api.build(
                path=str(context),
                dockerfile=build.dockerfile,
                target=build.target or "",
                buildargs=arguments,
                tag=name,
                labels=marks,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                line = str(event.get("stream", "")).rstrip()
                if line:
                    output.append(line)
                if (step := _STEP.match(line)) and time.monotonic() - last_told > _TELL_EVERY:
                    last_told = time.monotonic()
                    tell(f"building {name}: step {step[1]} of {step[2]}")
                if "error" in event:
                    raise RuntimeUnavailableError(
                        f"the image {name} cannot be built", cause="\n".join([*output[-15:], event["error"]]), fix=fix
                    )
        return "\n".join(output)

    def _remove_older(self, mark: str, name: str) -> None:
        """Remove the images that were built from older contexts of this target; the engine keeps those in use.

        Only the names given here are removed: another run may have tagged the same image.
        """
        for image in self._engine.client.images.list(filters={"label": f"{BUILT_LABEL}={mark}"}):
            if name not in image.tags:
                for tag in (each for each in image.tags if each.startswith(f"{NAMESPACE}/{mark}-")):
                    try:
                        self._engine.client.api.remove_image(tag)
                    except ApiError:
                        continue


def _is_private(build: Build) -> bool:
    """Whether it is built from a private copy, which no longer exists when a user reads the message."""
    return "{tree}" in build.context


def _base_remedy(build: Build, dockerfile: Path, base: str) -> str:
    """The remedy for a base image that cannot be pulled."""
    where = f"the release's {build.dockerfile}" if _is_private(build) else dockerfile
    return (
        f"pull it by hand (`docker pull {base}`) where a registry is reachable, let {where} build on an image that the "
        "engine has (args under [releases.build] sets its ARGs), or use --drill-runtime=embedded"
    )


def bases_of(dockerfile: str, arguments: Mapping[str, str]) -> list[str]:
    """The images that a Dockerfile builds on, each once, without its own stages.

    ``FROM`` may use an ``ARG`` that precedes the first one: https://docs.docker.com/reference/dockerfile/#arg
    """
    first = _FROM.search(dockerfile)
    head = dockerfile[: first.start()] if first else ""
    values = {match["name"]: match["default"] or "" for match in _ARG.finditer(head)}
    values |= {name: value for name, value in arguments.items() if name in values}
    bases, stages = [], {"scratch"}
    for match in _FROM.finditer(dockerfile):
        image = _VARIABLE.sub(lambda each: values.get(each[1]) or each[2] or "", match["image"])
        if image.lower() not in stages and image not in bases:
            bases.append(image)
        if match["stage"]:
            stages.add(match["stage"].lower())
    return bases


def fingerprint_of(context: Path, build: Build, arguments: Mapping[str, str], bases: list[str]) -> str:
    """SHA-256 of everything that an image is built from: files and their modes, stage, arguments, base images."""
    ignore = context / ".dockerignore"
    patterns = [line.strip() for line in ignore.read_text().splitlines()] if ignore.is_file() else []
    patterns = [line for line in patterns if line and not line.startswith("#")]
    digest = hashlib.sha256(repr((build.dockerfile, build.target, sorted(arguments.items()), bases)).encode())
    for relative in sorted(context_files.exclude_paths(str(context), patterns, dockerfile=build.dockerfile)):
        file = context / relative
        if "__pycache__" in file.parts or file.is_dir():
            continue
        content = os.readlink(file).encode() if file.is_symlink() else file.read_bytes()
        mode = file.lstat().st_mode & 0o777
        digest.update(f"\0{relative}\0{mode:o}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _archive(files: Mapping[PurePosixPath, str]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, text in files.items():
            content = text.encode()
            entry = tarfile.TarInfo(str(path).lstrip("/"))
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Of two workers that need the same image, let one build it and the other find it."""
    descriptor = os.open(workspaces.root() / ".build.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

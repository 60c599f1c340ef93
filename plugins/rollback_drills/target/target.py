"""The target file: which gateway to drill, and how it is obtained, started, migrated and probed.

A `Target` is read from TOML, frozen and typed. It says *what* to drill; the runtimes say *where*.
All mistakes in a file are reported at once, with table and key (`mistakes`).
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    JsonValue,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from rollback_drills.core.errors import TargetError
from rollback_drills.core.placeholders import Expansion
from rollback_drills.core.secret_names import is_ordinary, secrets_in, secrets_of
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.answer_tables import AgreedAnswer
from rollback_drills.target.delivery_tables import Delivery, TrafficSettings
from rollback_drills.target.discovery import PROJECT_FILE, table_of_project
from rollback_drills.target.fields import Name, Table
from rollback_drills.target.integration_tables import Flags, Integration, merged_delivery
from rollback_drills.target.mistakes import explain
from rollback_drills.target.probe_tables import Behaviour, Metrics, Probe, Version, WriteProbe
from rollback_drills.target.system_tables import (
    Backup,
    Compose,
    Database,
    GatewaySettings,
    Migrations,
    Objectives,
    Python,
    Releases,
    Runbook,
)

_LARGEST = 1 << 20  # bytes; the longest target of an example has 8,000
_DEEPEST = 50  # tables or arrays in each other; every reader of the document is recursive
_DOCUMENTED = "docs/reference/target-file.md describes every table and key"
_NAMED_BY_USER = ("env", "migrate_on_start", "headers", "json", "form")
_CONTENT = ("path", "headers.", "json", "form.", "raw")
# Keys whose braces are placeholders, or patterns for them; a trailing dot stands for every key of the table.
_TEMPLATES = (
    "releases.",
    "python.interpreter",
    "database.seed_command",
    *(f"gateway.{key}" for key in ("start", "container_command", "env.", "migrate_on_start.")),
    "migrations.command",
    *(f"backup.{key}" for key in ("dump", "restore")),
    *(f"delivery.{key}" for key in (*_CONTENT, "signature.prefix", "signature.payload")),
    *(f"write_probe.{key}" for key in ("path", "headers.", "json")),
    *(f"flags.{key}" for key in ("variable", "symptom")),
    *(f"integrations.*.{key}" for key in (*_CONTENT, "flag")),
)


class Target(Table):
    """The system under drill."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="the system's name in the report"
    )
    current: Name = Field(description="the release that runs in production")
    previous: Name = Field(description="the release to go back to")
    releases: Releases = Field(description="where releases come from")
    gateway: GatewaySettings = Field(description="how the gateway is started")
    python: Python = Field(default=Python(), description="the Python of its processes")
    health: Probe = Field(description="the health request and its answer")
    version: Version = Field(description="how the gateway reports its version")
    delivery: Delivery = Field(description="how a webhook is delivered")
    integrations: Annotated[dict[Name, Integration], Field(min_length=1)] = Field(
        description="every integration, by name"
    )
    runbook: Runbook = Field(description="the runbook under drill")
    write_probe: WriteProbe | None = Field(
        default=None, description="a request that shows that the schema is usable; absent: only health is checked"
    )
    behaviours: tuple[Behaviour, ...] = Field(default=(), description="answers that distinguish the releases")
    database: Database = Field(default=Database(), description="PostgreSQL and its seed")
    migrations: Migrations = Field(default=Migrations(), description="how Alembic is called")
    metrics: Metrics | None = Field(
        default=None, description="where the error rate is read; absent: what needs it is not proven"
    )
    flags: Flags | None = Field(default=None, description="feature flags; absent: drills that need them are skipped")
    backup: Backup = Field(default=Backup(), description="the target's own backup commands")
    compose: Compose | None = Field(default=None, description="the compose file; the compose runtime needs it")
    traffic: TrafficSettings = Field(default=TrafficSettings(), description="the clients' load during a drill")
    objectives: Objectives = Field(default=Objectives(), description="what the runbook promises")
    accepted: tuple[Accepted, ...] = Field(default=(), description="findings that fail no drill until a date")
    secrets: tuple[str, ...] = Field(default=(), description="values that must never be recorded")

    _file: Path = PrivateAttr(default=Path())
    _digest: str = PrivateAttr(default="")
    _from_environment: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _releases_agree(self) -> Self:
        pair = (self.current, self.previous)
        if self.current == self.previous:
            raise ValueError(f"current and previous are both {self.current!r}; a rollback needs two releases")
        for name, integration in self.integrations.items():
            if integration.since is not None and integration.since not in pair:
                raise ValueError(f"integrations.{name}: since {integration.since!r} is not one of {pair}")
        for key, release in self._releases_named():
            if release not in pair:
                raise ValueError(f"{key}: release {release!r} is not one of {pair}")
        return self

    def _releases_named(self) -> Iterator[tuple[str, str]]:
        """The keys of the file that name releases, with each release that they name."""
        if self.flags is not None:
            yield from (("flags.defaults", release) for release in self.flags.defaults)
        for name, integration in self.integrations.items():
            yield from ((f"integrations.{name}.defaults", release) for release in integration.defaults)
        yield from (("version.expected", release) for release in self.version.expected)
        if self.version.routes is not None:
            yield from (("version.routes.releases", release) for release in self.version.routes.releases)
        yield from (("behaviours", behaviour.release) for behaviour in self.behaviours)

    @model_validator(mode="after")
    def _flags_are_distinct(self) -> Self:
        if self.flags is None:
            for name, each in self.integrations.items():
                given = next((key for key in ("flag", "defaults", "disabled") if getattr(each, key)), None)
                if given is not None:
                    raise ValueError(f"integrations.{name}.{given}: needs [flags], which defines on and off")
            return self
        owners: dict[str, str] = {}
        for name in self.gated_of(self.current):
            variable = self.flag_variable(name)
            if variable in owners:
                raise ValueError(
                    f"integrations.{name}: shares the flag {variable} with {owners[variable]}, and drills turn off one "
                    "integration at a time: name its own with flag, or declare it ungated"
                )
            owners[variable] = name
        return self

    @model_validator(mode="after")
    def _deliveries_are_complete(self) -> Self:
        for name, each in self.integrations.items():
            try:
                merged_delivery(self.delivery, each)
            except ValueError as error:
                raise ValueError(f"integrations.{name}: {error}") from None
        return self

    @model_validator(mode="after")
    def _refusals_are_distinct(self) -> Self:
        """A disabled integration may answer with a status that acknowledges only if something else distinguishes it."""
        tables = {f"integrations.{name}": each.disabled for name, each in self.integrations.items()}
        tables["flags"] = self.flags.disabled if self.flags is not None else None
        for table, agreed in tables.items():
            if agreed is None or agreed.tells_apart:
                continue
            both = sorted(set(agreed.statuses) & set(self.delivery.accepted))
            if both:
                raise ValueError(
                    f"{table}.disabled: status {both[0]} also acknowledges deliveries (delivery.accepted): "
                    "set body, contains, pattern or not_pattern to distinguish the two"
                )
        return self

    @property
    def file(self) -> Path:
        return self._file

    @property
    def here(self) -> Path:
        """The directory of the target file; its relative paths start here."""
        return self._file.parent

    @property
    def digest(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return self._digest

    def path(self, relative: str) -> Path:
        return (self.here / relative).resolve()

    def integrations_of(self, release: str) -> tuple[str, ...]:
        """The integrations that a release has, in the file's order."""
        return tuple(
            name
            for name, integration in self.integrations.items()
            if release == self.current or integration.since != self.current
        )

    def version_of(self, release: str) -> str:
        """The version that a release reports."""
        return self.version.expected.get(release, release)

    def flag_variable(self, integration: str) -> str:
        if self.flags is None:
            raise TargetError(f"{self.file}: the target has no [flags]")
        variable = self.integrations[integration].flag or self.flags.variable
        return variable.format(NAME=integration.upper().replace("-", "_"), name=integration)

    def timeout_of(self, probe: Probe) -> float:
        """Timeout of a probe, in seconds."""
        return probe.timeout if probe.timeout is not None else self.gateway.request_timeout

    def absent_from(self, release: str) -> tuple[str, ...]:
        """The integrations that a release does not have, in the file's order."""
        return tuple(name for name in self.integrations if name not in self.integrations_of(release))

    def gated_of(self, release: str) -> tuple[str, ...]:
        """The integrations of a release that have a flag, in the file's order."""
        if self.flags is None:
            return ()
        return tuple(name for name in self.integrations_of(release) if self.integrations[name].ungated is None)

    def ungated_of(self, release: str) -> dict[str, str]:
        """The integrations of a release that have no flag, and why."""
        reasons = {name: self.integrations[name].ungated for name in self.integrations_of(release)}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def flag_default(self, integration: str, release: str) -> bool | None:
        """The state of an integration's flag whose variable is not set; None if the file does not say."""
        if self.flags is None:
            return None
        said = self.integrations[integration].defaults.get(release) or self.flags.defaults.get(release)
        return said == "on" if said is not None else None

    def disabled_answer(self, integration: str) -> AgreedAnswer | None:
        """The answer of a disabled integration; None if it has no flag."""
        if self.flags is None or integration not in self.gated_of(self.current):
            return None
        return (self.integrations[integration].disabled or self.flags.disabled).of(integration)

    def delivery_to(self, integration: str) -> Delivery:
        """How webhooks are delivered to this integration."""
        return merged_delivery(self.delivery, self.integrations[integration])

    @property
    def known_secrets(self) -> frozenset[str]:
        """Every value of the file that must never be recorded.

        These are ``secrets``, the keys of signatures, and what stands under a name that says secret: in a table of
        variables, headers or fields, or in the environment as ``${NAME}``. Ordinary words are left out, unless
        ``secrets`` has them.
        """
        signature = self.delivery.signature
        keys = [signature.secret] if signature is not None else []
        keys += [each.secret for each in self.integrations.values() if each.secret is not None]
        found = [key.get_secret_value() for key in keys]
        for table in _named_values(self.model_dump(mode="json", by_alias=True)):
            found += secrets_in(table)
        for name, value in self._from_environment.items():
            found += secrets_of(name, value.replace("{", "{{").replace("}", "}}"))  # no placeholders are in it
        return frozenset([*self.secrets, *(each for each in found if not is_ordinary(each))])

    def objective(self, name: str) -> float:
        """A recovery time objective, in seconds.

        Raises:
            TargetError: there is no such objective.
        """
        if name not in Objectives.recovery_times():
            known = ", ".join(Objectives.recovery_times())
            raise TargetError(f"there is no objective {name!r}", fix=f"use one of {known}")
        return float(getattr(self.objectives, name))

    @classmethod
    def load(cls, file: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Read a target file.

        Args:
            environment: resolves ``${NAME}``; nothing else in it is used.

        Raises:
            TargetError: the file cannot be read, or has mistakes (one line for each).
        """
        raw = _read(file)
        expansion = Expansion(environment, _TEMPLATES)
        document = expansion.expand(_parse(file, raw))
        problems = expansion.problems
        if not problems:
            try:
                # Through JSON, since strict types refuse a list for a tuple otherwise.
                target = cls.model_validate_json(json.dumps(document))
            except ValidationError as error:
                problems = explain(error, cls, document, expansion.hide)
            else:
                target._file, target._digest = file.resolve(), hashlib.sha256(raw).hexdigest()
                target._from_environment = expansion.used
                return target
        raise TargetError(
            f"{file}: {len(problems)} mistake{'s' if len(problems) > 1 else ''} in the target file",
            cause="\n".join(problems),
            fix=_DOCUMENTED,
        )


def _named_values(document: JsonValue) -> Iterator[Mapping[str, JsonValue]]:
    """The tables of the file whose keys are names of the user's: of variables, headers and fields."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key in _NAMED_BY_USER and isinstance(value, dict):
                yield value
            else:
                yield from _named_values(value)
    elif isinstance(document, list):
        for value in document:
            yield from _named_values(value)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise TargetError(
            f"the target file {file} cannot be read: {getattr(error, 'strerror', None) or error}",
            fix="name an existing file with --drill-target or the ini option drill_target",
        ) from None
    if len(raw) > _LARGEST:
        raise TargetError(f"{file} is larger than {_LARGEST >> 20} MB: it is no target file", fix=_DOCUMENTED)
    if raw.startswith(codecs.BOM_UTF8):
        raise TargetError(f"{file} begins with a byte order mark, which TOML does not allow", fix="save it without BOM")
    return raw


def _parse(file: Path, raw: bytes) -> dict[str, Any]:
    """The file's tables; of a ``pyproject.toml``, those below ``[tool.rollback-drills]``."""
    try:
        parsed = tomllib.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise TargetError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or a number with thousands of digits
        raise TargetError(f"{file} is not TOML: {error}") from None
    if _is_deeper(parsed, _DEEPEST):
        raise TargetError(f"{file} has more than {_DEEPEST} tables or arrays in each other", fix=_DOCUMENTED)
    return (table_of_project(parsed) or parsed) if file.name == PROJECT_FILE else parsed


def _is_deeper(document: object, limit: int) -> bool:
    """Without recursion, which would be the first to fail."""
    level = [document]
    for _ in range(limit):
        level = [
            value
            for each in level
            if isinstance(each, dict | list)
            for value in (each.values() if isinstance(each, dict) else each)
        ]
    return any(isinstance(each, dict | list) for each in level)

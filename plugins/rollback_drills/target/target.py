"""The target file: which gateway is drilled, and how it is obtained, started, migrated, probed and switched.

A `Target` is read from TOML, frozen and typed. It says *what*; where things run is the runtimes' business.
Every mistake in a file is reported with file, table and key (`target_errors`), all of them at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    Field,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from rollback_drills.core.errors import TargetError
from rollback_drills.core.placeholders import Expansion
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.client_tables import (
    AgreedAnswer,
    Behaviour,
    Delivery,
    FlagDefaults,
    Flags,
    Integration,
    Metrics,
    Probe,
    TrafficSettings,
    Version,
    WriteProbe,
    merged,
)
from rollback_drills.target.fields import Name, Table
from rollback_drills.target.mistakes import explain
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

_TEMPLATES = (
    "releases.", "python.interpreter", "database.seed_command", "gateway.start", "gateway.container_command",
    "gateway.env.", "gateway.migrate_on_start.", "migrations.command", "backup.dump", "backup.restore",
    "delivery.path", "delivery.headers.", "delivery.json", "delivery.form.", "delivery.raw",
    "write_probe.path", "write_probe.headers.",
    "write_probe.json", "delivery.signature.prefix", "delivery.signature.payload", "flags.variable", "flags.symptom",
    *(f"integrations.*.{key}" for key in ("path", "headers.", "json", "form.", "raw", "flag")),
)  # fmt: skip


class Target(Table):
    """One system under drill."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="how the report calls the system"
    )
    current: Name = Field(description="the release that runs in production")
    previous: Name = Field(description="the release to go back to")
    releases: Releases = Field(description="where releases come from")
    gateway: GatewaySettings = Field(description="how the gateway is started")
    python: Python = Field(default=Python(), description="the Python of its processes")
    health: Probe = Field(description="how its health is asked, and the right answer")
    version: Version = Field(description="how its version is asked")
    delivery: Delivery = Field(description="how a webhook is delivered")
    integrations: Annotated[dict[Name, Integration], Field(min_length=1)] = Field(
        description="every integration, by name"
    )
    runbook: Runbook = Field(description="the runbook that is rehearsed")
    write_probe: WriteProbe | None = Field(
        default=None, description="a request that shows that the schema can be used; absent: health has to do"
    )
    behaviours: tuple[Behaviour, ...] = Field(default=(), description="answers that tell the releases apart")
    database: Database = Field(default=Database(), description="PostgreSQL and the rows to begin with")
    migrations: Migrations = Field(default=Migrations(), description="how alembic is called")
    metrics: Metrics | None = Field(
        default=None, description="where the error rate is read; absent: what needs it is not proven"
    )
    flags: Flags | None = Field(default=None, description="feature flags; absent: drills of them are skipped")
    backup: Backup = Field(default=Backup(), description="own backup commands")
    compose: Compose | None = Field(default=None, description="the compose file; the compose runtime needs it")
    traffic: TrafficSettings = Field(default=TrafficSettings(), description="clients that go on asking during a drill")
    objectives: Objectives = Field(default=Objectives(), description="what the runbook promises")
    accepted: tuple[Accepted, ...] = Field(default=(), description="findings that fail no drill until a day")
    secrets: tuple[str, ...] = Field(default=(), description="values that must never be recorded")

    _file: Path = PrivateAttr(default=Path())
    _digest: str = PrivateAttr(default="")

    @model_validator(mode="after")
    def _releases_agree(self) -> Self:
        pair = (self.current, self.previous)
        if self.current == self.previous:
            raise ValueError(f"current and previous are both {self.current!r}; a rollback needs two releases")
        for name, integration in self.integrations.items():
            if integration.since is not None and integration.since not in pair:
                raise ValueError(f"integrations.{name}: since {integration.since!r} is neither of {pair}")
        for table, defaults in self._flag_tables():
            for release in defaults:
                if release not in pair:
                    raise ValueError(f"{table}.defaults: release {release!r} is neither of {pair}")
        for release in self.version.expected:
            if release not in pair:
                raise ValueError(f"version.expected: release {release!r} is neither of {pair}")
        for release in self.version.routes.releases if self.version.routes is not None else ():
            if release not in pair:
                raise ValueError(f"version.routes.releases: release {release!r} is neither of {pair}")
        for behaviour in self.behaviours:
            if behaviour.release not in pair:
                raise ValueError(f"behaviours: release {behaviour.release!r} is neither of {pair}")
        return self

    def _flag_tables(self) -> Iterator[tuple[str, FlagDefaults]]:
        if self.flags is not None:
            yield "flags", self.flags.defaults
        yield from ((f"integrations.{name}", each.defaults) for name, each in self.integrations.items())

    @model_validator(mode="after")
    def _flags_are_distinct(self) -> Self:
        if self.flags is None:
            for name, each in self.integrations.items():
                given = next((key for key in ("flag", "defaults", "disabled") if getattr(each, key)), None)
                if given is not None:
                    raise ValueError(f"integrations.{name}.{given}: needs [flags], which says what on and off are")
            return self
        owners: dict[str, str] = {}
        for name in self.gated_of(self.current):
            variable = self.flag_variable(name)
            if variable in owners:
                raise ValueError(
                    f"integrations.{name}: its flag {variable} is that of {owners[variable]} as well, and drills turn "
                    "off one at a time: name another with flag, or say by ungated that none is its own"
                )
            owners[variable] = name
        return self

    @model_validator(mode="after")
    def _deliveries_are_complete(self) -> Self:
        for name, each in self.integrations.items():
            try:
                merged(self.delivery, each)
            except ValueError as error:
                raise ValueError(f"integrations.{name}: {error}") from None
        return self

    @model_validator(mode="after")
    def _refusals_are_told(self) -> Self:
        """A status that acknowledges may be that of a disabled integration only where something else tells them."""
        tables = {f"integrations.{name}": each.disabled for name, each in self.integrations.items()}
        tables["flags"] = self.flags.disabled if self.flags is not None else None
        for table, agreed in tables.items():
            if agreed is None or agreed.tells_apart:
                continue
            both = sorted(set(agreed.statuses) & set(self.delivery.accepted))
            if both:
                raise ValueError(
                    f"{table}.disabled: status {both[0]} acknowledges a delivery as well (delivery.accepted): "
                    "say by body, contains, pattern or not_pattern what tells them apart"
                )
        return self

    @property
    def file(self) -> Path:
        return self._file

    @property
    def here(self) -> Path:
        """The directory of the target file; relative paths in it begin there."""
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
        """What a release calls itself when its version is asked."""
        return self.version.expected.get(release, release)

    def flag_variable(self, integration: str) -> str:
        if self.flags is None:
            raise TargetError(f"{self.file}: the target has no [flags]")
        variable = self.integrations[integration].flag or self.flags.variable
        return variable.format(NAME=integration.upper().replace("-", "_"), name=integration)

    def timeout_of(self, probe: Probe) -> float:
        """Seconds that a probe may take."""
        return probe.timeout if probe.timeout is not None else self.gateway.request_timeout

    def absent_from(self, release: str) -> tuple[str, ...]:
        """The integrations that a release does not have, in the file's order."""
        return tuple(name for name in self.integrations if name not in self.integrations_of(release))

    def gated_of(self, release: str) -> tuple[str, ...]:
        """Those of a release's integrations that a flag turns off, in the file's order."""
        if self.flags is None:
            return ()
        return tuple(name for name in self.integrations_of(release) if self.integrations[name].ungated is None)

    def ungated_of(self, release: str) -> dict[str, str]:
        """Those of a release's integrations that no flag is known to turn off, and why."""
        reasons = {name: self.integrations[name].ungated for name in self.integrations_of(release)}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    def flag_default(self, integration: str, release: str) -> bool | None:
        """What an integration's flag is in a release while its variable is not set; None: the file does not say."""
        if self.flags is None:
            return None
        said = self.integrations[integration].defaults.get(release) or self.flags.defaults.get(release)
        return said == "on" if said is not None else None

    def disabled_answer(self, integration: str) -> AgreedAnswer | None:
        """What an integration answers while it is off; None where nothing turns it off."""
        if self.flags is None or integration not in self.gated_of(self.current):
            return None
        return (self.integrations[integration].disabled or self.flags.disabled).of(integration)

    def delivery_to(self, integration: str) -> Delivery:
        """How a webhook is delivered to this integration."""
        return merged(self.delivery, self.integrations[integration])

    @property
    def known_secrets(self) -> frozenset[str]:
        """Every value of the file that must never be recorded."""
        signature = self.delivery.signature
        keys = [signature.secret] if signature is not None else []
        keys += [each.secret for each in self.integrations.values() if each.secret is not None]
        return frozenset([*self.secrets, *(key.get_secret_value() for key in keys)])

    def objective(self, name: str) -> float:
        """Seconds."""
        if name not in Objectives.recovery_times():
            known = ", ".join(Objectives.recovery_times())
            raise TargetError(f"there is no objective {name!r}", fix=f"use one of {known}")
        return float(getattr(self.objectives, name))

    @classmethod
    def load(cls, file: Path, environment: Mapping[str, str] = os.environ) -> Self:
        """Read a target file.

        Args:
            environment: where ``${NAME}`` is looked up; nothing else of it is used.

        Raises:
            TargetError: with one line for each mistake in the file.
        """
        try:
            raw = file.read_bytes()
        except (OSError, ValueError) as error:
            raise TargetError(
                f"the target file {file} cannot be read: {getattr(error, 'strerror', None) or error}",
                fix="name an existing file with --drill-target or the ini option drill_target",
            ) from None
        try:
            written = tomllib.loads(raw.decode())
        except UnicodeDecodeError as error:
            raise TargetError(f"{file} is not UTF-8: {error.reason} at byte {error.start}") from None
        except (ValueError, RecursionError) as error:  # besides TOMLDecodeError: a number of thousands of digits
            raise TargetError(f"{file} is not TOML: {error}") from None
        expansion = Expansion(environment, _TEMPLATES)
        document = expansion.expand(written)
        problems = expansion.problems
        try:
            # By way of JSON, where lists may become tuples although types are strict.
            target = cls.model_validate_json(json.dumps(document)) if not problems else None
        except ValidationError as error:
            problems = explain(error, cls, document, expansion.hide)
            target = None
        if target is None:
            raise TargetError(
                f"{file}: {len(problems)} mistake{'s' if len(problems) > 1 else ''} in the target file",
                cause="\n".join(problems),
                fix="docs/reference/target-file.md describes every table and key",
            )
        target._file = file.resolve()
        target._digest = hashlib.sha256(raw).hexdigest()
        return target

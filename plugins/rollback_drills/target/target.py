"""The target file: which gateway to drill, and how it is obtained, started, migrated and probed.

A `Target` is read from TOML, frozen and typed. It says *what* to drill; the runtimes say *where*.
All mistakes in a file are reported at once, with table and key (`mistakes`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
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
from rollback_drills.core.secret_names import is_ordinary, secrets_in, secrets_in_text, secrets_of
from rollback_drills.target.accepted import Accepted
from rollback_drills.target.answer_tables import AgreedAnswer
from rollback_drills.target.delivery_tables import Delivery, TrafficSettings
from rollback_drills.target.fields import Name, Table
from rollback_drills.target.integration_tables import Flags, Integration, is_addressed, merged_delivery
from rollback_drills.target.mistakes import explain
from rollback_drills.target.probe_tables import AnyAnswer, Behaviour, Metrics, Probe, Version, WriteProbe
from rollback_drills.target.reading import DOCUMENTED, named_values, parse, read
from rollback_drills.target.request_tables import UNFLAGGED, ClientRequest, Login
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

_CONTENT = ("path", "headers.", "json", "form.", "raw")
# Keys whose braces are placeholders, or patterns for them; a trailing dot stands for every key of the table.
_TEMPLATES = (
    "releases.",
    "python.interpreter",
    "database.seed_command",
    *(f"gateway.{key}" for key in ("start", "container_command", "env.", "migrate_on_start.")),
    "migrations.command",
    "migrations.env.",
    *(f"backup.{key}" for key in ("dump", "restore")),
    *(f"delivery.{key}" for key in (*_CONTENT, "signature.prefix", "signature.payload")),
    *(f"write_probe.{key}" for key in ("path", "headers.", "json")),
    *(f"flags.{key}" for key in ("variable", "symptom")),
    *(f"integrations.*.{key}" for key in (*_CONTENT, "flag")),
    *(f"requests[*].{key}" for key in (*_CONTENT, "flag", "signature.prefix", "signature.payload")),
    *(f"logins.*.{key}" for key in ("json", "form.", "raw")),
)


class Target(Table):
    """The system under drill."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="the system's name in the report"
    )
    current: Name = Field(description="the release that runs in production")
    previous: Name = Field(description="the release to go back to")
    releases: Releases = Field(description="where releases come from")
    gateway: GatewaySettings = Field(
        default=GatewaySettings(), description="how the gateway is started; absent: there are only migrations"
    )
    python: Python = Field(default=Python(), description="the Python of its processes")
    requests: tuple[ClientRequest, ...] = Field(default=(), description="what clients do, besides webhooks")
    logins: dict[Name, Login] = Field(default={}, description="how clients log in, by name")
    health: Probe | None = Field(
        default=None, description="the health request and its answer; absent: a gateway that answers is ready"
    )
    version: Version | None = Field(
        default=None, description="how the gateway reports its version; absent: it is not asked for it"
    )
    delivery: Delivery | None = Field(default=None, description="how a webhook is delivered; [integrations] needs it")
    integrations: dict[Name, Integration] = Field(
        default={}, description="everything that webhooks are delivered to, by name"
    )
    runbook: Runbook | None = Field(
        default=None, description="the runbook under drill; absent: no commands of a text are judged"
    )
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
        for where, gate in self._gates():
            if gate.since is not None and gate.since not in pair:
                raise ValueError(f"{where}: since {gate.since!r} is not one of {pair}")
        for key, release in self._releases_named():
            if release not in pair:
                raise ValueError(f"{key}: release {release!r} is not one of {pair}")
        return self

    def _releases_named(self) -> Iterator[tuple[str, str]]:
        """The keys of the file that name releases, with each release that they name."""
        if self.flags is not None:
            yield from (("flags.defaults", release) for release in self.flags.defaults)
        for where, gate in self._gates():
            yield from ((f"{where}.defaults", release) for release in gate.defaults)
        if self.version is not None:
            yield from (("version.expected", release) for release in self.version.expected)
            routes = self.version.routes
            yield from (("version.routes.releases", release) for release in (routes.releases if routes else ()))
        yield from (("behaviours", behaviour.release) for behaviour in self.behaviours)

    def _gates(self) -> Iterator[tuple[str, Integration]]:
        """What can be turned off or be new, with its place in the file."""
        yield from ((f"integrations.{name}", each) for name, each in self.integrations.items())
        yield from ((f"requests.{each.name}", each.gate()) for each in self.requests)

    @model_validator(mode="after")
    def _clients_are_known(self) -> Self:
        """What clients do, whatever it is called: distinct names, logins that exist, and something that writes."""
        if (self.delivery is None) != (not self.integrations):
            missing, has = ("integrations", "delivery") if self.delivery is not None else ("delivery", "integrations")
            raise ValueError(f"{missing}: missing; [{has}] needs the table [{missing}]")
        if self.writers and not self.integrations_of(self.previous):
            raise ValueError(
                f"since: nothing writes to release {self.previous!r}: name one request or integration that both "
                "releases have"
            )
        names = [*self.integrations, *(each.name for each in self.requests)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"requests: there are two with the name {name!r}; a report could not tell them apart")
        probes = [self.health, self.version, self.version and self.version.routes, self.write_probe, self.metrics]
        users = [*self.requests, *self.behaviours, *(each for each in (*probes, self.delivery) if each is not None)]
        for user in users:
            if user.login is not None and user.login not in self.logins:
                raise ValueError(f"logins: there is no [logins.{user.login}], which {user.path} names")
        if "gateway" in self.model_fields_set and not self.writers:
            raise ValueError(
                "requests: missing; name at least one that writes ([[requests]] with stored), or [delivery] and "
                "[integrations]: without writes, a rollback that loses them would pass"
            )
        return self

    @model_validator(mode="after")
    def _flags_are_distinct(self) -> Self:
        if self.flags is None:
            for where, each in self._gates():
                given = next((key for key in ("flag", "defaults", "disabled") if getattr(each, key)), None)
                if given is not None:
                    raise ValueError(f"{where}.{given}: needs [flags], which defines on and off")
            return self
        owners: dict[str, str] = {}
        for name in self.gated_of(self.current):
            where = "integrations" if name in self.integrations else "requests"
            if self.writers[name].flag is None and self.flags.variable is None:
                raise ValueError(f"{where}.{name}: has no flag: set flags.variable, or its own flag, or ungated")
            variable = self.flag_variable(name)
            if variable in owners:
                raise ValueError(
                    f"{where}.{name}: shares the flag {variable} with {owners[variable]}, and drills turn off one "
                    "integration at a time: name its own with flag, or declare it ungated"
                )
            owners[variable] = name
        return self

    @model_validator(mode="after")
    def _deliveries_are_complete(self) -> Self:
        for name, each in self.integrations.items():
            try:
                merged = self.delivery_to(name)
            except ValueError as error:
                raise ValueError(f"integrations.{name}: {error}") from None
            if len(self.integrations) > 1 and not is_addressed(merged, each):
                raise ValueError(
                    "delivery: path, headers, json, form or raw must contain {integration}, so that deliveries reach "
                    f"each integration; or set path, headers or a body under [integrations.{name}]"
                )
        return self

    @model_validator(mode="after")
    def _refusals_are_distinct(self) -> Self:
        """A disabled integration may answer with a status that acknowledges only if something else distinguishes it."""
        for name in self.gated_of(self.current):
            own = self.writers[name].disabled
            agreed = own or (self.flags.disabled if self.flags is not None else None)
            if agreed is None or agreed.tells_apart:
                continue
            both = sorted(set(agreed.statuses) & set(self.delivery_to(name).accepted))
            if both:
                place = "integrations" if name in self.integrations else "requests"
                table = f"{place}.{name}" if own is not None else "flags"
                raise ValueError(
                    f"{table}.disabled: status {both[0]} also acknowledges deliveries (delivery.accepted): "
                    "set body, contains, pattern or not_pattern to distinguish the two"
                )
        return self

    @property
    def writers(self) -> dict[str, Integration]:
        """All that clients write to, by name: integrations, and requests with `stored`; in the file's order."""
        return self.integrations | {each.name: each.gate() for each in self.requests if each.stored is not None}

    @property
    def serves(self) -> bool:
        """Whether there is a gateway at all, and not only migrations."""
        return bool(self.writers)

    def reads_of(self, release: str) -> tuple[ClientRequest, ...]:
        """The reads that a release answers, in the file's order."""
        reads = (each for each in self.requests if each.stored is None)
        return tuple(each for each in reads if release == self.current or each.since != self.current)

    @property
    def sample(self) -> Delivery | None:
        """How clients write: webhooks if there are any, else the first request that writes; None without a gateway."""
        return self.delivery or next((self.delivery_to(name) for name in self.writers), None)

    @property
    def readiness(self) -> Probe:
        """The health request; without one, a request that a gateway which is ready answers somehow."""
        if self.health is not None:
            return self.health
        open_to_all = (each.path for each in self.reads_of(self.previous) if each.login is None)
        return AnyAnswer(path=next(open_to_all, "/"))

    @property
    def command_environment(self) -> dict[str, str]:
        """The variables of commands beside the gateway: alembic's, and the seed's."""
        usual = {} if self.serves else {"DATABASE_URL": "{sqlalchemy_url}"}
        return usual | self.gateway.env | self.migrations.env

    @property
    def rate_limit(self) -> float | None:
        """Writes and reads per second that the gateway accepts from all clients together, if it limits them."""
        limits = (self.traffic.rate_limit, self.delivery.rate_limit if self.delivery is not None else None)
        return min((each for each in limits if each is not None), default=None)

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
        """What clients write to in a release, in the file's order: integrations, and requests with `stored`."""
        return tuple(
            name for name, gate in self.writers.items() if release == self.current or gate.since != self.current
        )

    def version_of(self, release: str) -> str:
        """The version that a release reports."""
        return self.version.expected.get(release, release) if self.version is not None else release

    def flag_variable(self, integration: str) -> str:
        if self.flags is None:
            raise TargetError(f"{self.file}: the target has no [flags]")
        variable = self.writers[integration].flag or self.flags.variable or ""
        return variable.format(NAME=re.sub("[- /]", "_", integration.upper()), name=integration)

    def timeout_of(self, probe: Probe) -> float:
        """Timeout of a probe, in seconds."""
        return probe.timeout if probe.timeout is not None else self.gateway.request_timeout

    def absent_from(self, release: str) -> tuple[str, ...]:
        """The integrations that a release does not have, in the file's order."""
        return tuple(name for name in self.writers if name not in self.integrations_of(release))

    def gated_of(self, release: str) -> tuple[str, ...]:
        """The integrations of a release that have a flag, in the file's order."""
        if self.flags is None:
            return ()
        writers = self.writers
        return tuple(name for name in self.integrations_of(release) if writers[name].ungated is None)

    def ungated_of(self, release: str) -> dict[str, str]:
        """The integrations of a release that have no flag, and why."""
        writers = self.writers
        reasons = {name: writers[name].ungated for name in self.integrations_of(release)}
        unflagged = UNFLAGGED if self.flags is None else None  # without [flags], nothing has one
        return {name: reason for name, reason in reasons.items() if reason is not None and reason != unflagged}

    def flag_default(self, integration: str, release: str) -> bool | None:
        """The state of an integration's flag whose variable is not set; None if the file does not say."""
        if self.flags is None:
            return None
        said = self.writers[integration].defaults.get(release) or self.flags.defaults.get(release)
        return said == "on" if said is not None else None

    def disabled_answer(self, integration: str) -> AgreedAnswer | None:
        """The answer of a disabled integration; None if it has no flag."""
        if self.flags is None or integration not in self.gated_of(self.current):
            return None
        return (self.writers[integration].disabled or self.flags.disabled).of(integration)

    def delivery_to(self, integration: str) -> Delivery:
        """How webhooks are delivered to this integration, or how this request is sent."""
        if integration in self.integrations:
            assert self.delivery is not None, "[integrations] without [delivery] is refused"
            return merged_delivery(self.delivery, self.integrations[integration])
        return next(each for each in self.requests if each.name == integration).delivery()

    @property
    def known_secrets(self) -> frozenset[str]:
        """Every value of the file that must never be recorded.

        These are ``secrets``, the keys of signatures, the ``raw`` bodies of logins, and what stands under a name that
        says secret: in a table of variables, headers or fields, or in the environment as ``${NAME}``. Ordinary words
        are left out, unless ``secrets`` has them.
        """
        signed = [each.signature for each in (self.delivery, *self.requests) if each is not None]
        keys = [signature.secret for signature in signed if signature is not None]
        keys += [each.secret for each in self.integrations.values() if each.secret is not None]
        found = [key.get_secret_value() for key in keys]
        for table in named_values(self.model_dump(mode="json", by_alias=True)):
            found += secrets_in(table)
        for login in self.logins.values():
            found += secrets_in_text(login.raw or "")
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
        raw = read(file)
        expansion = Expansion(environment, _TEMPLATES)
        document = expansion.expand(parse(file, raw))
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
            fix=DOCUMENTED,
        )

"""The tables of a target file about what clients ask and what they are answered."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, cast

from pydantic import Discriminator, Field, JsonValue, SecretStr, Tag, field_validator, model_validator

from rollback_drills.core.placeholders import check, check_answer, fill_answer, names_in, strings_in
from rollback_drills.target.fields import (
    DELIVERY_PLACEHOLDERS,
    DeliveryText,
    HeaderName,
    HttpPath,
    Method,
    Pointer,
    Reason,
    Regular,
    Seconds,
    Status,
    Table,
    template,
)

_UNIQUE = frozenset({"unique"})
_INTEGRATION = frozenset({"integration"})


def _is_list(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


Statuses = Annotated[
    Annotated[Status, Tag("one")] | Annotated[tuple[Status, ...], Field(min_length=1), Tag("several")],
    Discriminator(_is_list),
]
Fingerprint = Annotated[
    Annotated[int, Field(ge=0), Tag("one")] | Annotated[tuple[str, ...], Tag("several")], Discriminator(_is_list)
]


class Probe(Table):
    """A request whose answer is known. ``body`` is matched as a subset: what it names must be equal."""

    path: HttpPath = Field(description="what is asked")
    method: Method = Field(default="GET", description="with which method")
    status: Status = Field(default=200, description="the status of the right answer")
    body: JsonValue = Field(default=None, description="what the JSON of the right answer contains; absent: anything")
    timeout: Seconds | None = Field(
        default=None, description="seconds that it may take; absent: as `gateway.request_timeout` says"
    )


class WriteProbe(Probe):
    """A request that shows whether the schema can be used: many a /health is positive while there are no tables.

    It is asked wherever a release is verified, with an id of its own each time.
    """

    path: Annotated[HttpPath, template(_UNIQUE)] = Field(description="what is asked")
    method: Method = Field(default="POST", description="with which method")
    headers: dict[HeaderName, Annotated[str, template(_UNIQUE)]] = Field(default={}, description="headers of it")
    json_body: JsonValue = Field(default=None, alias="json", description="what is sent, as JSON")

    @model_validator(mode="after")
    def _filled_in(self) -> Self:
        for text in strings_in(self.json_body):
            check(text, allowed=_UNIQUE)
        return self


class Routes(Table):
    """By what a release has, whatever it says that it is: routes in its OpenAPI document, names in a list."""

    path: HttpPath = Field(description="what is asked")
    pointer: Pointer = Field(default="", description="where the list or the object stands; empty: the whole answer")
    releases: Annotated[dict[str, Fingerprint], Field(min_length=1)] = Field(
        description="by release, how many entries it has there, or exactly which"
    )

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        said = [sorted(each) if isinstance(each, tuple) else each for each in self.releases.values()]
        if len(said) == 2 and said[0] == said[1]:
            raise ValueError("the releases have the same entries, which tells neither from the other")
        return self


class Version(Table):
    """Where the gateway says which release it is; ``pointer`` is a JSON Pointer (RFC 6901)."""

    path: HttpPath = Field(description="what is asked")
    pointer: Pointer = Field(default="", description="where in the JSON the version stands; empty: the whole answer")
    header: str | None = Field(default=None, description="the header that holds it, instead of the body")
    pattern: Regular | None = Field(
        default=None, description="a regular expression that finds it in the text; its first group, if it has one"
    )
    expected: dict[str, str] = Field(
        default={}, description="what a release calls itself, where that is not the name it has here"
    )
    routes: Routes | None = Field(default=None, description="what tells the releases apart where both say the same")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.header is not None and self.pointer:
            raise ValueError("needs either header or pointer, and not both")
        return self


class Behaviour(Probe):
    """An answer that tells this release from the other one, whatever version it reports."""

    release: str = Field(description="the release that answers so")


class Deliberate(Table):
    """The counter of deliveries that were refused on purpose, so that they do not count as errors."""

    counter: str = Field(description="the counter's name")
    labels: dict[str, str] = Field(default={}, description="the labels that mark a deliberate refusal")


class Metrics(Table):
    """Prometheus counters from which the error rate is read: 5xx less the deliberate ones, over all."""

    path: HttpPath = Field(default="/metrics", description="where the metrics are, in the format of Prometheus")
    requests: str = Field(description="counter of all requests")
    status_label: str = Field(default="status", description="the label that holds the status; 5xx are errors")
    deliberate: Deliberate | None = Field(default=None, description="what is not counted as an error")


class AgreedAnswer(Table):
    """An answer that was agreed on. A status alone tells little: a database that is down answers 503 as well."""

    status: Statuses = Field(default=503, description="its status, or a list of those that it may have")
    body: JsonValue = Field(default=None, description="the JSON that it is equal to; one of body, contains and pattern")
    contains: JsonValue = Field(default=None, description="JSON that it contains: what this names must be equal")
    pattern: Regular | None = Field(
        default=None, description="a regular expression that is found in the body's text, as it was sent"
    )
    not_pattern: Regular | None = Field(
        default=None, description="a regular expression that is not found there, beside any of these"
    )

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        given = [name for name in ("body", "contains", "pattern") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"needs one of body, contains and pattern, and not both {' and '.join(given)}")
        return self

    @field_validator("body", "contains", "pattern", "not_pattern")
    @classmethod
    def _placeholders_are_known(cls, value: JsonValue) -> JsonValue:
        check_answer(value, allowed=_INTEGRATION)
        return value

    def of(self, integration: str) -> Self:
        """The answer with the integration's name filled in."""
        plain, quoted = {"integration": integration}, {"integration": re.escape(integration)}
        return self.model_copy(
            update={
                "body": fill_answer(self.body, plain),
                "contains": fill_answer(self.contains, plain),
                "pattern": cast(str | None, fill_answer(self.pattern, quoted)),
                "not_pattern": cast(str | None, fill_answer(self.not_pattern, quoted)),
            }
        )

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    @property
    def tells_apart(self) -> bool:
        """Whether more than the status is said."""
        return any(each is not None for each in (self.body, self.contains, self.pattern, self.not_pattern))

    def brief(self) -> JsonValue:
        """For the evidence: what the file says of it, and nothing that it leaves open."""
        said = {"body": self.body, "contains": self.contains, "pattern": self.pattern, "not_pattern": self.not_pattern}
        status: JsonValue = [*self.status] if isinstance(self.status, tuple) else self.status
        return {"status": status, **{name: value for name, value in said.items() if value is not None}}


FlagDefaults = dict[str, Literal["on", "off"]]
FlagVariable = Annotated[str, template(frozenset({"NAME", "name"}))]


class Flags(Table):
    """Feature flags by environment variable, read when the gateway is created."""

    variable: FlagVariable = Field(description="the environment variable of an integration")
    on: str = Field(default="true", description="the value that turns it on")
    off: str = Field(default="false", description="the value that turns it off")
    defaults: FlagDefaults = Field(
        default={}, description="by release, what a flag is whose variable is not set; absent: on, and not verified"
    )
    disabled: AgreedAnswer = Field(description="what a disabled integration answers")
    symptom: str | None = Field(
        default=None, description="SQL that makes the deliveries of {integration} fail, as a faulty one would"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "{NAME}" not in self.variable and "{name}" not in self.variable:
            raise ValueError("variable must contain {NAME} or {name}")
        if self.symptom is not None:
            check(self.symptom, allowed=("integration",), required=("integration",))
        if self.on == self.off:
            raise ValueError("on and off are the same value")
        return self


class Repeated(AgreedAnswer):
    """What a repetition of a delivery is answered: senders repeat whatever they got no answer to."""

    status: Statuses = Field(default=200, description="its status, or a list of those that it may have")


class Absent(AgreedAnswer):
    """What a delivery is answered by a release that does not have the integration."""

    status: Statuses = Field(default=404, description="its status, or a list of those that it may have")


Secret = Annotated[SecretStr, Field(min_length=4)]  # a shorter one could not be taken out of what is recorded


class Signature(Table):
    """How a delivery is signed: HMAC (RFC 2104) over the bytes that are sent. The secret is never recorded."""

    header: HeaderName = Field(description="the header that holds the signature")
    secret: Secret = Field(description="the key, as text")
    algorithm: Literal["sha256", "sha1", "sha512"] = Field(default="sha256", description="the hash")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="how the signature is written")
    prefix: Annotated[str, template(frozenset({"timestamp", "unique"}))] = Field(
        default="", description="what stands before it in the header"
    )
    payload: Annotated[str, template(frozenset({"body", "timestamp", "unique"}), ("body",))] = Field(
        default="{body}", description="what is signed"
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="the header that holds {timestamp}, seconds since 1970"
    )

    @model_validator(mode="after")
    def _timestamp_is_sent(self) -> Self:
        if "timestamp" in names_in(self.payload) - names_in(self.prefix) and self.timestamp_header is None:
            raise ValueError("payload has {timestamp}, which nobody is told: needs timestamp_header, or it in prefix")
        return self


class Content(Table):
    """What may be said of a delivery for all integrations, and again for one of them."""

    json_body: JsonValue = Field(default=None, alias="json", description="the body, as JSON; one of json, form and raw")
    form: dict[str, DeliveryText] | None = Field(
        default=None, description="the body, as fields of a form (application/x-www-form-urlencoded)"
    )
    raw: DeliveryText | None = Field(
        default=None, description="the body, as text; a header says what it is, or else text/plain"
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = [name for name, value in self.bodies().items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"needs one of json, form and raw, and not both {' and '.join(given)}")
        for text in strings_in(self.json_body):
            check(text, allowed=DELIVERY_PLACEHOLDERS)
        return self

    def bodies(self) -> dict[str, JsonValue]:
        return {"json": self.json_body, "form": dict(self.form) if self.form is not None else None, "raw": self.raw}


class Delivery(Content):
    """How a webhook is delivered, and how to see whether it was stored."""

    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS)] = Field(description="where a webhook is delivered")
    method: Method = Field(default="POST", description="with which method")
    headers: dict[HeaderName, DeliveryText] = Field(default={}, description="headers of a delivery")
    signature: Signature | None = Field(default=None, description="how a delivery is signed")
    accepted: tuple[Status, ...] = Field(
        default=(200, 201, 202), description="statuses by which the gateway acknowledges a delivery"
    )
    repeated: Repeated | None = Field(
        default=None, description="what a repetition of a delivery is answered; absent: none is tried"
    )
    absent: Absent | None = Field(
        default=None, description="the previous release's answer for what it does not have yet; absent: not asked"
    )
    rate_limit: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="deliveries per second that the gateway takes from all clients together"
    )
    stored: str = Field(
        description="SQL that gives a row for every stored copy of a delivery of %(ids)s: its id, no DISTINCT"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.must_name("integration", "so that deliveries reach each")
        self.must_name("unique", "so that a lost write can be named")
        if "%(ids)s" not in self.stored:
            raise ValueError("stored must contain %(ids)s")
        return self

    def must_name(self, placeholder: str, why: str) -> None:
        """Raise ValueError where a placeholder is nowhere in what is sent."""
        bodies = [text for body in self.bodies().values() for text in strings_in(body)]
        if not any(placeholder in names_in(text) for text in (self.path, *self.headers.values(), *bodies)):
            raise ValueError(f"path, headers, json, form or raw must contain {{{placeholder}}}, {why}")


class Integration(Content):
    """One integration, and where it differs from the others."""

    since: str | None = Field(
        default=None, description="the first of the two releases that has it; absent: both have it"
    )
    disabled: AgreedAnswer | None = Field(
        default=None, description="what it answers while it is off; absent: as `flags` says"
    )
    flag: FlagVariable | None = Field(
        default=None, description="the environment variable of its flag; absent: as `flags.variable` has it"
    )
    defaults: FlagDefaults = Field(default={}, description="as `flags.defaults`, for this one")
    ungated: Reason | None = Field(
        default=None, description="why no flag turns it off: a known gap, which every report tells"
    )

    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS)] | None = Field(
        default=None, description="where it takes deliveries; absent: as `delivery` says, like the keys that follow"
    )
    headers: dict[HeaderName, DeliveryText] = Field(default={}, description="headers besides those of the others")
    secret: Secret | None = Field(default=None, description="the key of its signature")

    @model_validator(mode="after")
    def _gated_or_not(self) -> Self:
        given = [name for name in ("flag", "defaults", "disabled") if getattr(self, name)]
        if self.ungated is not None and given:
            raise ValueError(f"is ungated, so that there is nothing to say by {' or '.join(given)}")
        return self


def merged(delivery: Delivery, own: Integration) -> Delivery:
    """The delivery to one integration.

    Raises:
        ValueError: what is said of it does not fit.
    """
    changes: dict[str, object] = {"path": own.path} if own.path is not None else {}
    if any(body is not None for body in own.bodies().values()):
        changes |= {"json_body": own.json_body, "form": own.form, "raw": own.raw}
    replaced = {name.lower() for name in own.headers}
    changes["headers"] = {n: text for n, text in delivery.headers.items() if n.lower() not in replaced} | own.headers
    if own.secret is not None:
        if delivery.signature is None:
            raise ValueError("secret needs [delivery.signature], which says how a delivery is signed")
        changes["signature"] = delivery.signature.model_copy(update={"secret": own.secret})
    result = delivery.model_copy(update=changes)
    result.must_name("unique", "so that a lost write can be named")
    return result


class TrafficSettings(Table):
    """Clients that go on asking during a drill: health probes and deliveries in turn, at a constant rate."""

    rate: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=25.0, description="requests per second in each drill, all kinds together; 0: no client traffic"
    )
    window: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10,
        description="requests of each kind that have to be good, one after the other, before a recovery is over",
    )

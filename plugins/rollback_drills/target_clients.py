"""The tables of a target file about what clients ask and what they are answered."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from rollback_drills.placeholders import check, strings_in
from rollback_drills.target_fields import (
    DELIVERY_PLACEHOLDERS,
    HttpPath,
    Method,
    Pointer,
    Reason,
    Regular,
    Status,
    Table,
    template,
)


class Probe(Table):
    """A request whose answer is known. ``body`` is matched as a subset: what it names must be equal."""

    path: HttpPath = Field(description="what is asked")
    method: Method = Field(default="GET", description="with which method")
    status: Status = Field(default=200, description="the status of the right answer")
    body: JsonValue = Field(default=None, description="what the JSON of the right answer contains; absent: anything")


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


Statuses = Annotated[
    Annotated[Status, Tag("one")] | Annotated[tuple[Status, ...], Field(min_length=1), Tag("several")],
    Discriminator(lambda value: "several" if isinstance(value, list | tuple) else "one"),
]


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


class Delivery(Table):
    """How a webhook is delivered, and how to see whether it was stored."""

    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS, ("integration",))] = Field(
        description="where a webhook is delivered"
    )
    method: Method = Field(default="POST", description="with which method")
    headers: dict[str, Annotated[str, template(DELIVERY_PLACEHOLDERS)]] = Field(
        default={}, description="headers of a delivery"
    )
    json_body: JsonValue = Field(default=None, alias="json")
    accepted: tuple[Status, ...] = Field(
        default=(200, 201, 202), description="statuses by which the gateway acknowledges a delivery"
    )
    stored: str = Field(
        description="SQL that gives a row for every stored copy of a delivery of %(ids)s: its id, no DISTINCT"
    )

    @model_validator(mode="after")
    def _unique(self) -> Self:
        texts = [*strings_in(self.json_body), *self.headers.values(), self.path]
        for text in strings_in(self.json_body):
            check(text, allowed=DELIVERY_PLACEHOLDERS)
        if not any("{unique}" in text for text in texts):
            raise ValueError("json, headers or path must contain {unique}, so that a lost write can be named")
        if "%(ids)s" not in self.stored:
            raise ValueError("stored must contain %(ids)s")
        return self


class Integration(Table):
    """One integration; ``since`` is the first of the target's two releases that has it."""

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

    @model_validator(mode="after")
    def _gated_or_not(self) -> Self:
        given = [name for name in ("flag", "defaults", "disabled") if getattr(self, name)]
        if self.ungated is not None and given:
            raise ValueError(f"is ungated, so that there is nothing to say by {' or '.join(given)}")
        return self


class Traffic(Table):
    """Clients that go on asking during a drill: health probes and deliveries in turn, at a constant rate."""

    rate: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=25.0, description="requests per second in each drill, all kinds together; 0: no client traffic"
    )
    window: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10,
        description="requests of each kind that have to be good, one after the other, before a recovery is over",
    )

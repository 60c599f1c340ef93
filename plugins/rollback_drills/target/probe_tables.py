"""Requests whose answers are known: health, version, behaviours, and the counters in the metrics."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Discriminator, Field, JsonValue, Tag, model_validator

from rollback_drills.core.placeholders import check, strings_in
from rollback_drills.target.fields import (
    HeaderName,
    HttpPath,
    Method,
    Name,
    Pointer,
    Regular,
    Seconds,
    Status,
    Table,
    one_or_several,
    template,
)

_UNIQUE = frozenset({"unique"})


Fingerprint = Annotated[
    Annotated[int, Field(ge=0), Tag("one")] | Annotated[tuple[str, ...], Tag("several")], Discriminator(one_or_several)
]


class Probe(Table):
    """A request with a known answer. ``body`` is matched as a subset: each key that it has must be equal."""

    path: HttpPath = Field(description="the path to request")
    method: Method = Field(default="GET", description="the HTTP method")
    headers: dict[HeaderName, str] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token it sends")
    status: Status = Field(default=200, description="the expected status")
    body: JsonValue = Field(default=None, description="JSON that the answer must contain; absent: any answer")
    timeout: Seconds | None = Field(default=None, description="timeout in seconds; absent: `gateway.request_timeout`")


class AnyAnswer(Probe):
    """Where a target has no health request: any answer will do that is no server error."""


class WriteProbe(Probe):
    """A request that shows whether the schema is usable: many /health endpoints are positive without any tables.

    Sent whenever a release is verified, with a new id each time.
    """

    path: Annotated[HttpPath, template(_UNIQUE)] = Field(description="the path to request")
    method: Method = Field(default="POST", description="the HTTP method")
    headers: dict[HeaderName, Annotated[str, template(_UNIQUE)]] = Field(default={}, description="headers to send")
    json_body: JsonValue = Field(default=None, alias="json", description="JSON body to send")

    @model_validator(mode="after")
    def _filled_in(self) -> Self:
        for text in strings_in(self.json_body):
            check(text, allowed=_UNIQUE)
        return self


class Routes(Table):
    """Identifies a release by what it has, whatever it reports: routes in its OpenAPI document, names in a list."""

    path: HttpPath = Field(description="the path to request")
    headers: dict[HeaderName, str] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token it sends")
    pointer: Pointer = Field(default="", description="JSON Pointer to the list or object; empty: the whole answer")
    releases: Annotated[dict[str, Fingerprint], Field(min_length=1)] = Field(
        description="per release, the number of entries there, or the exact entries"
    )

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        said = [sorted(each) if isinstance(each, tuple) else each for each in self.releases.values()]
        if len(said) == 2 and said[0] == said[1]:
            raise ValueError("both releases have the same entries, so this does not distinguish them")
        return self


class Version(Table):
    """Where the gateway reports its version; ``pointer`` is a JSON Pointer (RFC 6901)."""

    path: HttpPath = Field(description="the path to request")
    headers: dict[HeaderName, str] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token it sends")
    pointer: Pointer = Field(default="", description="JSON Pointer to the version; empty: the whole answer")
    header: str | None = Field(default=None, description="the response header with the version, instead of the body")
    pattern: Regular | None = Field(
        default=None, description="a regular expression that extracts the version: its first group, or the whole match"
    )
    expected: dict[str, str] = Field(
        default={}, description="per release, the version that it reports, where that is not its name in this file"
    )
    routes: Routes | None = Field(
        default=None, description="what distinguishes the releases where both report the same version"
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.header is not None and self.pointer:
            raise ValueError("set header or pointer, not both")
        return self


class Behaviour(Probe):
    """An answer that distinguishes this release from the other, whatever version it reports."""

    release: str = Field(description="the release that gives this answer")


class Deliberate(Table):
    """The counter of deliveries that were refused on purpose and are not errors."""

    counter: str = Field(description="the counter's name")
    labels: dict[str, str] = Field(default={}, description="the labels of a deliberate refusal")


class Metrics(Table):
    """Prometheus counters for the error rate: 5xx answers without the deliberate ones, divided by all requests."""

    path: HttpPath = Field(default="/metrics", description="the path of the metrics, in the Prometheus text format")
    headers: dict[HeaderName, str] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token it sends")
    requests: str = Field(description="the counter of all requests")
    status_label: str = Field(default="status", description="the label with the HTTP status; 5xx are errors")
    deliberate: Deliberate | None = Field(default=None, description="5xx answers that are not errors")

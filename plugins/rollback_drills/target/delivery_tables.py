"""Webhooks: what a delivery contains, how it is signed, and the load of a drill."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, SecretStr, model_validator

from rollback_drills.core.placeholders import check, names_in, strings_in
from rollback_drills.target.answer_tables import Absent, Repeated
from rollback_drills.target.fields import (
    DELIVERY_PLACEHOLDERS,
    DeliveryText,
    HeaderName,
    HttpPath,
    Method,
    Name,
    Status,
    Table,
    template,
)

Secret = Annotated[SecretStr, Field(min_length=4)]  # a shorter one could not be redacted safely


class Signature(Table):
    """How a delivery is signed: HMAC (RFC 2104) over the bytes sent. The secret is never recorded."""

    header: HeaderName = Field(description="the header with the signature")
    secret: Secret = Field(description="the key, as text")
    algorithm: Literal["sha256", "sha1", "sha512"] = Field(default="sha256", description="the hash algorithm")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="the encoding of the signature")
    prefix: Annotated[str, template(frozenset({"timestamp", "unique"}))] = Field(
        default="", description="text before the signature in the header"
    )
    payload: Annotated[str, template(frozenset({"body", "timestamp", "unique"}), ("body",))] = Field(
        default="{body}", description="the signed text"
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="the header with {timestamp}, in seconds since 1970"
    )

    @model_validator(mode="after")
    def _timestamp_is_sent(self) -> Self:
        if "timestamp" in names_in(self.payload) - names_in(self.prefix) and self.timestamp_header is None:
            raise ValueError(
                "payload has {timestamp}, which the gateway cannot know: set timestamp_header, or add it to prefix"
            )
        return self


class Content(Table):
    """The body of a delivery, for all integrations or for one of them."""

    json_body: JsonValue = Field(
        default=None, alias="json", description="the body as JSON; set at most one of json, form and raw"
    )
    form: dict[str, DeliveryText] | None = Field(
        default=None, description="the body as form fields (application/x-www-form-urlencoded)"
    )
    raw: DeliveryText | None = Field(
        default=None, description="the body as text; its type is text/plain unless a header says otherwise"
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        given = [name for name, value in self.bodies().items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"set only one of json, form and raw, not both {' and '.join(given)}")
        for text in strings_in(self.json_body):
            check(text, allowed=DELIVERY_PLACEHOLDERS)
        return self

    def bodies(self) -> dict[str, JsonValue]:
        return {"json": self.json_body, "form": dict(self.form) if self.form is not None else None, "raw": self.raw}


class Delivery(Content):
    """How a webhook is delivered, and how to check that it was stored."""

    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS)] = Field(description="the path that takes webhooks")
    method: Method = Field(default="POST", description="the HTTP method")
    headers: dict[HeaderName, DeliveryText] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token a delivery sends")
    signature: Signature | None = Field(default=None, description="how a delivery is signed")
    accepted: tuple[Status, ...] = Field(default=(200, 201, 202), description="statuses that acknowledge a delivery")
    repeated: Repeated | None = Field(
        default=None, description="the answer to a repeated delivery; absent: deliveries are not repeated"
    )
    absent: Absent | None = Field(
        default=None,
        description="the previous release's answer for integrations that it does not have yet; absent: not checked",
    )
    rate_limit: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None, description="deliveries per second that the gateway accepts from all clients together"
    )
    stored: str = Field(
        description="SQL that returns the id of every stored copy of the deliveries %(ids)s, without DISTINCT; further "
        "columns must be the same for the same delivery in every release and state, except for what always differs"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.must_name("unique", "so that a lost write can be identified")
        if "%(ids)s" not in self.stored:
            raise ValueError("stored must contain %(ids)s")
        return self

    def names(self, placeholder: str) -> bool:
        """Whether some part of a delivery contains the placeholder."""
        bodies = [text for body in self.bodies().values() for text in strings_in(body)]
        return any(placeholder in names_in(text) for text in (self.path, *self.headers.values(), *bodies))

    def must_name(self, placeholder: str, why: str) -> None:
        """Raise ValueError if no part of a delivery contains the placeholder."""
        if not self.names(placeholder):
            raise ValueError(f"path, headers, json, form or raw must contain {{{placeholder}}}, {why}")


class TrafficSettings(Table):
    """The load during a drill: health probes, deliveries and reads in turn, at a constant rate."""

    rate: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=25.0,
        description="requests per second in each drill, of all kinds together; 0: no client traffic; lowered where a "
        "healthy release cannot serve it",
    )
    rate_limit: Annotated[float, Field(gt=0, le=10_000)] | None = Field(
        default=None,
        description="requests per second, of every kind, that the gateway accepts from all clients together; "
        "`delivery.rate_limit` is for deliveries alone",
    )
    learn: bool = Field(
        default=True,
        description="whether each worker first tries what both healthy releases can serve, which starts each of them "
        "once; false: they are known to serve the rate",
    )
    window: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10,
        description="consecutive good answers of each kind that end a recovery; fewer where they would take more than "
        "half of `gateway.ready_timeout`",
    )

"""Requests of clients: what they write, what they read, and how they log in. A webhook delivery is one kind."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from rollback_drills.core.placeholders import check, strings_in
from rollback_drills.target.answer_tables import Absent, AgreedAnswer, Repeated
from rollback_drills.target.delivery_tables import Content, Delivery, Signature
from rollback_drills.target.fields import (
    DELIVERY_PLACEHOLDERS,
    DeliveryText,
    HeaderName,
    HttpPath,
    Method,
    Name,
    Pointer,
    Reason,
    Status,
    template,
)
from rollback_drills.target.integration_tables import FlagDefaults, FlagVariable, Integration

RequestName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _./-]*$", max_length=60)]
UNFLAGGED = "the target file names no flag for it"


class Login(Content):
    """A request whose answer gives a token or a cookie, which other requests then send.

    Clients log in before their first request, and again when the gateway refuses what they send, as after a restart
    that has forgotten all sessions. Tokens are never recorded. The user has to be in the seed.
    """

    path: HttpPath = Field(description="the path of the login")
    method: Method = Field(default="POST", description="the HTTP method")
    headers: dict[HeaderName, str] = Field(default={}, description="headers to send")
    accepted: tuple[Status, ...] = Field(default=(200, 201, 204, 302, 303), description="statuses of a login")
    token: Pointer = Field(default="/access_token", description="JSON Pointer to the token in the answer")
    cookie: str | None = Field(
        default=None, description="the cookie that the answer sets, instead of a token in its body"
    )
    header: HeaderName = Field(default="Authorization", description="the header that sends the token")
    value: Annotated[str, template(frozenset({"token"}), ("token",))] = Field(
        default="Bearer {token}", description="the value of that header"
    )
    expired: tuple[Status, ...] = Field(
        default=(401, 403), description="answers to other requests after which clients log in once more"
    )

    @model_validator(mode="after")
    def _without_placeholders(self) -> Self:
        for body in self.bodies().values():
            for text in strings_in(body):
                check(text, allowed=())
        return self


class ClientRequest(Content):
    """What clients do. With ``stored`` it writes, and every acknowledged one is accounted for; without, it reads."""

    name: RequestName = Field(description="its name in the report")
    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS)] = Field(description="the path to request")
    method: Method | None = Field(default=None, description="the HTTP method; absent: POST with `stored`, else GET")
    headers: dict[HeaderName, DeliveryText] = Field(default={}, description="headers to send")
    login: Name | None = Field(default=None, description="the login ([logins.NAME]) whose token it sends")
    signature: Signature | None = Field(default=None, description="how it is signed")
    accepted: tuple[Status, ...] = Field(default=(200, 201, 202, 204), description="statuses that acknowledge it")
    stored: str | None = Field(
        default=None, description="as `delivery.stored`: SQL that returns the id of every stored copy of %(ids)s"
    )
    same: bool = Field(default=False, description="a read whose answer has to be the same before and after a rollback")
    since: str | None = Field(default=None, description="the first release that has it; absent: both releases have it")
    flag: FlagVariable | None = Field(
        default=None, description="the environment variable of the flag that turns it off; absent: it has no flag"
    )
    defaults: FlagDefaults = Field(default={}, description="like `flags.defaults`, for this request")
    disabled: AgreedAnswer | None = Field(
        default=None, description="its answer while it is off; absent: `flags.disabled`"
    )
    repeated: Repeated | None = Field(
        default=None, description="the answer to a repetition with the same id; absent: it is not repeated"
    )
    absent: Absent | None = Field(
        default=None, description="the previous release's answer where it does not have it yet; absent: not checked"
    )

    @model_validator(mode="after")
    def _reads_or_writes(self) -> Self:
        if self.stored is None:
            given = [key for key in ("flag", "defaults", "disabled", "repeated", "absent") if getattr(self, key)]
            if given:
                raise ValueError(f"{given[0]} needs stored: without it, {self.name!r} is a read")
            return self
        if self.same:
            raise ValueError("same is for reads; this request has stored, so it writes")
        if "%(ids)s" not in self.stored:
            raise ValueError("stored must contain %(ids)s")
        self.delivery().must_name("unique", "so that a lost write can be identified")
        return self

    @property
    def verb(self) -> Method:
        return self.method or ("POST" if self.stored is not None else "GET")

    def delivery(self) -> Delivery:
        """How it is sent and accounted for, as that of an integration."""
        return Delivery.model_construct(
            path=self.path,
            method=self.verb,
            headers=self.headers,
            json_body=self.json_body,
            form=self.form,
            raw=self.raw,
            login=self.login,
            signature=self.signature,
            accepted=self.accepted,
            repeated=self.repeated,
            absent=self.absent,
            rate_limit=None,
            stored=self.stored or "",
        )

    def gate(self) -> Integration:
        """What turns it off, and since when there is something to turn off."""
        reason: Reason | None = UNFLAGGED if self.flag is None else None
        return Integration.model_construct(
            json_body=None,
            form=None,
            raw=None,
            since=self.since,
            disabled=self.disabled,
            flag=self.flag,
            defaults=self.defaults,
            ungated=reason,
            path=None,
            headers={},
            secret=None,
        )

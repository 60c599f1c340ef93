"""Integrations, and the feature flags that turn them off."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from rollback_drills.core.placeholders import check
from rollback_drills.target.answer_tables import AgreedAnswer
from rollback_drills.target.delivery_tables import Content, Delivery, Secret
from rollback_drills.target.fields import (
    DELIVERY_PLACEHOLDERS,
    DeliveryText,
    HeaderName,
    HttpPath,
    Reason,
    Table,
    template,
)

FlagDefaults = dict[str, Literal["on", "off"]]


FlagVariable = Annotated[str, template(frozenset({"NAME", "name"}))]


class Flags(Table):
    """Feature flags: environment variables that the gateway reads when it is created."""

    variable: FlagVariable | None = Field(
        default=None, description="the environment variable of an integration's flag; absent: each names its own"
    )
    on: str = Field(default="true", description="the value that turns an integration on")
    off: str = Field(default="false", description="the value that turns an integration off")
    defaults: FlagDefaults = Field(
        default={},
        description="per release, the state of a flag whose variable is not set; absent: on, and not verified",
    )
    disabled: AgreedAnswer = Field(description="what a disabled integration answers")
    symptom: str | None = Field(
        default=None, description="SQL that makes deliveries to {integration} fail, to simulate a faulty integration"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.variable is not None and "{NAME}" not in self.variable and "{name}" not in self.variable:
            raise ValueError("variable must contain {NAME} or {name}")
        if self.symptom is not None:
            check(self.symptom, allowed=("integration",), required=("integration",))
        if self.on == self.off:
            raise ValueError("on and off have the same value")
        return self


class Integration(Content):
    """One integration, and how it differs from the others."""

    since: str | None = Field(default=None, description="the first release that has it; absent: both releases have it")
    disabled: AgreedAnswer | None = Field(
        default=None, description="its answer while it is off; absent: `flags.disabled`"
    )
    flag: FlagVariable | None = Field(
        default=None, description="the environment variable of its flag; absent: `flags.variable`"
    )
    defaults: FlagDefaults = Field(default={}, description="like `flags.defaults`, for this integration")
    ungated: Reason | None = Field(
        default=None, description="why it has no flag: a known gap, which every report lists"
    )

    path: Annotated[HttpPath, template(DELIVERY_PLACEHOLDERS)] | None = Field(
        default=None,
        description="the path that takes its webhooks; absent, like the keys that follow: as in `delivery`",
    )
    headers: dict[HeaderName, DeliveryText] = Field(default={}, description="additional headers")
    secret: Secret | None = Field(default=None, description="its signing key")

    @model_validator(mode="after")
    def _gated_or_not(self) -> Self:
        given = [name for name in ("flag", "defaults", "disabled") if getattr(self, name)]
        if self.ungated is not None and given:
            raise ValueError(f"is ungated, so it cannot have {' or '.join(given)}")
        return self


def merged_delivery(delivery: Delivery, own: Integration) -> Delivery:
    """The delivery to one integration: the general one with the integration's own keys.

    Raises:
        ValueError: they do not fit together.
    """
    changes: dict[str, object] = {"path": own.path} if own.path is not None else {}
    if any(body is not None for body in own.bodies().values()):
        changes |= {"json_body": own.json_body, "form": own.form, "raw": own.raw}
    replaced = {name.lower() for name in own.headers}
    changes["headers"] = {n: text for n, text in delivery.headers.items() if n.lower() not in replaced} | own.headers
    if own.secret is not None:
        if delivery.signature is None:
            raise ValueError("secret needs [delivery.signature]")
        changes["signature"] = delivery.signature.model_copy(update={"secret": own.secret})
    result = delivery.model_copy(update=changes)
    result.must_name("unique", "so that a lost write can be identified")
    return result


def is_addressed(delivery: Delivery, own: Integration) -> bool:
    """Whether a delivery reaches this integration and no other: it is named, or has a path, header or body of its own.

    ``delivery`` is the merged one.
    """
    has_own = own.path is not None or bool(own.headers) or any(body is not None for body in own.bodies().values())
    return has_own or delivery.names("integration")

"""Answers that the target file and the gateway's owner have agreed on."""

from __future__ import annotations

import re
from typing import Annotated, Self, cast

from pydantic import Discriminator, Field, JsonValue, Tag, field_validator, model_validator

from rollback_drills.core.placeholders import check_answer, fill_answer
from rollback_drills.target.fields import (
    Regular,
    Status,
    Table,
    one_or_several,
)

_INTEGRATION = frozenset({"integration"})


Statuses = Annotated[
    Annotated[Status, Tag("one")] | Annotated[tuple[Status, ...], Field(min_length=1), Tag("several")],
    Discriminator(one_or_several),
]


class AgreedAnswer(Table):
    """An answer that was agreed on. A status alone is ambiguous: without its database, a gateway answers 503 too."""

    status: Statuses = Field(default=503, description="the status, or a list of possible ones")
    body: JsonValue = Field(
        default=None, description="the exact JSON body; set at most one of body, contains and pattern"
    )
    contains: JsonValue = Field(
        default=None, description="JSON that the body contains: each key that it has must be equal"
    )
    pattern: Regular | None = Field(
        default=None, description="a regular expression that matches somewhere in the body's text"
    )
    not_pattern: Regular | None = Field(
        default=None, description="a regular expression that matches nowhere in it; can be combined with the others"
    )

    @model_validator(mode="after")
    def _one_description(self) -> Self:
        given = [name for name in ("body", "contains", "pattern") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"set only one of body, contains and pattern, not both {' and '.join(given)}")
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
        """Whether it describes more than the status."""
        return any(each is not None for each in (self.body, self.contains, self.pattern, self.not_pattern))

    def brief(self) -> JsonValue:
        """For the evidence: the keys that the file sets."""
        said = {"body": self.body, "contains": self.contains, "pattern": self.pattern, "not_pattern": self.not_pattern}
        status: JsonValue = [*self.status] if isinstance(self.status, tuple) else self.status
        return {"status": status, **{name: value for name, value in said.items() if value is not None}}


class Repeated(AgreedAnswer):
    """The answer to a repeated delivery: senders repeat deliveries that got no answer."""

    status: Statuses = Field(default=200, description="the status, or a list of possible ones")


class Absent(AgreedAnswer):
    """The answer of a release that does not have the integration."""

    status: Statuses = Field(default=404, description="the status, or a list of possible ones")

"""The field types of a target file: placeholders, templates, units, and the strict base class of its tables."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from rollback_drills.core.placeholders import check

RELEASE_PLACEHOLDERS = frozenset({"here", "python", "release", "tree"})
IMAGE_PLACEHOLDERS = frozenset({"here", "release"})
CONTEXT_PLACEHOLDERS = IMAGE_PLACEHOLDERS | {"tree"}
_DATABASE_PARTS = ("url", "host", "port", "name", "user", "password")
DATABASE_PLACEHOLDERS = frozenset({"sqlalchemy_url", *(f"database_{part}" for part in _DATABASE_PARTS)})
PROCESS_PLACEHOLDERS = RELEASE_PLACEHOLDERS | DATABASE_PLACEHOLDERS | {"port", "private"}
BACKUP_PLACEHOLDERS = frozenset({"here", "python", "file", "database", "database_url", "pg_bin"})
DELIVERY_PLACEHOLDERS = frozenset({"integration", "unique"})


def template(allowed: frozenset[str], required: tuple[str, ...] = ()) -> AfterValidator:
    def validate(text: str) -> str:
        check(text, allowed=allowed, required=required)
        return text

    return AfterValidator(validate)


def templates(allowed: frozenset[str], required: tuple[str, ...] = ()) -> AfterValidator:
    """For argument vectors: each argument may use ``allowed``; together they must use ``required``."""

    def validate(arguments: tuple[str, ...]) -> tuple[str, ...]:
        if not arguments:
            raise ValueError("must name a program")
        for argument in arguments:
            check(argument, allowed=allowed)
        check(" ".join(arguments), allowed=allowed, required=required)
        return arguments

    return AfterValidator(validate)


def _http_path(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must begin with /")
    return path


Seconds = Annotated[float, Field(gt=0, le=3600)]
Status = Annotated[int, Field(ge=100, le=599)]
Port = Annotated[int, Field(ge=1, le=65535)]
HttpPath = Annotated[str, AfterValidator(_http_path)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Reason = Annotated[str, StringConstraints(min_length=3, strip_whitespace=True)]
Environment = dict[str, Annotated[str, template(PROCESS_PLACEHOLDERS)]]


def _within(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("must be a relative path without ..")
    return path


Within = Annotated[str, AfterValidator(_within)]


def _pointer(text: str) -> str:
    if text and not text.startswith("/"):
        raise ValueError("must be empty or begin with / (RFC 6901)")
    return text


def _regular(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is not a valid regular expression: {error}") from None
    return text


def _table_or_column(name: str) -> str:
    if name.count(".") not in (1, 2) or not all(name.split(".")):
        raise ValueError("must be schema.table or schema.table.column")
    return name


HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]  # RFC 9110, section 5.1
DeliveryText = Annotated[str, template(DELIVERY_PLACEHOLDERS)]
TableOrColumn = Annotated[str, AfterValidator(_table_or_column)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Regular = Annotated[str, AfterValidator(_regular)]


def one_or_several(value: object) -> str:
    """The tag of a union (pydantic's Discriminator) of one value and a list of values."""
    return "several" if isinstance(value, list | tuple) else "one"


class Table(BaseModel):
    """A table of the target file: frozen, strict about types, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

"""Deliveries: one as it goes over the wire, sent by the drill or by the load, and the record of one that was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import uuid4

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.signing import Signer
from rollback_drills.core.placeholders import fill, fill_json
from rollback_drills.target.delivery_tables import Content, Delivery
from rollback_drills.target.target import Target

_OWNER = re.compile(r"[a-z]+([0-9]+)-")
_JSON, _FORM, _TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, repr=False)
class PreparedDelivery:
    """A delivery that is ready to be sent; it is signed when it is sent."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    signer: Signer | None
    login: str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that was sent.

    ``acknowledged``: the gateway has accepted it. ``at``: when it was answered, on the monotonic clock.
    """

    id: str
    integration: str
    answer: Answer
    acknowledged: bool
    at: float


def prepare(target: Target, integration: str, unique: str) -> PreparedDelivery:
    """The delivery with the id ``unique`` to an integration."""
    delivery = target.delivery_to(integration)
    values = {"integration": integration, "unique": unique}
    headers = [(name, fill(text, values)) for name, text in delivery.headers.items()]
    body, content_type = body_of(delivery, values)
    if content_type and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", content_type))
    path = fill(delivery.path, values)
    return PreparedDelivery(delivery.method, path, headers, body, _signer(delivery), delivery.login)


def new_id(target: Target, integration: str, kind: str) -> str:
    """An id that no other delivery has; where requests are stored in different places, it says whose it is."""
    number = [*target.writers].index(integration) if len(queries(target)) > 1 else ""
    return f"{kind}{number}-{uuid4().hex}"


def queries(target: Target) -> dict[str, tuple[str, ...]]:
    """Each `stored` query, with the names that it is asked for."""
    found: dict[str, tuple[str, ...]] = {}
    for name in target.writers:
        query = target.delivery_to(name).stored
        found[query] = (*found.get(query, ()), name)
    return found


def by_query(target: Target, ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids that each `stored` query is to be asked for; an id that says nothing belongs to every query."""
    asked = queries(target)
    if len(asked) == 1:
        return {query: [*ids] for query in asked}
    names, found = [*target.writers], dict[str, list[str]]()
    for each in ids:
        said = _OWNER.match(each)
        owner = names[int(said[1])] if said is not None and int(said[1]) < len(names) else None
        for query, owners in asked.items():
            if owner is None or owner in owners:
                found.setdefault(query, []).append(each)
    return found


def body_of(content: Content, values: Mapping[str, str]) -> tuple[str, str]:
    """The body, and its default content type."""
    if content.json_body is not None:
        return json.dumps(fill_json(content.json_body, values)), _JSON
    if content.form is not None:
        return urlencode({name: fill(text, values) for name, text in content.form.items()}), _FORM
    if content.raw is not None:
        return fill(content.raw, values), _TEXT
    return "", ""


def _signer(delivery: Delivery) -> Signer | None:
    signature = delivery.signature
    if signature is None:
        return None
    return Signer(
        header=signature.header,
        secret=signature.secret.get_secret_value(),
        algorithm=signature.algorithm,
        encoding=signature.encoding,
        prefix=signature.prefix,
        payload=signature.payload,
        timestamp_header=signature.timestamp_header,
    )

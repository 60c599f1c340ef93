"""Deliveries: one as it goes over the wire, sent by the drill or by the load, and the record of one that was sent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

from rollback_drills.clients.answers import Answer
from rollback_drills.clients.signing import Signer
from rollback_drills.core.placeholders import fill, fill_json
from rollback_drills.target.delivery_tables import Delivery
from rollback_drills.target.target import Target

_JSON, _FORM, _TEXT = "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, repr=False)
class PreparedDelivery:
    """A delivery that is ready to be sent; it is signed when it is sent."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str
    signer: Signer | None


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
    body, content_type = _body(delivery, values)
    if content_type and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", content_type))
    return PreparedDelivery(delivery.method, fill(delivery.path, values), headers, body, _signer(delivery))


def _body(delivery: Delivery, values: dict[str, str]) -> tuple[str, str]:
    """The body, and its default content type."""
    if delivery.json_body is not None:
        return json.dumps(fill_json(delivery.json_body, values)), _JSON
    if delivery.form is not None:
        return urlencode({name: fill(text, values) for name, text in delivery.form.items()}), _FORM
    if delivery.raw is not None:
        return fill(delivery.raw, values), _TEXT
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

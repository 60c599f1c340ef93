"""The application: webhooks of carriers, parcels for everybody else, and what operators ask."""

from __future__ import annotations

import psycopg2
from flask import Flask, Response, current_app, request
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from parcels import __version__, tracking
from parcels.carriers import CARRIERS, enabled
from parcels.database import settings, transaction

RESPONSES = Counter("parcels_http_responses", "Answers by route and code.", ["route", "code"])


def create_app() -> Flask:
    """Build the application, which reads its switches once. Fails at once where a setting is missing or wrong."""
    settings()
    app = Flask(__name__)
    app.config["ENABLED"] = enabled()
    app.add_url_rule("/hooks/<carrier>", view_func=receive, methods=["POST"])
    app.add_url_rule("/parcels/<number>", view_func=parcel)
    app.add_url_rule("/carriers", view_func=carriers)
    app.add_url_rule("/healthz", view_func=healthz)
    app.add_url_rule("/metrics", view_func=metrics)
    app.register_error_handler(psycopg2.Error, database_failed)
    app.after_request(sign_and_count)
    return app


def receive(carrier: str) -> ResponseReturnValue:
    """Take a report. 200 says that it is stored, now or before; anything else, that the carrier has to repeat it."""
    if carrier not in CARRIERS:
        return {"error": "no such carrier"}, 404
    if carrier not in current_app.config["ENABLED"]:
        # As if there were no such address, so that the carrier stops: a 503 would be repeated for days.
        return {"error": "carrier not enabled", "retry": False}, 404
    report = request.get_json(silent=True)
    if not isinstance(report, dict) or any(not _word(report.get(key)) for key in ("event_id", "parcel", "status")):
        return {"error": "event_id, parcel and status are needed, as text"}, 400
    with transaction() as cursor:
        new = tracking.record(cursor, carrier, report)
    return {"stored": True, "duplicate": not new}


def parcel(number: str) -> ResponseReturnValue:
    with transaction() as cursor:
        found = tracking.find(cursor, number)
    return found if found is not None else ({"error": "no such parcel"}, 404)


def carriers() -> ResponseReturnValue:
    return {"carriers": list(CARRIERS)}


def healthz() -> ResponseReturnValue:
    """Positive only where everything that a report needs is there: the database, and its schema."""
    try:
        with transaction() as cursor:
            tracking.check(cursor)
    except psycopg2.Error as error:
        return {"ok": False, "reason": str(error).strip()}, 503
    return {"ok": True}


def metrics() -> ResponseReturnValue:
    """The counters of all workers together."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def database_failed(error: Exception) -> ResponseReturnValue:
    report = request.get_json(silent=True)
    named = report.get("event_id") if isinstance(report, dict) else None
    current_app.logger.error("%s failed, event %s: %s", request.path, named, str(error).strip())
    return {"error": "the database failed"}, 500


def sign_and_count(response: Response) -> Response:
    response.headers["X-Parcels-Release"] = f"parcels/{__version__}"
    RESPONSES.labels(route=request.endpoint or "none", code=str(response.status_code)).inc()
    return response


def _word(value: object) -> bool:
    return isinstance(value, str) and value != ""

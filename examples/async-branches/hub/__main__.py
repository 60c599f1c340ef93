"""python -m hub --port 8080: serve. DATABASE_URL has to be set, and HOOK_SECRET_GITHUB and so on for each forge."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys

from aiohttp import web

from hub import __version__
from hub.forges import FORGES, SettingError, is_signed, listened_to, secrets
from hub.store import Store, UnavailableError

STORE = web.AppKey("store", Store)
SECRETS = web.AppKey("secrets", dict)
LISTENED_TO = web.AppKey("listened_to", frozenset)
routes = web.RouteTableDef()
_log = logging.getLogger("hub")


@routes.post("/hook/{forge}")
async def receive(request: web.Request) -> web.Response:
    """Take a push. A disabled forge is told so before its signature is looked at: it may have lost its secret."""
    forge = request.match_info["forge"]
    if forge not in FORGES:
        return web.json_response({"message": f"{forge} is not a forge that is listened to"}, status=404)
    if forge not in request.app[LISTENED_TO]:
        return web.json_response({"message": f"{forge} is disabled"}, status=503, headers={"Retry-After": "3600"})
    body = await request.read()
    if not is_signed(body, request.headers.get("X-Hub-Signature-256"), request.app[SECRETS][forge]):
        return web.json_response({"message": "the signature does not fit"}, status=401)
    delivery_id = request.headers.get("X-Hub-Delivery", "")
    push = _push(body)
    if not delivery_id or push is None:
        return web.json_response({"message": "X-Hub-Delivery, repository, ref and author are needed"}, status=422)
    try:
        new = await request.app[STORE].record(forge, delivery_id, push)
    except UnavailableError as error:
        _log.error("delivery %s of %s is refused: %s", delivery_id, forge, error)
        return web.json_response({"message": "cannot be stored now, send it again"}, status=500)
    return web.json_response({"delivery": delivery_id, "new": new}, status=202)


def _push(body: bytes) -> dict[str, str] | None:
    try:
        push = json.loads(body)
    except ValueError:
        return None
    wanted = ("repository", "ref", "author")
    if not isinstance(push, dict) or any(not isinstance(push.get(key), str) or not push[key] for key in wanted):
        return None
    return push


@routes.get("/repositories/{owner}/{name}/branches")
async def branches(request: web.Request) -> web.Response:
    try:
        found = await request.app[STORE].branches("{owner}/{name}".format_map(request.match_info))
    except UnavailableError as error:
        return web.json_response({"message": str(error)}, status=500)
    return web.json_response({"branches": found})


@routes.get("/")
async def about(request: web.Request) -> web.Response:
    return web.json_response({"service": {"name": "hub", "version": __version__}, "forges": FORGES})


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """Passes where a push could be stored: each table and column is there that it needs."""
    try:
        await request.app[STORE].check()
    except UnavailableError as error:
        return web.json_response({"status": "fail", "output": str(error)}, status=503)
    return web.json_response({"status": "pass"})


def application() -> web.Application:
    """Raises SettingError."""
    if not os.environ.get("DATABASE_URL"):
        raise SettingError("DATABASE_URL must be set")
    app = web.Application()
    app[STORE] = Store(os.environ["DATABASE_URL"])
    app[SECRETS] = secrets(os.environ)
    app[LISTENED_TO] = listened_to(os.environ)
    app.add_routes(routes)
    return app


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m hub", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        app = application()
    except SettingError as error:
        sys.exit(f"hub: {error}")
    web.run_app(app, host=options.host, port=options.port, access_log=None)


main()

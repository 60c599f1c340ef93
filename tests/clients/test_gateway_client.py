"""Health, version, behaviours, the write probe and deliveries, against a real server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.answering_server import Reply, Server, reply

from rollback_drills.clients.answers import matches
from rollback_drills.core.errors import StackError
from rollback_drills.target.probe_tables import (
    Behaviour,
    Probe,
    Routes,
    Version,
    WriteProbe,
)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"header": "x-release"}, "gateway/0.5.0 (linux)"),
        ({"header": "X-Release", "pattern": r"\d+\.\d+\.\d+"}, "0.5.0"),
        ({"header": "X-Release", "pattern": r"gateway/(\S+)"}, "0.5.0"),
        ({"header": "X-Release", "pattern": "proxy/(.*)"}, None),
        ({"header": "X-Other"}, None),
        ({"pointer": "/build/number", "pattern": "^4"}, "4"),
        ({"pattern": '"number": (\\d+)'}, "42"),
    ],
)
def test_a_version_may_stand_in_a_header_or_within_a_text(
    make: Any, server: Server, asked: dict[str, str], said: object
):
    server.reply = reply(200, '{"build": {"number": 42}}', **{"X-Release": "gateway/0.5.0 (linux)"})
    assert make(version=Version(path="/v", **asked)).version() == said


def test_health_version_and_behaviour(make: Any, server: Server):
    server.reply = reply(200, '{"status": "ok", "more": 1, "v": {"a/b": ["0.5.0"]}}')
    client = make(
        version=Version(path="/v", pointer="/v/a~1b/0"),
        behaviours=(
            Behaviour(path="/one", release="0.4.0", body={"status": "ok"}),
            Behaviour(path="/two", release="0.4.0", status=404),
            Behaviour(path="/three", release="0.5.0"),
        ),
    )
    assert client.healthy()
    assert client.version() == "0.5.0"
    behaviour = client.behaviour("0.4.0")
    absent = [
        f"a delivery to {name}" for name in ("heroku", "codecov", "sonarqube", "newrelic", "prometheus", "cloudwatch")
    ]
    assert list(behaviour) == ["GET /one", "GET /two", *absent]
    assert all(observed["status"] == 200 for _, observed in (behaviour[each] for each in absent))
    expected, observed = behaviour["GET /one"]
    assert expected == observed
    expected, observed = behaviour["GET /two"]
    assert (expected["status"], observed["status"]) == (404, 200)
    server.reply = reply(500, '{"status": "ok"}')
    assert not client.healthy()
    assert client.version() == {"status": 500, "body": {"status": "ok"}}


def test_what_a_release_does_not_have_yet_is_not_delivered(make: Any, server: Server):
    server.reply = reply(404, '{"detail": "unknown integration"}')
    client = make(behaviours=())
    assert client.behaviour("0.5.0") == {}
    assert all(expected == observed for expected, observed in client.behaviour("0.4.0").values())
    assert [each.acknowledged for each in client.delivered] == [False] * 6


PATHS = ["/health", "/version", "/webhooks/{name}"]
OPENAPI = '{"paths": {"/health": {}, "/version": {}, "/webhooks/{name}": {}}}'


def no_entries(status: int) -> dict[str, object]:
    return {"status": status, "there": "neither a list nor an object"}


@pytest.mark.parametrize(
    ("wanted", "pointed_at", "answer", "expected", "observed"),
    [
        (3, "/paths", reply(200, OPENAPI), 3, 3),
        (4, "/paths", reply(200, OPENAPI), 4, 3),
        (("/version", "/health", "/webhooks/{name}"), "/paths", reply(200, OPENAPI), PATHS, PATHS),
        (("/health", "/version"), "/paths", reply(200, OPENAPI), PATHS[:2], PATHS),
        (("a", "1"), "", reply(200, '["a", 1]'), ["1", "a"], ["1", "a"]),
        (0, "/paths", reply(200, '{"paths": []}'), 0, 0),
        (3, "/elsewhere", reply(200, OPENAPI), 3, no_entries(200)),
        (3, "/paths", reply(500, OPENAPI), 3, no_entries(500)),
        (3, "", reply(200, "no json", "text/plain"), 3, no_entries(200)),
    ],
    ids=range(9),
)
def test_a_release_is_identified_by_its_routes(
    make: Any, server: Server, wanted: Any, pointed_at: str, answer: Reply, expected: object, observed: object
):
    server.reply = answer
    routes = Routes(path="/openapi.json", pointer=pointed_at, releases={"0.5.0": wanted})
    client = make(behaviours=(), version=Version(path="/version", routes=routes))
    assert client.behaviour("0.5.0") == {f"GET /openapi.json at {pointed_at or '/'}": (expected, observed)}
    assert not any("openapi" in each for each in client.behaviour("0.4.0"))


def test_the_write_probe_has_an_id_of_its_own(make: Any, server: Server):
    server.reply = reply(201, '{"stored": true, "more": 1}')
    sent = {"json": {"id": "{unique}"}, "headers": {"X-Id": "{unique}"}}
    expected = {"status": 201, "body": {"stored": True}}
    probe = WriteProbe.model_validate({"path": "/probe/{unique}", **sent, **expected})
    client = make(write_probe=probe)
    answers = [client.write_probe() for _ in range(2)]
    assert all(matches(probe, answer) for answer in answers)
    method, path, headers, body = server.seen[0]
    unique = json.loads(body)["id"]
    assert (method, path, headers["X-Id"]) == ("POST", f"/probe/{unique}", unique)
    assert json.loads(server.seen[1][3])["id"] != unique
    with pytest.raises(StackError, match="no \\[write_probe\\]"):
        make(write_probe=None).write_probe()


@pytest.mark.parametrize(("of_all", "of_health"), [(30.0, 0.3), (0.3, 30.0)])
def test_health_may_take_a_time_of_its_own(make: Any, server: Server, of_all: float, of_health: float):
    """One limit expires long before the answer, the other one long after."""

    def late(handler: Any) -> None:
        server.released.wait(1.0)
        reply(200, '{"status": "ok"}')(handler)

    server.reply = late
    client = make(timeout=of_all, health=Probe(path="/health", timeout=of_health))
    assert (client.health().status is None) is (of_health < 1)
    assert (client.request("GET", "/version").status is None) is (of_all < 1)


def test_a_delivery_has_an_id_of_its_own(make: Any, server: Server):
    server.reply = reply(202)
    client = make()
    first, second = client.deliver("github"), client.deliver("jira")
    named = client.deliver("jira", "given")
    server.reply = reply(200)
    refused = client.deliver("jira")
    assert len({first.id, second.id, named.id, refused.id}) == 4
    assert (first.acknowledged, refused.acknowledged, named.id) == (True, False, "given")
    method, path, _, body = server.seen[0]
    assert (method, path, json.loads(body)) == ("POST", "/webhooks/github", {"delivery_id": first.id, "event": "drill"})

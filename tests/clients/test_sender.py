"""The load of one drill: its rate, its deliveries, its pauses."""

from __future__ import annotations

import base64
import subprocess
import time

import pytest
from support.answering_server import Server, good, reply
from support.load import PATIENCE, after, at_least, with_load

from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.core.polling import poll_until
from rollback_drills.target.delivery_tables import Signature
from rollback_drills.target.target import Target


def test_requests_are_due_at_a_constant_rate_and_all_are_recorded(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    requests = after(begin(sender, with_load(reference_target, rate=100.0), server.url), 100)
    assert [each.number for each in requests] == list(range(len(requests)))
    for each in requests:
        assert each.due == pytest.approx(requests[0].due + each.number / 100, abs=1e-6)
        assert each.due <= each.sent <= each.ended
    assert {each.kind for each in requests[::2]} == {"health"}
    assert {each.kind for each in requests[1::2]} == {"delivery"}
    assert {each.outcome for each in requests} == {"good"}
    assert len(server.seen) == len(requests)


def test_deliveries_go_to_all_that_both_releases_have_in_turn_each_with_its_own_id(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    target = with_load(reference_target, rate=200.0, headers={"X-Id": "<{unique}>", "Authorization": "Bearer it"})
    requests = [each for each in after(begin(sender, target, server.url), 80) if each.kind == "delivery"]
    common = target.integrations_of(target.previous)
    assert [each.integration for each in requests[: len(common)]] == list(common)
    assert {each.integration for each in requests} == set(common)
    assert len({each.id for each in requests}) == len(requests)
    posted = [(path, headers, body) for method, path, headers, body in server.seen if method == "POST"]
    received = {headers["X-Id"]: (path, body.decode(), headers) for path, headers, body in posted}
    for each in requests:
        path, body, headers = received[f"<{each.id}>"]
        assert path == f"/webhooks/{each.integration}"
        assert body == f'{{"delivery_id": "{each.id}", "event": "drill"}}'
        assert (headers["Content-Type"], headers["Connection"]) == ("application/json", "close")
        assert headers["Authorization"] == "Bearer it"


@pytest.mark.parametrize(
    "body", [{"json_body": {"id": "{unique}", "é": "ü"}}, {"form": {"id": "{unique}", "x": "a&b"}}]
)
def test_deliveries_are_signed_each_over_its_own_bytes(
    sender: Sender, server: Server, reference_target: Target, body: dict[str, object]
) -> None:
    signature = Signature.model_validate_json(
        '{"header": "X-Signature", "secret": "a key of the load", "algorithm": "sha512", "encoding": "base64", '
        '"payload": "{unique}.{timestamp}.{body}", "prefix": "v1,", "timestamp_header": "X-Timestamp"}'
    )
    target = with_load(reference_target, rate=100.0, **{"json_body": None, "signature": signature} | body)
    requests = [each for each in after(begin(sender, target, server.url), 20) if each.kind == "delivery"]
    received = [(headers, content) for verb, _, headers, content in server.seen if verb == "POST"]
    assert len({headers["X-Signature"] for headers, _ in received}) == len(requests) >= 10
    for each in requests:
        headers, content = next(one for one in received if each.id.encode() in one[1])
        signed = f"{each.id}.{headers['X-Timestamp']}.".encode() + content
        argv = ["openssl", "dgst", "-sha512", "-hmac", "a key of the load", "-binary"]
        program = subprocess.run(argv, input=signed, stdout=subprocess.PIPE, check=True)
        assert headers["X-Signature"] == f"v1,{base64.b64encode(program.stdout).decode()}"


def test_a_load_keeps_to_half_of_the_gateways_limit(sender: Sender, server: Server, reference_target: Target) -> None:
    load = begin(sender, with_load(reference_target, rate=200.0, rate_limit=50.0), server.url)
    assert load.rate == 50.0, "every other request is a delivery"
    requests = after(load, 6)
    assert requests[5].due - requests[0].due == pytest.approx(5 / 50, abs=1e-6)
    other = begin(sender, with_load(reference_target, rate=20.0, rate_limit=50.0), server.url)
    assert other.rate == 20.0
    other.end()


def test_a_pause_sends_nothing_and_leaves_nothing_on_its_way(
    sender: Sender, server: Server, reference_target: Target
) -> None:
    load = begin(sender, with_load(reference_target, rate=100.0), server.url)
    assert load.wait_for(at_least(10), timeout=PATIENCE)
    with load.paused():
        seen = len(server.seen)
        assert len(load.requests) == seen
        began = time.monotonic()
        poll_until(lambda: time.monotonic() > began + 0.3 or None, what="some time", timeout=PATIENCE)
        assert len(server.seen) == seen
    requests = after(load, seen + 10)
    gap = requests[seen].due - requests[seen - 1].due
    assert gap > 0.3
    assert [each.number for each in requests] == list(range(len(requests)))
    assert requests[seen + 5].due - requests[seen].due == pytest.approx(0.05, abs=1e-6)
    assert len(load.pauses) == 1


def test_the_steady_state_is_waited_for(sender: Sender, server: Server, reference_target: Target) -> None:
    server.reply = reply(500, "{}")
    load = begin(sender, with_load(reference_target, rate=200.0), server.url)
    window = reference_target.traffic.window
    assert load.wait_for(at_least(10), timeout=PATIENCE)
    assert load.hold(time.monotonic(), window=window, timeout=0.2) is None
    turned = time.monotonic()
    server.reply = good
    moment = load.hold(turned, window=window, timeout=PATIENCE)
    assert moment is not None
    assert turned + 9 * 2 / 200 <= moment <= time.monotonic()
    load.end()


def test_one_load_after_the_other(sender: Sender, server: Server, reference_target: Target) -> None:
    first = after(begin(sender, reference_target, server.url), 3)
    second = after(begin(sender, reference_target, server.url), 3)
    assert first[0].number == second[0].number == 0
    assert not {each.id for each in first if each.id} & {each.id for each in second}

"""Deliveries as they are sent: bodies of all kinds, their signatures, and the rate limit."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from support.answering_server import Server, reply, serving

from rollback_drills.clients.delivery import prepare
from rollback_drills.clients.gateway import GatewayClient
from rollback_drills.clients.signing import Signer
from rollback_drills.core.errors import StackError, TargetError
from rollback_drills.core.meter import Meter
from rollback_drills.target.delivery_tables import Signature
from rollback_drills.target.integration_tables import Integration
from rollback_drills.target.target import Target

STORED = {"stored": "SELECT %(ids)s"}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=30)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        server.reply = reply(202)
        yield server


@pytest.fixture
def client_of(server: Server) -> Iterator[Callable[[Target], GatewayClient]]:
    with ExitStack() as stack:

        def client_of(target: Target) -> GatewayClient:
            client = GatewayClient(target, lambda: server.url, Meter())
            stack.callback(client.close)
            return client

        yield client_of


def changed(target: Target, integrations: dict[str, Any] | None = None, **delivery: Any) -> Target:
    """The reference target with changes to [delivery] and to single integrations."""
    document = target.delivery.model_dump(mode="json", by_alias=True, exclude_none=True)
    if {"form", "raw"} & delivery.keys():
        del document["json"]
    kind = TypeAdapter(type(target.delivery))
    own = {name: Integration.model_validate_json(json.dumps(each)) for name, each in (integrations or {}).items()}
    return target.model_copy(
        update={
            "delivery": kind.validate_json(json.dumps(document | delivery)),
            "integrations": target.integrations | own,
        }
    )


def hmac_by_hand(key: bytes, message: bytes, algorithm: str) -> bytes:
    """RFC 2104, section 2: an implementation independent of the one under test."""

    def digest(data: bytes) -> bytes:
        return hashlib.new(algorithm, data).digest()

    block = hashlib.new(algorithm).block_size
    key = (digest(key) if len(key) > block else key).ljust(block, b"\0")
    inner = digest(bytes(byte ^ 0x36 for byte in key) + message)
    return digest(bytes(byte ^ 0x5C for byte in key) + inner)


# --- bodies ----------------------------------------------------------------------------------------------


def test_a_form_is_sent_as_a_form(client_of: Any, server: Server, reference_target: Target):
    target = changed(reference_target, form={"id": "{unique}", "text": "a & b = {integration}"})
    delivered = client_of(target).deliver("github")
    _, _, headers, body = server.seen[0]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {"id": [delivered.id], "text": ["a & b = github"]}


def test_a_text_is_sent_as_it_is(client_of: Any, server: Server, reference_target: Target):
    target = changed(
        reference_target, raw="<event id='{unique}' if='{{x}}'>ü</event>", headers={"Content-type": "text/xml"}
    )
    delivered = client_of(target).deliver("jira")
    _, _, headers, body = server.seen[0]
    assert headers["Content-type"] == "text/xml"
    assert body.decode() == f"<event id='{delivered.id}' if='{{x}}'>ü</event>"
    client_of(changed(reference_target, raw="{unique}")).deliver("jira")
    assert server.seen[1][2]["Content-Type"] == "text/plain; charset=utf-8"


def test_nothing_is_sent_where_nothing_is_said(client_of: Any, server: Server, reference_target: Target):
    target = changed(reference_target, json=None, headers={"X-Id": "{unique}"})
    delivered = client_of(target).deliver("jira")
    _, _, headers, body = server.seen[0]
    assert (body, headers["X-Id"], headers.get("Content-Type")) == (b"", delivered.id, None)


def test_an_integration_is_delivered_to_in_its_own_way(client_of: Any, server: Server, reference_target: Target):
    own = {"path": "/hooks/ci/{unique}", "raw": "done", "headers": {"x-common": "mine", "X-Own": "{integration}"}}
    target = changed(reference_target, {"jenkins": own}, headers={"X-Common": "all", "X-Other": "y"})
    client = client_of(target)
    one, other = client.deliver("jenkins"), client.deliver("jira")
    _, path, headers, body = server.seen[0]
    assert (path, body) == (f"/hooks/ci/{one.id}", b"done")
    assert (headers["x-common"], headers["X-Own"], headers["X-Other"]) == ("mine", "jenkins", "y")
    _, path, headers, body = server.seen[1]
    assert (path, headers["X-Common"], json.loads(body)["delivery_id"]) == ("/webhooks/jira", "all", other.id)


@pytest.mark.parametrize(
    ("own", "delivery", "expected"),
    [
        ({"raw": "no id"}, {}, "integrations.jira: path, headers, json, form or raw must contain {unique}"),
        ({"secret": "a secret"}, {}, "integrations.jira: secret needs [delivery.signature]"),
        ({"form": {"a": "b"}, "raw": "c"}, {}, "integrations.jira: set only one of json, form and raw"),
        ({"headers": {"X Y": "z"}}, {}, "integrations.jira.headers.X Y"),
        ({}, {"raw": "{unique}"}, "delivery: set only one of json, form and raw, not both json and raw"),
        ({}, {"form": {"id": "{uniqe}"}}, "delivery.form.id: unknown placeholder {uniqe}, did you mean {unique}?"),
        ({}, {"rate_limit": 0}, "delivery.rate_limit"),
        ({}, {"signature": {"header": "X", "secret": "s3c"}}, "delivery.signature.secret"),
        ({}, {"signature": {"header": "X", "secret": "s3cret", "algorithm": "md5"}}, "delivery.signature.algorithm"),
        ({}, {"signature": {"header": "X", "secret": "s3cret", "payload": "{timestamp}"}}, "must contain {body}"),
        ({}, {"signature": {"header": "X", "secret": "s3cret", "payload": "{timestamp}.{body}"}}, "timestamp_header"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, own: Any, delivery: Any, expected: str):
    reference = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"
    document = tomllib.loads(reference.read_text())
    document["delivery"] |= delivery
    document["integrations"]["jira"] = own
    file = tmp_path / "target.toml"
    file.write_text(tomli_w.dumps(document))
    with pytest.raises(TargetError) as caught:
        Target.load(file, {})
    assert expected in str(caught.value)
    assert "s3c" not in str(caught.value).replace("secret", "")


# --- signatures ------------------------------------------------------------------------------------------


def test_signatures_are_those_that_senders_publish():
    """The examples in the documentation of GitHub (validating webhook deliveries) and Slack (verifying requests)."""
    github = Signer("X-Hub-Signature-256", "It's a Secret to Everybody", "sha256", "hex", "sha256=", "{body}", None)
    assert github.headers(b"Hello, World!", "", 0) == [
        ("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
    ]
    slack = Signer(
        "X-Slack-Signature",
        "8f742231b10e8888abcd99yyyzzz85a5",
        "sha256",
        "hex",
        "v0=",
        "v0:{timestamp}:{body}",
        "X-Slack-Request-Timestamp",
    )
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert slack.headers(body, "", 1531420618) == [
        ("X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ("X-Slack-Request-Timestamp", "1531420618"),
    ]


SECRETS = st.text(min_size=4, max_size=200).map(lambda text: text.encode("utf-8", "ignore").decode() + "four")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    value=TEXT,
    kind=st.sampled_from(["json", "form", "raw"]),
    secret=SECRETS,
    algorithm=st.sampled_from(["sha256", "sha1", "sha512"]),
    encoding=st.sampled_from(["hex", "base64"]),
    payload=st.sampled_from(["{body}", "{timestamp}.{body}", "v0:{timestamp}:{body}", "{unique}.{timestamp}.{body}é"]),
)
def test_the_bytes_that_are_signed_are_the_bytes_that_are_sent(
    client_of: Any,
    server: Server,
    reference_target: Target,
    value: str,
    kind: str,
    secret: str,
    algorithm: str,
    encoding: str,
    payload: str,
):
    fields = {"id": "{unique}", "x": value}
    bodies: dict[str, Any] = {"json": fields, "form": fields, "raw": "{unique}" + value}
    headers = {"header": "X-Signature", "timestamp_header": "X-Timestamp", "prefix": "t={timestamp},v1="}
    signature = headers | {"secret": secret, "algorithm": algorithm, "encoding": encoding, "payload": payload}
    delivered = client_of(changed(reference_target, signature=signature, **{kind: bodies[kind]})).deliver("jira")
    _, _, headers, body = server.seen[-1]
    stamp = headers["X-Timestamp"]
    before, after = payload.replace("{unique}", delivered.id).replace("{timestamp}", stamp).split("{body}")
    digest = hmac_by_hand(secret.encode(), before.encode() + body + after.encode(), algorithm)
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert headers["X-Signature"] == f"t={stamp},v1={text}"


def test_each_integration_may_have_its_own_secret(client_of: Any, server: Server, reference_target: Target):
    signature = {"header": "X-Signature", "secret": "of all of them", "prefix": "sha256="}
    target = changed(reference_target, {"jira": {"secret": "of jira alone"}}, signature=signature)
    for name, secret in (("jira", b"of jira alone"), ("github", b"of all of them")):
        client_of(target).deliver(name)
        _, _, headers, body = server.seen[-1]
        assert headers["X-Signature"] == f"sha256={hmac_by_hand(secret, body, 'sha256').hex()}"
    assert {"of jira alone", "of all of them"} <= target.known_secrets
    assert "of jira alone" not in repr(target)
    assert "of all of them" not in repr(prepare(target, "github", "x"))


def test_a_forged_delivery_has_no_signature_or_another(client_of: Any, server: Server, reference_target: Target):
    target = changed(reference_target, signature={"header": "X-Signature", "secret": "the right one"})
    tried = client_of(target).deliver_forged("jira")
    assert list(tried) == ["unsigned", "signed with another key"]
    assert "X-Signature" not in server.seen[0][2]
    _, _, headers, body = server.seen[1]
    assert len(headers["X-Signature"]) == 64
    assert headers["X-Signature"] != hmac_by_hand(b"the right one", body, "sha256").hex()
    assert json.loads(body)["delivery_id"] == tried["signed with another key"].id
    with pytest.raises(StackError, match="not signed"):
        client_of(reference_target).deliver_forged("jira")


@pytest.mark.parametrize("timestamp_said_by", [{"prefix": "t={timestamp},"}, {"timestamp_header": "X-T"}])
def test_a_timestamp_that_is_signed_is_sent(timestamp_said_by: dict[str, str]):
    Signature.model_validate_json(
        json.dumps({"header": "X", "secret": "four", "payload": "{timestamp}{body}"} | timestamp_said_by)
    )


# --- the pace --------------------------------------------------------------------------------------------


def test_deliveries_keep_to_half_of_the_limit_beside_a_load(client_of: Any, reference_target: Target):
    client = client_of(changed(reference_target, rate_limit=40.0))
    moments = [client.deliver("jira").at - client.delivered[-1].answer.seconds for _ in range(4)]
    assert all(later - earlier >= 0.049 for earlier, later in itertools.pairwise(moments))

"""Probes and the load read every answer alike, whatever its charset, byte order mark or compression."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib
from typing import Any

import pytest
from support.answering_server import Server, reply
from support.load import after

from rollback_drills.clients.decoding import MOST_BYTES, text_of, value_of
from rollback_drills.clients.traffic import Sender, begin
from rollback_drills.target.target import Target

OK = '{"status": "ok", "at": "Zürich"}'
JSON = "application/json"


@pytest.mark.parametrize(
    ("content", "content_type", "content_encoding"),
    [
        (OK.encode(), JSON, ""),
        (OK.encode("utf-16"), f"{JSON}; charset=utf-16", ""),
        (OK.encode("utf-16-le"), f"{JSON}; charset=UTF-16LE", ""),
        (OK.encode("utf-16-be"), JSON, ""),
        (OK.encode("utf-32"), JSON, ""),
        (OK.encode("latin-1"), f'{JSON}; charset="ISO-8859-1"', ""),
        (codecs.BOM_UTF8 + OK.encode(), JSON, ""),
        (codecs.BOM_UTF8 + OK.encode(), f"{JSON}; charset=utf-8", ""),
        (codecs.BOM_UTF16_BE + OK.encode("utf-16-be"), f"{JSON}; charset=utf-8", ""),
        (gzip.compress(OK.encode()), JSON, "gzip"),
        (gzip.compress(OK.encode()[:9]) + gzip.compress(OK.encode()[9:]), JSON, "x-gzip"),
        (zlib.compress(OK.encode()), JSON, "deflate"),
        (zlib.compress(OK.encode())[2:-4], JSON, "Deflate"),
        (gzip.compress(zlib.compress(OK.encode("utf-16"))), f"{JSON}; charset=utf-16", "deflate, gzip"),
        (OK.encode(), f"{JSON}; charset=of-nobody", "identity"),
    ],
    ids=range(15),
)
def test_the_same_answer_in_another_dress_is_the_same(
    make: Any,
    sender: Sender,
    server: Server,
    reference_target: Target,
    content: bytes,
    content_type: str,
    content_encoding: str,
):
    headers = {"Content-Encoding": content_encoding} if content_encoding else {}
    server.reply = reply(200, content, content_type, **headers)
    assert make().request("GET", "/").body == json.loads(OK)
    assert make().healthy()
    health = [each for each in after(begin(sender, reference_target, server.url), 3) if each.kind == "health"]
    assert {(each.outcome, each.problem) for each in health} == {("good", "")}


@pytest.mark.parametrize(
    ("content", "content_encoding", "wrong"),
    [
        (b"plain", "gzip", "not compressed with gzip"),
        (gzip.compress(b"x" * 1000)[:-5], "gzip", "ends in its middle"),
        (gzip.compress(b"\0" * (MOST_BYTES + 1)), "gzip", "longer than"),
    ],
    ids=["not compressed", "cut", "bomb"],
)
def test_what_cannot_be_decompressed_is_no_answer(
    make: Any, server: Server, content: bytes, content_encoding: str, wrong: str
):
    server.reply = reply(200, content, **{"Content-Encoding": content_encoding})
    answer = make().request("GET", "/")
    assert not answer.answered
    assert wrong in answer.error


def test_an_unknown_compression_is_left_as_it_is():
    assert text_of(b"abc", "text/plain", "br") == "abc"


def test_a_body_is_parsed_where_it_says_that_it_is_json():
    assert value_of("1.0", 200, "text/plain") == "1.0"
    assert value_of("1.0", 200, "application/problem+JSON") == 1.0
    assert value_of("x" * 5000, 500, "text/html") == "x" * 2000


def test_a_failure_says_what_was_wrong_about_a_200(sender: Sender, server: Server, reference_target: Target):
    server.reply = reply(200, '{"status": "ill"}')
    requests = after(begin(sender, reference_target, server.url), 2)
    assert requests[0].problem == '200 with {"status": "ill"} instead of {"status": "ok"}'

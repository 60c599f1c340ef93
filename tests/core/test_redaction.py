"""Secrets do not survive being recorded, whatever shape they come in; everything else does."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollback_drills.core.redaction import MASK, Redactor

SECRETS = [
    # the text, what must not be left of it
    ("postgresql://user:hunter2@127.0.0.1:5432/db", "hunter2"),
    ("postgresql://user:hun@ter2@host/db", "ter2"),
    ("postgresql://user:hun:ter2@host/db", "ter2"),
    ("postgresql://user:p%40ss%3Aword@host/db", "ss"),
    ("postgresql+psycopg://:hunter2@host/db", "hunter2"),
    ("redis://:hunter2@host", "hunter2"),
    ("see (https://u:hunter2@host/x) and amqp://a:other77@b", "hunter2"),
    ("see (https://u:hunter2@host/x) and amqp://a:other77@b", "other77"),
    ("Authorization: Bearer abc.def-ghi", "abc.def"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("Authorization: dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("HTTP_AUTHORIZATION=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("Proxy-Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ('{"Authorization": "Basic dXNlcjpwYXNz"}', "dXNlcjpwYXNz"),
    ("{'Authorization': 'Bearer dXNlcjpwYXNz'}", "dXNlcjpwYXNz"),
    (json.dumps(json.dumps({"Authorization": "Basic dXNlcjpwYXNz"})), "dXNlcjpwYXNz"),
    ("curl -H 'authorization: bearer dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
    ("sent bearer dXNlcjpwYXNz there", "dXNlcjpwYXNz"),
    ("password=hunter2", "hunter2"),
    ("password = hunter2", "hunter2"),
    ("PASSWORD: hunter2", "hunter2"),
    ('password="hunter 2"', "2"),
    ("password='hunter 2'", "2"),
    (r'password="hun\"ter2"', "ter2"),
    ('{"password": "hunter2"}', "hunter2"),
    ('{"password":"hun\\"ter2","user":"u"}', "ter2"),
    (json.dumps({"line": json.dumps({"password": "hunter 2"})}), "2"),
    ("{'db_password': 'hunter2'}", "hunter2"),
    ("PGPASSWORD=hunter2 psql", "hunter2"),
    ("POSTGRES_PASSWORD=hunter2", "hunter2"),
    ("export GITHUB_TOKEN=abcdef", "abcdef"),
    ("AWS_SECRET_ACCESS_KEY=abc/def+x", "abc/def"),
    ("MY_API_KEY=abcdef", "abcdef"),
    ("X-Api-Key: abcdef", "abcdef"),
    ("client.secret-value=abcdef", "abcdef"),
    ("https://host/path?token=abcdef&x=1", "abcdef"),
    ("passwd: hunter2", "hunter2"),
    ("passphrase=hunter2", "hunter2"),
    ("STRIPE_KEY=abcdef", "abcdef"),
    ("SENTRY_DSN: 'https://abcdef@sentry.io/1'", "abcdef"),
    ('{"APP_DB_PWD": "abcdef"}', "abcdef"),
    ("BASIC_AUTH=abcdef", "abcdef"),
    ("Cookie: session=abcdef; theme=dark", "abcdef"),
    ("set-cookie: id=abcdef; Path=/", "abcdef"),
    ("POSTGRES_PASSWORD=postgres", "=postgres"),
    ("ghp_abcdefghijklmnopqrstuvwxyz012345", "ghp_"),
    ("xoxb-1234567890-abc", "xoxb"),
    ("AKIAIOSFODNN7EXAMPLE", "AKIA"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdef", "eyJ"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
    ("-----BEGIN PRIVATE KEY-----\nMIIabc", "MIIabc"),
]

HARMLESS = [
    "",
    "on",
    "HTTP/1.1 503 Service Unavailable",
    "http://127.0.0.1:8000/health",
    "http://[::1]:8000/health",
    "https://user@host/path",
    "mail somebody@example.org: it is down",
    "0011 -> 0012 (head), delivery volume by status",
    "the token bucket is empty",
    "PRIMARY KEY (id), key: value, FOREIGN_KEY = id, PRIMARY_KEY=id",
    "the author: A. Key, PWD=/tmp/run",
    "postgres: PostgreSQL 15.20 in rollback-drills/postgres:15",
    "passwordless login for peers",
    "{'status': 503, 'body': {'detail': 'integration disabled'}}",
    "SELECT delivery_id FROM deliveries WHERE delivery_id = ANY(%(ids)s)",
    "/tmp/run/releases/0.5.0/migrations/versions/0001_deliveries.py",
    "ratio 3:4, at 12:30:01",
    "naïve ünïcödé ✓ \U0001f600",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_what_has_the_shape_of_a_secret_is_masked(text: str, secret: str):
    masked = Redactor().text(text)
    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_unchanged(text: str):
    assert Redactor(["hunter2", "on", ""]).text(text) == text


def test_an_ordinary_word_is_masked_only_where_it_is_a_password():
    redactor = Redactor()
    for value in ("postgres", "admin", "12345", "real-s3cret"):
        redactor.add_known(value)
    assert (
        redactor.text("postgres: PostgreSQL 15, admin of 12345 rows") == "postgres: PostgreSQL 15, admin of 12345 rows"
    )
    assert redactor.text("postgresql://postgres:postgres@db/postgres") == f"postgresql://postgres:{MASK}@db/postgres"
    assert redactor.text("POSTGRES_PASSWORD=postgres, DB_PWD=12345") == f"POSTGRES_PASSWORD={MASK}, DB_PWD={MASK}"
    assert redactor.text("a real-s3cret b") == f"a {MASK} b"


def test_values_under_the_names_of_variables_are_blanked_and_keys_of_data_are_not():
    given = {"STRIPE_KEY": "a", "X-Auth": "b", "primary_key": "c", "key": "d", "EVENT_KEY": "e"}
    assert Redactor().json(given) == {**given, "STRIPE_KEY": MASK, "X-Auth": MASK}


def test_what_surrounds_a_secret_stays_readable():
    redactor = Redactor()
    assert redactor.text("postgresql://user:x@host:5432/db") == f"postgresql://user:{MASK}@host:5432/db"
    assert redactor.text("password=x, user=y") == f"password={MASK}, user=y"
    assert redactor.text('{"token":"x","rows":3}') == f'{{"token":{MASK},"rows":3}}'


def test_the_longest_literal_goes_first():
    for literals in (["secr-et1", "secr-et1-longer"], ["secr-et1-longer", "secr-et1"]):
        assert Redactor(literals).text("a secr-et1-longer b secr-et1 c") == f"a {MASK} b {MASK} c"


def test_literals_are_found_as_urls_and_json_write_them():
    redactor = Redactor(['p@ss"w/rd é'])
    assert MASK in redactor.text("x p%40ss%22w%2Frd%20%C3%A9 y")
    assert MASK in redactor.text(json.dumps(['p@ss"w/rd é']))


def test_literals_too_short_to_be_secrets_are_left():
    assert Redactor(["", "on", "abc"]).text("on abc") == "on abc"


def test_a_mask_is_never_masked_again():
    assert Redactor(["redacted", "[red", MASK]).text(f"x {MASK} y") == f"x {MASK} y"


def test_values_under_secret_names_go_whole():
    value = {"db_password": "x", "tokens": ["a", {"b": "c"}], "token_count": 3, "name": "n", "API-Key": None}
    assert Redactor().json(value) == {
        "db_password": MASK,
        "tokens": [MASK, {"b": MASK}],
        "token_count": 3,
        "name": "n",
        "API-Key": None,
    }


def test_keys_are_masked_without_losing_an_entry():
    assert len(Redactor(["hunter22", "hunter33"]).json({"hunter22": 1, "hunter33": 2, "plain": 3})) == 3


def test_what_follows_a_secret_option_is_masked():
    redactor = Redactor()
    argv = ["tool", "--password", "hunter2", "--user", "u", "--token=abc", "-p", "x"]
    assert redactor.arguments(argv) == ("tool", "--password", MASK, "--user", "u", f"--token={MASK}", "-p", "x")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_know_become_text(number: float):
    value = Redactor().json({"a": [number], "password": number})
    assert json.dumps(value, allow_nan=False) == json.dumps({"a": [str(number)], "password": str(number)})


def test_lone_surrogates_are_written_out():
    assert Redactor().json({"k\udc80": "v\ud800"}) == {"k\\udc80": "v\\ud800"}


WORDS = """password token secret authorization basic api_key eyJ AKIA [redacted] http :// a x@y = : " ' [ ] / , ; - ."""
PIECES = st.sampled_from([*WORDS.split(), "bearer ", " ", "\n", "\\"])
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=14).map("".join)
LITERALS = st.lists(st.text("abcxyz0-", min_size=4, max_size=8), max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(TEXTS, LITERALS)
@example("token=authorization: x", [])
@example("authorization: bearer bearer abcdefghi", [])
def test_redacting_twice_changes_nothing(text: str, literals: list[str]):
    redactor = Redactor(literals)
    once = redactor.text(text)
    assert redactor.text(once) == once


@given(TEXTS, TEXTS, st.text(min_size=4, max_size=12).filter(lambda text: text not in MASK and "[" not in text))
def test_a_literal_never_survives_in_text(before: str, after: str, literal: str):
    assume_not_straddling = "]" not in literal
    masked = Redactor([literal]).text(f"{before}{literal}{after}")
    if assume_not_straddling and literal.isprintable() and literal.isascii():
        assert literal not in masked.replace(MASK, "\0")


@given(JSON, st.text("abcxyz-", min_size=4, max_size=8))
def test_a_literal_never_survives_in_json(value: object, literal: str):
    document = {"value": value, f"key {literal}": [f"x{literal}y", {"deep": literal}]}
    masked = Redactor([literal]).json(document)
    assert literal not in json.dumps(masked, allow_nan=False)


@given(JSON)
def test_redacted_json_can_be_written_and_keeps_its_shape(value: object):
    masked = Redactor().json(value)
    json.dumps(masked, allow_nan=False).encode()
    if isinstance(value, list | dict):
        assert len(masked) == len(value)


BEGINNINGS = r"""
    a. a- a a: token token- token= token=" token=' token=\" token="\ password\ \ api secret. eyJ eyJaaaaaaaa. AKIA ghp_
    xoxb- authorization authorization: bearer :// a:// a://b: a://b:c http://u: @
"""
ADVERSARIAL = [
    *BEGINNINGS.split(),
    *("token ", "token: ", "authorization: bearer ", "bearer ", " ", "\n"),
    *("-----BEGIN ", "-----BEGIN PRIVATE KEY-----"),
]


@pytest.mark.parametrize("piece", ADVERSARIAL)
def test_adversarial_text_takes_linear_time(piece: str):
    """100 kB of each: with quadratic patterns any one of these takes minutes instead of milliseconds."""
    redactor = Redactor(["some-literal", "another"])
    text = piece * (100_000 // len(piece))
    for variant in (text, text + "=", "token=" + text, "token " + text + '"'):
        redactor.text(variant)

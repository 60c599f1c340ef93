"""Which names say secret, and what of their values is one."""

from __future__ import annotations

import pytest

from rollback_drills.core.secret_names import is_ordinary, says_secret, secrets_in, secrets_of

NAMES = """
PASSWORD DB_PASSWORD PGPASSWORD PASSPHRASE GPG_PASSPHRASE SECRET CLIENT_SECRET API_TOKEN TOKEN_2 CREDENTIALS API_KEY
apiKey
STRIPE_KEY KEY SECRET_KEY SENTRY_DSN DSN DB_PWD SESSION_COOKIE Cookie Set-Cookie Authorization X-Auth BASIC_AUTH
X-Gitlab-Token X-Api-Key authToken AWS_SECRET_ACCESS_KEY
"""
OTHERS = """
DATABASE_URL LOG_LEVEL TOKEN_TTL PASSWORD_POLICY PRIMARY_KEY Idempotency-Key X-Event-Key AUTH_MODE AUTHOR KEYBOARD
MONKEY
Content-Type TOKENIZER password_variable PORT
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_a_name_that_says_secret(name: str):
    assert says_secret(name)


@pytest.mark.parametrize("name", OTHERS.split())
def test_a_name_that_does_not(name: str):
    assert not says_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "secrets"),
    [
        ("API_KEY", "abc-123", {"abc-123"}),
        ("LEVEL", "abc-123", set()),
        ("Authorization", "Bearer abc-123", {"Bearer abc-123", "abc-123"}),
        ("Cookie", "id=abc-123; a=b", {"id=abc-123; a=b", "abc-123"}),
        ("REDIS_URL", "redis://:p%40ss-1@cache/0", {"p%40ss-1", "p@ss-1"}),
        ("DATABASE_URL", "postgresql://postgres:postgres@db/postgres", set()),
        ("API_KEY", "{unique}", set()),
        ("API_KEY", "brace{{abc-123", {"brace{abc-123"}),
        ("DSN", "postgresql://{database_user}:{database_password}@{database_host}/x", set()),
        ("TOKEN", "{integration}-abc0123456789", {"-abc0123456789"}),
        ("API_KEY", "true", set()),
        ("POSTGRES_PASSWORD", "postgres", set()),
    ],
)
def test_what_of_a_value_is_secret(name: str, value: str, secrets: set[str]):
    assert {each for each in secrets_of(name, value) if len(each) > 1 and not is_ordinary(each)} == secrets


def test_a_table_of_tables():
    table = {"user": {"name": "somebody", "password": "abc-123"}, "list": [{"token": "abc-456"}], "port": 1}
    assert set(secrets_in(table)) == {"abc-123", "abc-456"}

"""The words that say why a program failed, out of everything that it wrote."""

from __future__ import annotations

import pytest

from rollback_drills.core.last_words import decisive

TRACEBACK = """\
INFO: starting
Traceback (most recent call last):
  File "/app/gateway.py", line 3, in <module>
    import library
ModuleNotFoundError: No module named 'library'
"""
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in f
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 5, in <module>
app.errors.ConfigurationProblem: SECRET_KEY is not set
INFO: shutting down
"""
VALIDATION = """\
Traceback (most recent call last):
  File "settings.py", line 9, in <module>
    Settings()
pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings
database_url
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.9/v/missing
hook_gamma
  Extra inputs are not permitted [type=extra_forbidden, input_value='on', input_type=str]
    For further information visit https://errors.pydantic.dev/2.9/v/extra_forbidden
"""
PSQL = """\
SET
psql:backup.sql:31: ERROR:  relation "events" already exists
psql:backup.sql:40: ERROR:  multiple primary keys for table "events" are not allowed
COPY 3
"""


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (TRACEBACK, "ModuleNotFoundError: No module named 'library'"),
        (CHAINED, "app.errors.ConfigurationProblem: SECRET_KEY is not set"),
        (
            VALIDATION,
            "pydantic_core._pydantic_core.ValidationError: 2 validation errors for Settings database_url Field "
            "required [type=missing, input_value={}, input_type=dict] hook_gamma Extra inputs are not permitted "
            "[type=extra_forbidden, input_value='on', input_type=str]",
        ),
        (PSQL, 'psql:backup.sql:31: ERROR:  relation "events" already exists'),
        ('FATAL:  role "x" does not exist\nbye\n', 'FATAL:  role "x" does not exist'),
        ("a\nb\n\n", "b"),
        ("", ""),
    ],
    ids=["exception", "chained", "validation", "psql", "server", "plain", "nothing"],
)
def test_the_decisive_words(log: str, words: str):
    assert decisive(log) == words

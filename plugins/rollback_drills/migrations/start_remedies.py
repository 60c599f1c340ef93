"""What to do where env.py fails before any migration runs: recognised in its last words."""

from __future__ import annotations

import re

_ADDRESS = "{user}:{password}@{host}:{port}/{database}"
_DRIVERS = ("psycopg2", "psycopg", "asyncpg", "pg8000")
_NO_MODULE = re.compile(r"No module named ['\"](?P<name>[\w.]+)")
_SCHEME = re.compile(r"\b(postgres(?:ql)?(?:\+\w+)?)(?::|\b)")
_MISSING_SETTING = re.compile(
    r"^\s*(?P<pydantic>[A-Za-z_]\w*)\n\s+(?:Field required|field required)|KeyError: ['\"](?P<key>[A-Z][A-Z0-9_]+)['\"]"
    r"|(?:environment variable|env(?:ironment)? var|variable|setting)s?[ :]+['\"`]?(?P<named>[A-Z][A-Z0-9_]{2,})"
    r"|['\"`]?(?P<subject>[A-Z][A-Z0-9]*_[A-Z0-9_]+)['\"`]?\s+"
    r"(?:environment variable|(?:must|is|was) (?:be )?(?:not )?(?:set|defined|required|missing))",
    re.MULTILINE,
)
_NO_APPLICATION = re.compile(r"NoAppException|outside of application context|Failed to find Flask application")
_ABOUT_DRIVER = re.compile(
    r"No module named ['\"](?:psycopg2|psycopg|asyncpg|pg8000)|requires an async driver|greenlet_spawn has not been"
    r"|MissingGreenlet|Can't load plugin: sqlalchemy\.dialects|is not async"
)


def is_about_the_driver(words: str) -> bool:
    """Whether another driver may start env.py: it wants another one, or another scheme of the URL."""
    return bool(_ABOUT_DRIVER.search(words)) or bool(schemes_in(words))


def schemes_in(words: str) -> tuple[str, ...]:
    """The URL schemes of PostgreSQL that env.py names where it refuses one."""
    if not re.search(r"(?i)scheme|dialect|driver|must (?:start|begin|use|be)|expected|startswith", words):
        return ()
    return tuple(dict.fromkeys(each for each in _SCHEME.findall(words) if each != "postgres"))


def remedy_for(words: str, env: str) -> str:
    """What to do, as a phrase.

    Args:
        words: type and message of the error with which env.py ended.
        env: the text of env.py.
    """
    if _NO_APPLICATION.search(words):
        return "name the Flask application, as for `flask db upgrade`: --drill-alembic-env FLASK_APP=PACKAGE:create_app"
    missing = _NO_MODULE.search(words)
    if missing is not None:
        name = missing["name"].partition(".")[0]
        what = "the driver" if name in _DRIVERS else "the module"
        return f"name with --drill-alembic-python an interpreter that has {what} {name}, and what else env.py imports"
    if schemes := schemes_in(words):
        return f"give env.py the URL as it wants it: --drill-alembic-env 'DATABASE_URL={schemes[0]}://{_ADDRESS}'"
    if re.search(r"get_x_argument|\b[xX][- ]?arg", env + words) and re.search(r"KeyError|x[- ]arg|-x\b", words):
        name = _key(words) or "NAME"
        return f"give env.py its argument: --drill-alembic-x {name}=VALUE ({{url}} and its parts are replaced)"
    if setting := _setting(words):
        return f"give env.py its setting: --drill-alembic-env {setting}=VALUE ({{url}} and its parts are replaced)"
    return (
        "run `alembic upgrade head` by hand; what it needs from its environment is given with --drill-alembic-env,"
        " --drill-alembic-x and --drill-alembic-python"
    )


def _setting(words: str) -> str:
    match = _MISSING_SETTING.search(words)
    return next((value for value in match.groups() if value), "").upper() if match else ""


def _key(words: str) -> str:
    match = re.search(r"KeyError: ['\"]([\w-]+)['\"]", words)
    return match[1] if match else ""

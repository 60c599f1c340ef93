"""What to do where alembic's own words are known; it runs in the release's Python, so its text is all there is."""

from __future__ import annotations

import re

NO_MODULE = re.compile(r"No module named ['\"]?(?P<name>[\w.]+)")
_NO_PROGRAM = re.compile(r"alembic: (?:command )?not found|\"alembic\": executable file not found")
_NO_CONFIGURATION = re.compile(r"No config file '|No 'script_location' key found|Path doesn't exist: ")


def remedy_in(output: str, release: str) -> str:
    """A sentence, empty where alembic says nothing that is known."""
    missing = NO_MODULE.search(output)
    if missing is not None and missing["name"] != "alembic":
        package = missing["name"].partition(".")[0]
        return (
            f"env.py, or what it imports, needs {package!r}: add it to the requirements of release {release} "
            "(requirements under [python]) if it is a package; if it is the release's own, correct directory under "
            "[migrations], or give PYTHONPATH under [gateway.env]"
        )
    if missing is not None or _NO_PROGRAM.search(output):
        return (
            f"add alembic to the requirements of release {release} (requirements under [python]), or let command under "
            '[migrations] name one that is there, such as command = ["/opt/tools/bin/alembic"]'
        )
    if _NO_CONFIGURATION.search(output):
        return "correct directory under [migrations]: where alembic.ini lies in the release's tree"
    return ""

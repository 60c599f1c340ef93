"""Remedies for known errors of alembic, recognised in its output: it runs in the release's own Python."""

from __future__ import annotations

import re

NO_MODULE = re.compile(r"No module named ['\"]?(?P<name>[\w.]+)")
_NO_PROGRAM = re.compile(r"alembic: (?:command )?not found|\"alembic\": executable file not found")
_NO_EXTENSION = re.compile(
    r"extension \"(?P<name>[\w-]+)\" is not available|extension control file \"[^\"]*/(?P<file>[\w-]+)\.control"
)
_NO_CONFIGURATION = re.compile(r"No config file '|No 'script_location' key found|Path doesn't exist: ")


def remedy_in(output: str, release: str) -> str:
    """What to do, as a phrase; empty for an unknown error."""
    missing = NO_MODULE.search(output)
    if missing is not None and missing["name"] != "alembic":
        package = missing["name"].partition(".")[0]
        return (
            f"env.py, or a module that it imports, needs {package!r}: if it is a package, add it to the requirements "
            f"of release {release} (requirements under [python]); if it is the release's own, correct directory under "
            "[migrations], or set PYTHONPATH under [gateway.env]"
        )
    if missing is not None or _NO_PROGRAM.search(output):
        return (
            f"add alembic to the requirements of release {release} (requirements under [python]), or name an installed "
            'one with command under [migrations], such as command = ["/opt/tools/bin/alembic"]'
        )
    extension = _NO_EXTENSION.search(output)
    if extension is not None:
        return (
            f"drill on a PostgreSQL that has the extension {extension['name'] or extension['file']}: name the programs "
            'of an installed one, such as bin_dir = "/usr/lib/postgresql/16/bin" under [database] (Debian\'s package '
            "postgresql has all contrib extensions), or use --drill-runtime=docker"
        )
    if _NO_CONFIGURATION.search(output):
        return "correct directory under [migrations]: it must contain alembic.ini"
    return ""

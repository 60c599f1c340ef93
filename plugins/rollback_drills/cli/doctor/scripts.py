"""Where a release's migration scripts are: drills add scripts to that directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from pydantic import BaseModel, ValidationError

from rollback_drills.cli.doctor.diagnosis import Diagnosis
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.migrations import JOINT, is_read
from rollback_drills.runtimes.protocols import ReleaseCommand

_LISTED = 6  # file names that are listed

# Run by the release's Python in its tree or image: standard library only, and without braces, which are placeholders.
_PROGRAM = r"""
import json, os, re, sys
directory, heads = sys.argv[1], sys.argv[2:]
there = sorted(os.listdir(directory)) if os.path.isdir(directory) else None
skipped = "__pycache__", "node_modules", "site-packages", "proc", "sys"
found, looked_at = [], 0
for at, names, files in os.walk("."):
    names[:] = [each for each in names if each[0] != "." and each not in skipped]
    for name in files:
        if not name.endswith(".py") or looked_at > 20000:
            continue
        looked_at += 1
        path = os.path.join(at, name)
        with open(path, errors="replace") as stream:
            said = re.search(r"^revision\s*(?::[^=\n]*)?=\s*[\"']([^\"'\n]+)[\"']", stream.read(100000), re.M)
        if said and said[1] in heads:
            found.append([said[1], os.path.relpath(path)])
print(json.dumps(dict(here=os.getcwd(), there=there, found=found)))
"""


class _Seen(BaseModel):
    """The program's output: its directory, the contents of ``versions`` (None: it does not exist), and scripts."""

    here: str
    there: list[str] | None
    found: list[tuple[str, str]]


def examine_scripts(lab: Lab, stack: Stack, heads: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Check that Alembic reads ``migrations.versions``, and else look for the scripts of each release's heads.

    Args:
        heads: by release; ``base`` if it has no scripts.
    """
    for release, head in heads.items():
        if head != "base":
            yield _examine(lab, stack, release, head.split(JOINT))


def _examine(lab: Lab, stack: Stack, release: str, heads: Sequence[str]) -> Diagnosis:
    title, versions = f"{release}: scripts", lab.target.migrations.versions
    argv = ["{python}", "-c", _PROGRAM, *(each.replace("{", "{{").replace("}", "}}") for each in (versions, *heads))]
    result = stack.commands.run(ReleaseCommand(release, argv), timeout=lab.target.migrations.timeout)
    try:
        seen = _Seen.model_validate(json.loads(result.stdout.strip().rpartition("\n")[2]))
    except (ValueError, ValidationError):
        seen = None
    directory = PurePosixPath(versions)
    inside = [path for _, path in seen.found if PurePosixPath(path).parent == directory] if seen else []
    # Alembic may read the directory all the same (a link, version_locations); only Alembic knows.
    if inside or is_read(stack.commands, stack.alembic, lab.target, release):
        return Diagnosis(title, "ok", f"alembic reads {versions}" + (f", which has {inside[0]}" if inside else ""))
    what = f"alembic does not read {versions}, and would ignore the scripts that drills add there"
    if seen is None:
        return Diagnosis(title, "problem", f"{what}\n{result.output}".strip(), _fix(()))
    return Diagnosis(
        title, "problem", f"{what}\n{_found(seen, versions, heads)}", _fix([path for _, path in seen.found])
    )


def _found(seen: _Seen, versions: str, heads: Sequence[str]) -> str:
    looked = f"looked in {PurePosixPath(seen.here) / versions}: {_contents(seen.there)}"
    which = f"the script of the head {heads[0]}" if len(heads) == 1 else f"the scripts of the heads {', '.join(heads)}"
    paths = ", ".join(path for _, path in seen.found)
    return f"{looked}\n{which}: {paths}" if paths else f"{looked}\n{which} is nowhere below {seen.here}"


def _contents(there: list[str] | None) -> str:
    if there is None:
        return "it does not exist"
    there = [each for each in there if each != "__pycache__"]
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return f"it contains {', '.join(there[:_LISTED])}{more}" if there else "it is empty"


def _fix(found: Sequence[str]) -> str:
    """Any of several directories will do, since Alembic reads them all."""
    places = sorted({str(PurePosixPath(path).parent) for path in found})
    if not places:
        return "correct versions under [migrations]: the directory of the scripts, relative to the release's tree"
    return f"set versions = {json.dumps(places[0])} under [migrations]"

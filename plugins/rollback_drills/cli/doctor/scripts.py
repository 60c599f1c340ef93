"""Where a release's migration scripts are: drills put scripts of their own beside them."""

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

_LISTED = 6  # names of files that are quoted

# Run by the release's Python in its own tree or image: standard library only, and no braces, which are placeholders.
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
    """What the program says: its directory, the names in the one of the scripts (None: there is none), and scripts."""

    here: str
    there: list[str] | None
    found: list[tuple[str, str]]


def examine_scripts(lab: Lab, stack: Stack, heads: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Hold ``migrations.versions`` against where the scripts of each release's heads are.

    Args:
        heads: by release; ``base`` where it has no script.
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
    # What was not found there may be read all the same (a link, version_locations); only alembic knows.
    if inside or is_read(stack.commands, stack.alembic, lab.target, release):
        return Diagnosis(title, "ok", f"alembic reads {versions}" + (f", which has {inside[0]}" if inside else ""))
    what = f"alembic does not read {versions}, and so none of the scripts that drills put there"
    if seen is None:
        return Diagnosis(title, "problem", f"{what}\n{result.output}".strip(), _fix(()))
    return Diagnosis(
        title, "problem", f"{what}\n{_told(seen, versions, heads)}", _fix([path for _, path in seen.found])
    )


def _told(seen: _Seen, versions: str, heads: Sequence[str]) -> str:
    looked = f"looked in {PurePosixPath(seen.here) / versions}: {_contents(seen.there)}"
    which = f"the script of the head {heads[0]}" if len(heads) == 1 else f"the scripts of the heads {', '.join(heads)}"
    paths = ", ".join(path for _, path in seen.found)
    return f"{looked}\n{which}: {paths}" if paths else f"{looked}\n{which} was found nowhere below {seen.here}"


def _contents(there: list[str] | None) -> str:
    if there is None:
        return "there is no such directory"
    there = [each for each in there if each != "__pycache__"]
    more = f" and {len(there) - _LISTED} more" if len(there) > _LISTED else ""
    return f"there are {', '.join(there[:_LISTED])}{more}" if there else "it is empty"


def _fix(found: Sequence[str]) -> str:
    """Of several places none is better than the others: they are all read."""
    places = sorted({str(PurePosixPath(path).parent) for path in found})
    if not places:
        return "correct versions under [migrations]: the directory of the scripts, from the root of the release's tree"
    return f"write versions = {json.dumps(places[0])} under [migrations]"

"""``rollback-drills init``: drafts a target file for a project."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rollback_drills.cli.exit_codes import OK, USAGE

TARGET = "target.toml"


def add_to(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=Path,
        default=Path(),
        help="the project's directory; default: the current one",
    )
    parser.set_defaults(perform=perform)


def perform(options: argparse.Namespace) -> int:
    from rollback_drills.cli.init import SCHEMA, draft_target, survey
    from rollback_drills.target.target import Target

    root: Path = options.path
    if not root.is_dir():
        return _refuse(f"{root} is not a directory", "name the directory of the project")
    file, schema = root / TARGET, root / SCHEMA
    if file.exists():
        return _refuse(f"{file} already exists", "move it away; nothing is overwritten")
    found = survey(root)
    draft = draft_target(found)
    try:
        _write(file, draft.text)
        if not schema.exists():
            _write(schema, json.dumps(Target.model_json_schema(), indent=2) + "\n")
    except OSError as error:
        return _refuse(f"{error.filename} cannot be written: {error.strerror}", "make the directory writable")
    print(f"wrote {file}, and {schema.name} for editors")
    for problem in found.problems:
        print(f"  could not be read: {problem}")
    print(f"  keys: {len(draft.of('found'))} found, {len(draft.of('guessed'))} guessed")
    if draft.of("fill in"):
        print("  to fill in:")
        for key, note in draft.of("fill in"):
            print(f"    {key}: {note}")
    print(f"next: fill in what is marked, then `rollback-drills doctor --target {file}`")
    return OK


def _write(file: Path, text: str) -> None:
    with file.open("x", encoding="utf-8") as stream:  # fails if another process has created it in the meantime
        stream.write(text)


def _refuse(what: str, fix: str) -> int:
    print(f"rollback-drills init: {what}\nTo fix this: {fix}", file=sys.stderr)
    return USAGE

"""Where in the sources a finding belongs: written as SARIF (``--drill-sarif``) and as workflow commands of GitHub."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import TargetError

if TYPE_CHECKING:
    from rollback_drills.evidence.model import DrillEvidence, Finding
    from rollback_drills.evidence.run import RunEvidence
    from rollback_drills.migrations.scripts import Scripts
    from rollback_drills.report.formats.sarif import Annotation, Place
    from rollback_drills.target.target import Target

_LINE = re.compile(r"\bat line (\d+)\b")
_OF_UPGRADE = ("upgrade-", "revision-id", "revision-unproven", "seed-", "old-release")


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-sarif",
        metavar="FILE",
        help="write the findings as SARIF 2.1.0, each on the line of the script that causes it",
    )


def annotate(config: pytest.Config, run: RunEvidence, target: Target, scripts: Scripts | None) -> list[str]:
    """Write the file of ``--drill-sarif``; the lines for a workflow of GitHub Actions.

    Raises:
        TargetError: the file cannot be written.
    """
    named = config.getoption("drill_sarif")
    in_workflow = os.environ.get("GITHUB_ACTIONS") == "true"
    if not named and not in_workflow:
        return []
    from rollback_drills.report.formats.sarif import annotations_of, sarif, workflow_commands

    found: list[Annotation] = annotations_of(run, _ScriptPlaces(target, scripts).place_of)
    if named:
        file = Path(config.invocation_params.dir, named)
        try:
            file.write_text(sarif(run, found), encoding="utf-8")
        except OSError as error:
            fix = "name a file in an existing directory"
            raise TargetError(f"{file} cannot be written: {error.strerror}", fix=fix) from None
    return list(workflow_commands(found)) if in_workflow else []


class _ScriptPlaces:
    """The scripts of a run, and the file that stands for everything else: the target's."""

    def __init__(self, target: Target, scripts: Scripts | None) -> None:
        self._file = target.file
        self._root = Path(os.environ.get("GITHUB_WORKSPACE") or _repository(target.here)).resolve()
        self._paths: dict[str, Path] = {each.id: each.path for each in scripts.scripts} if scripts is not None else {}

    def place_of(self, drill: DrillEvidence, finding: Finding) -> Place:
        from rollback_drills.report.formats.sarif import Place

        path = self._paths.get(finding.subject) or self._named(finding.detail)
        if path is None or not path.is_file():
            return Place(self._relative(self._file), 1)
        stated = _LINE.search(finding.detail)
        line = int(stated[1]) if stated else _line_of(path, finding, drill)
        return Place(self._relative(path), line)

    def _named(self, detail: str) -> Path | None:
        """The script that a finding of the history as a whole names."""
        files: dict[str, Path] = {path.name: path for path in self._paths.values()}
        directories: set[Path] = {path.parent for path in self._paths.values()}
        for name in re.findall(r"[\w.-]+\.py\b", detail):
            candidates = [files[name]] if name in files else [each / name for each in directories]
            for path in candidates:
                if path.is_file():
                    return path
        return None

    def _relative(self, path: Path) -> str:
        try:
            return path.resolve().relative_to(self._root).as_posix()
        except ValueError:
            return path.as_posix()


def _line_of(path: Path, finding: Finding, drill: DrillEvidence) -> int:
    """The statement that took a blocking lock; else where the function that is to blame begins."""
    if finding.code == "migration-blocks-production":
        lines = [lock.line for each in drill.revisions for lock in each.locks if lock.blocks and lock.line]
        if lines:
            return lines[0]
    upgrades = finding.code.startswith(_OF_UPGRADE) or "the upgrade fails" in finding.detail
    functions = _functions(path)
    return functions.get("upgrade" if upgrades else "downgrade") or functions.get("upgrade") or 1


def _functions(path: Path) -> Mapping[str, int]:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return {}
    return {node.name: node.lineno for node in tree.body if isinstance(node, ast.FunctionDef)}


def _repository(here: Path) -> Path:
    """The nearest directory upwards that is a repository; the directory itself where there is none."""
    return next((each for each in (here, *here.parents) if (each / ".git").exists()), here)

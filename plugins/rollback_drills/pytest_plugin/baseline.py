"""Findings of migrations that are accepted as they are (``--drill-baseline``): new ones fail, and so do those of a
script that was changed since.

The file has an entry for each revision and code, with the SHA-256 of the script. It is read and written here, in every
process alike; a finding that it accepts is recorded like any other accepted risk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rollback_drills.core.errors import TargetError

if TYPE_CHECKING:
    from rollback_drills.evidence.model import DrillEvidence
    from rollback_drills.evidence.run import RunEvidence
    from rollback_drills.migrations.scripts import Scripts
    from rollback_drills.target.accepted import Accepted

_DRILLS = "*test_reversibility*"
WAITING = "lock-timeout-missing"  # of the history as a whole, accepted revision by revision
_VERSION = 1


def add_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--drill-baseline",
        metavar="FILE",
        help="findings of migrations that are accepted as long as their scripts stay as they are; new ones fail",
    )
    group.addoption(
        "--drill-baseline-write",
        action="store_true",
        default=False,
        help="accept every finding of this run, and write them to the file of --drill-baseline",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding of a revision; ``script`` is the SHA-256 of the script, both are empty for the history as a whole."""

    finding: str
    revision: str = ""
    script: str = ""


class Baseline:
    """The file of ``--drill-baseline``; empty without the option.

    Raises:
        TargetError: it cannot be read, or is to be written and not named.
    """

    def __init__(self, config: pytest.Config) -> None:
        given = config.getoption("drill_baseline")
        self.writes: bool = config.getoption("drill_baseline_write")
        if self.writes and not given:
            raise TargetError("--drill-baseline-write names no file", fix="name it with --drill-baseline FILE")
        self.file = Path(config.invocation_params.dir, given) if given else None
        self.entries: tuple[Entry, ...] = ()
        if self.file is not None and not (self.writes and not self.file.exists()):
            self.entries = tuple(_read(self.file))

    def accepted(self, scripts: Scripts | None) -> list[Accepted]:
        """The entries as accepted risks; without those whose scripts have changed."""
        from rollback_drills.evidence.findings.catalogue import CATALOGUE
        from rollback_drills.target.accepted import Accepted

        assert self.file is not None
        chosen = [Entry(code) for code in CATALOGUE] if self.writes else list(self._valid(scripts))
        return [
            Accepted(
                finding=each.finding,
                reason=f"in the baseline {self.file.name}",
                owner="baseline",
                until=date.max,
                drill=_DRILLS if self.writes or each.revision else f"{_DRILLS}_*",
                subject=each.revision or None,
            )
            for each in chosen
            if each.finding != WAITING or self.writes
        ]

    def waiting(self, scripts: Scripts | None) -> frozenset[str]:
        """The revisions that are known to wait for locks without a limit."""
        return frozenset(each.revision for each in self._valid(scripts) if each.finding == WAITING)

    def _valid(self, scripts: Scripts | None) -> Iterable[Entry]:
        hashes = hashes_of(scripts)
        return (each for each in self.entries if hashes.get(each.revision, "") == each.script)

    def gone(self, run: RunEvidence) -> list[Entry]:
        """The entries that this run would have found again, and has not."""
        found = set(_findings(run.drills))
        proven = {each.revision for drill in run.drills for each in drill.revisions if each.verdict != "unproven"}
        return [each for each in self.entries if each.revision in proven and (each.finding, each.revision) not in found]

    def write(self, run: RunEvidence, scripts: Scripts | None) -> str:
        """Write every finding of a run; a sentence that says so. Revisions that were not proven keep their entries.

        Raises:
            TargetError: the file cannot be written.
        """
        assert self.file is not None
        hashes = hashes_of(scripts)
        proven = {each.revision for drill in run.drills for each in drill.revisions} | {""}
        kept = {each for each in self.entries if each.revision not in proven}
        entries = {Entry(code, revision, hashes.get(revision, "")) for code, revision in _findings(run.drills)} | kept
        places = {each.id: number for number, each in enumerate(scripts.scripts)} if scripts is not None else {}
        ordered = sorted(entries, key=lambda each: (places.get(each.revision, -1), each.revision, each.finding))
        lines = [
            json.dumps({"finding": each.finding, "revision": each.revision, "script": each.script}) for each in ordered
        ]
        inner = ",\n    ".join(lines)
        text = f'{{\n  "version": {_VERSION},\n  "findings": [\n    {inner}\n  ]\n}}\n'
        try:
            self.file.write_text(text if lines else f'{{"version": {_VERSION}, "findings": []}}\n')
        except OSError as error:
            raise TargetError(
                f"{self.file} cannot be written: {error.strerror}", fix="name a file in an existing directory"
            ) from None
        return f"baseline: {len(ordered)} findings are accepted from now on: {self.file}"


def baseline_lines(baseline: Baseline, run: RunEvidence, scripts: Scripts | None) -> list[str]:
    """What the end of a run says about its baseline; writes the file where that was asked for.

    Raises:
        TargetError: the file cannot be written.
    """
    if baseline.file is None:
        return []
    if baseline.writes:
        return [baseline.write(run, scripts)]
    gone = baseline.gone(run)
    if not gone:
        return []
    some = ", ".join(f"{each.finding} of {each.revision}" for each in gone[:5])
    more = f" and {len(gone) - 5} more" if len(gone) > 5 else ""
    return [f"baseline: no longer found: {some}{more}; --drill-baseline-write takes them out of {baseline.file.name}"]


def hashes_of(scripts: Scripts | None) -> Mapping[str, str]:
    """The SHA-256 of each script, by revision."""
    known = scripts.scripts if scripts is not None else ()
    return {each.id: hashlib.sha256(each.content).hexdigest() for each in known}


def _findings(drills: Iterable[DrillEvidence]) -> Iterable[tuple[str, str]]:
    """Code and revision of each finding; the revision is empty for the history as a whole."""
    for drill in drills:
        if "test_reversibility" not in drill.id:
            continue
        for revision in drill.revisions:
            yield from ((code, revision.revision) for code in revision.findings)
            if revision.without_lock_timeout:
                yield WAITING, revision.revision
        if not drill.revisions:
            yield from ((each.code, "") for each in drill.findings if each.code != WAITING)


def _read(file: Path) -> Iterable[Entry]:
    fix = "write it with --drill-baseline-write"
    try:
        document = json.loads(file.read_text())
        if document["version"] != _VERSION:
            raise TargetError(f"{file} has the version {document['version']}", fix="use the release that wrote it")
        for each in document["findings"]:
            yield Entry(str(each["finding"]), str(each["revision"]), str(each["script"]))
    except OSError as error:
        raise TargetError(f"{file} cannot be read: {error.strerror}", fix=fix) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TargetError(f"{file} is no baseline: {error}", fix=fix) from None

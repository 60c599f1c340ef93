"""A restored database beside the manifest of its backup: the one comparison, for drills and the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from rollback_drills.lab.backup import Manifest
from rollback_drills.lab.database import LiveDatabase
from rollback_drills.postgres import DataFingerprint, SchemaFingerprint, SequenceState
from rollback_drills.postgres.dump import restorable


@dataclass(frozen=True, slots=True)
class RestoredDatabase:
    """What a restore has led to.

    Attributes:
        schema: without what no dump holds, as `expected_schema`.
    """

    manifest: Manifest
    revision: str
    schema: SchemaFingerprint
    data: DataFingerprint
    sequences: Mapping[str, SequenceState]

    @classmethod
    def read(cls, manifest: Manifest, fresh: LiveDatabase) -> RestoredDatabase:
        return cls(manifest, fresh.revision(), restorable(fresh.schema()), fresh.data(), fresh.sequences())

    @property
    def expected_schema(self) -> SchemaFingerprint:
        return restorable(self.manifest.schema)

    @property
    def behind(self) -> list[str]:
        """The sequences that the restore has left behind their tables; not those that were behind when backed up."""
        before = self.manifest.sequences
        return sorted(
            name
            for name, state in self.sequences.items()
            if state.behind and not (name in before and before[name].behind)
        )

    def expected_sequences(self) -> dict[str, JsonValue]:
        """As they were when backed up; a sequence that clients moved meanwhile is as it was at some moment of it."""
        return {
            name: _moved(state, later) if (later := self.manifest.sequences_after[name]) != state else _state(state)
            for name, state in self.manifest.sequences.items()
        }

    def observed_sequences(self) -> dict[str, JsonValue]:
        """As they are, in the words of `expected_sequences` where they are as they were at some moment."""
        observed: dict[str, JsonValue] = {name: _state(state) for name, state in self.sequences.items()}
        for name, state in self.manifest.sequences.items():
            later, found = self.manifest.sequences_after[name], self.sequences.get(name)
            if later == state or found is None:
                continue
            low, high = sorted((state.last_value, later.last_value))
            if low <= found.last_value <= high and found.is_called in (state.is_called, later.is_called):
                observed[name] = _moved(state, later)
        return observed

    def differences(self) -> list[str]:
        """All that is not as it was backed up, as lines of text; empty if everything is."""
        lines = []
        if self.revision != self.manifest.revision:
            lines.append(f"revision {self.revision} instead of {self.manifest.revision}")
        lines += self.expected_schema.diff(self.schema).lines()
        lines += self.manifest.data.diff(self.data).lines()
        expected, observed = self.expected_sequences(), self.observed_sequences()
        lines += [
            f"~ changed sequence {name}: {expected.get(name)} before, {observed.get(name)} after"
            for name in sorted(expected.keys() | observed.keys())
            if expected.get(name) != observed.get(name)
        ]
        return lines


def _state(state: SequenceState) -> JsonValue:
    return [state.last_value, state.is_called]


def _moved(state: SequenceState, later: SequenceState) -> JsonValue:
    low, high = sorted((state.last_value, later.last_value))
    return f"from {low} to {high}"

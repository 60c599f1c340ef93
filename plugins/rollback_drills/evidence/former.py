"""Evidence as version 0.1.0 wrote it: what fields hold today were facts with agreed keys, and words in a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic import JsonValue, ValidationError

from rollback_drills.evidence.revisions import RevisionEvidence

_GAP: Final = "not proven"  # also the beginning of a key, which then names the gap
_MEASURED_FOR: Final = "measured for"
_REVISIONS: Final = "reversibility"
_RENAMED: Final = {"class": "verdict", "schema": "schema_differences"}  # keys of a revision
_COMPOSE_REASON: Final = "--drill-runtime=compose"


def with_fields(drill: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A drill's evidence with today's fields; evidence that has them stays as it is."""
    facts = drill.get("facts")
    fields: dict[str, JsonValue] = dict(drill)
    if isinstance(facts, Mapping):
        fields |= _from_facts(facts, drill)
    reason = drill.get("reason")
    if "lacks" not in drill and drill.get("verdict") == "skipped" and isinstance(reason, str):
        fields["lacks"] = ["compose"] if _COMPOSE_REASON in reason else []
    return fields


def _from_facts(facts: Mapping[str, JsonValue], drill: Mapping[str, JsonValue]) -> Iterator[tuple[str, JsonValue]]:
    kept = dict(facts)
    gaps: list[JsonValue] = []
    for key in [key for key in kept if key.startswith(_GAP)]:
        about = key.removeprefix(_GAP).strip(" :")
        gaps.append(f"{about}: {kept.pop(key)}" if about else str(kept.pop(key)))
    if gaps:
        yield "gaps", [*_listed(drill.get("gaps")), *gaps]
    if isinstance(kept.get(_MEASURED_FOR), str):
        yield "measured_for", kept.pop(_MEASURED_FOR)
    revisions = [_revision(each) for each in _listed(kept.get(_REVISIONS))]
    if revisions and None not in revisions:
        del kept[_REVISIONS]
        yield "revisions", [*_listed(drill.get("revisions")), *revisions]
    yield "facts", kept


def _revision(fact: JsonValue) -> JsonValue:
    """A revision as it is recorded today; None where the fact describes none."""
    if not isinstance(fact, Mapping):
        return None
    fields = {_RENAMED.get(key, key): value for key, value in fact.items()}
    try:
        RevisionEvidence.model_validate(fields)
    except ValidationError:
        return None
    return fields


def _listed(value: JsonValue | tuple[JsonValue, ...]) -> list[JsonValue]:
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]

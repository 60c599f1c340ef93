"""The JSON Schema of evidence.json, as published in docs/reference/evidence.schema.json."""

from __future__ import annotations

from pydantic import JsonValue

from rollback_drills.evidence.run import (
    SCHEMA_VERSION,
    RunEvidence,
)


def evidence_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of a run's evidence, made from the classes that write it."""
    schema: dict[str, JsonValue] = RunEvidence.model_json_schema(mode="serialization")
    head: dict[str, JsonValue] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Evidence of a run of rollback drills, version {SCHEMA_VERSION}",
    }
    return {**head, **{key: value for key, value in schema.items() if key not in head}}

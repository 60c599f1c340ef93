"""What GitHub reads: valid by its schemas, calling what is there, and asking for the doctor's output."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
WORKFLOW = GITHUB / "workflows" / "test.yml"
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def document(path: Path) -> dict[str, Any]:
    """A YAML file; YAML 1.1 reads the key `on` as true."""
    return {("on" if key is True else key): value for key, value in yaml.safe_load(path.read_text()).items()}


def validate(instance: dict[str, Any], schema: str) -> None:
    rules = json.loads((SCHEMAS / f"{schema}.json").read_text())
    jsonschema.validators.validator_for(rules)(rules).validate(instance)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        (WORKFLOW, "github-workflows"),
        (GITHUB / "ISSUE_TEMPLATE" / "config.yml", "github-issue-config"),
        *((path, "github-issue-forms") for path in FORMS),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "",
)
def test_files_are_valid(path: Path, schema: str) -> None:
    validate(document(path), schema)


def test_a_form_without_a_body_would_be_noticed() -> None:
    broken = document(FORMS[0])
    del broken["body"]
    with pytest.raises(jsonschema.ValidationError):
        validate(broken, "github-issue-forms")


def test_the_workflow_tests_every_python_and_runs_the_gate() -> None:
    jobs = document(WORKFLOW)["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13", "3.14"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == ["make test", "sudo --preserve-env=PATH .ci/run"]
    subprocess.run(["make", "--dry-run", "test"], cwd=ROOT, check=True, capture_output=True)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_nothing_names_a_host_to_install_from() -> None:
    assert not [path for path in GITHUB.rglob("*.*") if re.search(r"https?://|index-url", path.read_text())]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_every_form_asks_for_the_doctors_output(path: Path) -> None:
    fields = {field.get("id"): field for field in document(path)["body"]}
    assert "rollback-drills doctor --target target.toml" in fields["doctor"]["attributes"]["description"]

"""What the documentation says can be done can be done, and what is generated is up to date."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomli_w

from rollback_drills.evidence.run import (
    RunbookFacts,
    RunEvidence,
    RuntimeFacts,
    TargetFacts,
)
from rollback_drills.evidence.schema import evidence_schema
from rollback_drills.report.filing.filing import file_report
from rollback_drills.target.target import Target

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "reports" / "README.md"])
EXAMPLES = sorted(ROOT.glob("examples/**/README.md"))  # their commands: tests/examples
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")


def commands() -> list[str]:
    """Every command in a shell block, without its comment."""
    found = [
        line.partition("#")[0].strip()
        for page in PAGES
        for block in FENCE.findall(page.read_text())
        for line in block.splitlines()
    ]
    return sorted({command for command in found if command and "--pyargs" not in command})  # those: test_wheel.py


def make_a_report(directory: Path, name: str = "20261122-030405-7f3a") -> Path:
    """A run of nothing, which is a run all the same."""
    nothing = RunEvidence(
        run=name, started_at="2026-11-22T03:04:05Z", finished_at="2026-11-22T03:04:06Z", seconds=1,
        target_seconds=0, setup_seconds=0, workers=1,
        target=TargetFacts(name="x", file="x", sha256="", current="2", previous="1", integrations=1, objectives={}),
        runtime=RuntimeFacts(name="embedded", reason=""), versions={}, host={}, drills=(),
        runbook=RunbookFacts(title="", file="", sha256="", sections={}, checklist={}),
    )  # fmt: skip
    file_report(nothing, directory / nothing.run)
    return directory / "latest"


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_command_works(command: str, tmp_path: Path) -> None:
    """Targets exist and expand; selections of drills select something. `make test` and `make drills` run in CI."""
    program, *arguments = shlex.split(command)
    if program == "make":
        argv = ["make", "--dry-run", *arguments]
    elif program == "pytest":
        argv = [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-q", "-p", "no:cacheprovider"]
    elif program == "rollback-drills":
        written = make_a_report(tmp_path)
        argv = [sys.executable, "-m", "rollback_drills"]
        known = {"reports/latest": str(written), "path/to/your/project": str(tmp_path)}
        known |= {name: str(make_a_report(tmp_path / name, name)) for name in arguments if name.startswith("shard-")}
        known |= {name: str(tmp_path / name) for name in ("again", "merged", "all.xml")}
        argv += [known.get(argument, argument) for argument in arguments]
    else:
        pytest.fail(f"nothing tests the documented command {command!r}")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [name for name, text in generate.pages().items() if (ROOT / "docs" / name).read_text() != text]
    assert stale == [], "run `make docs`"


def merge(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for key, value in more.items():
        whole = not isinstance(value, dict) or key == "disabled" or "stored" in value
        into[key] = value if whole else merge(into.get(key) or {}, value)
    return into


@pytest.mark.parametrize("number", range(len(TOML.findall((ROOT / "docs" / "target-file.md").read_text()))))
def test_examples_fit_into_a_target_file(number: int, tmp_path: Path) -> None:
    """Each beside the reference target, and the whole against the JSON Schema that editors use."""
    reference = ROOT / "fixtures" / "targets" / "reference.toml"
    example = TOML.findall((ROOT / "docs" / "target-file.md").read_text())[number]
    document = merge(tomllib.loads(reference.read_text()), tomllib.loads(example))
    file = tmp_path / "target.toml"
    file.write_text(tomli_w.dumps(document))
    Target.load(file, dict.fromkeys(re.findall(r"\$\{(\w+)", file.read_text()), "a value of some length"))
    jsonschema.validate(document, json.loads((ROOT / "docs" / "target.schema.json").read_text()))


def test_schemas_are_schemas() -> None:
    for name in ("evidence.schema.json", "target.schema.json"):
        schema = json.loads((ROOT / "docs" / name).read_text())
        jsonschema.validators.validator_for(schema).check_schema(schema)
    assert evidence_schema()["title"]


def quoted_messages() -> list[str]:
    """What the page on troubleshooting says that a run says: the first cell of each row."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    return sorted({text for cell in cells for text in re.findall(r"`([^`]+)`", cell)})


@pytest.mark.parametrize("message", quoted_messages())
def test_messages_on_the_page_are_those_of_the_code(message: str) -> None:
    """Messages are cut into literals by their values, which stand as … in the page."""
    sources = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "drills").glob("*.py")]
    texts = {path: "".join(strings_of(path)) for path in sources}
    assert any(message in text for text in texts.values()), f"{message!r} is said nowhere"


def strings_of(path: Path) -> list[str]:
    """Every piece of text in a module, adjacent literals joined, in its order."""
    return [
        node.value for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]  # fmt: skip


def test_a_message_that_nobody_says_would_be_noticed() -> None:
    assert len(quoted_messages()) > 25
    with pytest.raises(AssertionError, match="is said nowhere"):
        test_messages_on_the_page_are_those_of_the_code("the flux capacitor is empty " + "today")

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
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob(".github/**/*.md"), ROOT / "reports" / "README.md"])
EXAMPLES = sorted(ROOT.glob("examples/**/README.md"))  # their commands: tests/examples
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FOLLOWED = "docs/tutorial/first-drill.md"  # its commands are performed, in their order: test_tutorial.py


def commands() -> list[str]:
    """Every command in a shell block, without its comment."""
    found = [
        line.partition("#")[0].strip()
        for page in PAGES
        if page != ROOT / FOLLOWED
        for block in FENCE.findall(page.read_text())
        for line in block.splitlines()
    ]
    return sorted({command for command in found if command})


def make_a_report(directory: Path, name: str = "20261122-030405-7f3a") -> Path:
    """A run of nothing, which is a run all the same."""
    nothing = RunEvidence(
        run=name,
        started_at="2026-11-22T03:04:05Z",
        finished_at="2026-11-22T03:04:06Z",
        seconds=1,
        target_seconds=0,
        setup_seconds=0,
        workers=1,
        target=TargetFacts(name="x", file="x", sha256="", current="2", previous="1", integrations=1, objectives={}),
        runtime=RuntimeFacts(name="embedded", reason=""),
        versions={},
        host={},
        drills=(),
        runbook=RunbookFacts(title="", file="", sha256="", sections={}, checklist={}),
    )
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
        if "0007" in command:  # a command makes the reference releases, and --collect-only executes none
            argv += ["--drill-alembic", "fixtures/gateway/alembic.ini"]
    elif program == "rollback-drills":
        written = make_a_report(tmp_path)
        argv = [sys.executable, "-m", "rollback_drills"]
        known = {"reports/latest": str(written), "path/to/your/project": str(tmp_path)}
        known["path/to/alembic.ini"] = known["alembic.ini"] = "fixtures/gateway/alembic.ini"
        known["migrations.json"] = str(tmp_path / "migrations.json")
        (tmp_path / "migrations.json").write_text('{"version": 1, "findings": []}')
        known |= {name: str(make_a_report(tmp_path / name, name)) for name in arguments if name.startswith("shard-")}
        known |= {
            name: str(tmp_path / name) for name in ("again", "merged", "all.xml", "comment.md", "rollback_drills.prom")
        }
        known |= {"docs/ROLLBACK.md": "fixtures/gateway/ROLLBACK.md", "target.toml": "fixtures/targets/reference.toml"}
        argv += [known.get(argument, argument) for argument in arguments]
        if arguments[0] in ("run", "migrations"):
            argv += ["--collect-only", "-q", "-p", "no:cacheprovider"]
    else:
        pytest.fail(f"nothing tests the documented command {command!r}")
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def anchors(page: Path) -> set[str]:
    """The fragments that a page's headings have on GitHub: words in lower case, joined by hyphens."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", [*PAGES, *EXAMPLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link, anchor in LINK.findall(page.read_text()):
        led_to = page.parent / link if link else page
        assert led_to.exists(), link
        assert not anchor or anchor in anchors(led_to), f"{link} has no heading #{anchor}"


def test_pages_that_the_code_names_exist() -> None:
    """Messages, reports and comments name pages by their path in the repository."""
    sources = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "drills").glob("*.py"), *(ROOT / "tools").glob("*.py")]
    named = {path: re.findall(r"\bdocs/[\w/.-]+\.(?:md|json)\b", path.read_text()) for path in sources}
    assert sum(map(len, named.values())) > 4
    assert [(path, page) for path, pages in named.items() for page in pages if not (ROOT / page).exists()] == []


def test_every_page_is_in_the_index() -> None:
    linked = {(DOCS / link).resolve() for link, _ in LINK.findall((DOCS / "README.md").read_text())}
    assert {page for page in DOCS.rglob("*.md") if page != DOCS / "README.md"} - linked == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_import_the_public_face_only(page: Path) -> None:
    for block in PYTHON.findall(page.read_text()):
        imported = {node.module for node in ast.walk(ast.parse(block)) if isinstance(node, ast.ImportFrom)}
        inner = {module for module in imported if module and module.startswith("rollback_drills.")}
        assert {module for module in inner if not module.startswith("rollback_drills.testing.")} == set()


def test_generated_pages_are_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    stale = [name for name, text in generate.pages().items() if (DOCS / name).read_text() != text]
    assert stale == [], "run `make docs`"


def merge(into: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    for key, value in more.items():
        whole = not isinstance(value, dict) or key == "disabled" or "stored" in value
        into[key] = value if whole else merge(into.get(key) or {}, value)
    return into


def examples() -> list[Any]:
    """Every block of TOML, with its page and number."""
    return [
        pytest.param(example, id=f"{page.stem}-{number}")
        for page in PAGES
        if page != ROOT / FOLLOWED
        for number, example in enumerate(TOML.findall(page.read_text()))
        if "[[edit]]" not in example  # a planted fault
    ]


@pytest.mark.parametrize("example", examples())
def test_examples_fit_into_a_target_file(example: str, tmp_path: Path) -> None:
    """Each beside the reference target, and the whole against the JSON Schema that editors use."""
    reference = ROOT / "fixtures" / "targets" / "reference.toml"
    document = merge(tomllib.loads(reference.read_text()), tomllib.loads(example))
    file = tmp_path / "target.toml"
    file.write_text(tomli_w.dumps(document))
    Target.load(file, dict.fromkeys(re.findall(r"\$\{(\w+)", file.read_text()), "a value of some length"))
    schema = json.loads((DOCS / "reference" / "target.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(document, default=str)), schema)


def test_schemas_are_schemas() -> None:
    for name in ("evidence.schema.json", "target.schema.json"):
        schema = json.loads((DOCS / "reference" / name).read_text())
        jsonschema.validators.validator_for(schema).check_schema(schema)
    assert evidence_schema()["title"]


def quoted_messages() -> list[str]:
    """What the page on troubleshooting says that a run says: the first cell of each row."""
    page = (DOCS / "guides" / "troubleshooting.md").read_text()
    cells = [row.split("|")[1] for row in page.splitlines() if row.startswith("| `")]
    return sorted({text for cell in cells for text in re.findall(r"`([^`]+)`", cell)})


def test_no_change_stands_twice_in_the_changelog() -> None:
    bullets = re.findall(r"^- .*(?:\n  .*)*", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert len(bullets) > 100
    assert [bullet for bullet in set(bullets) if bullets.count(bullet) > 1] == []


@pytest.mark.parametrize("message", quoted_messages())
def test_messages_on_the_page_are_those_of_the_code(message: str) -> None:
    """Messages are cut into literals by their values, which stand as … in the page."""
    sources = [*(ROOT / "plugins").rglob("*.py"), *(ROOT / "drills").glob("*.py")]
    texts = {path: "".join(strings_of(path)) for path in sources}
    assert any(message in text for text in texts.values()), f"{message!r} is said nowhere"


def strings_of(path: Path) -> list[str]:
    """Every piece of text in a module, adjacent literals joined, in its order."""
    constants = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    return [value for value in constants if isinstance(value, str)]


def test_a_message_that_nobody_says_would_be_noticed() -> None:
    assert len(quoted_messages()) > 25
    with pytest.raises(AssertionError, match="is said nowhere"):
        test_messages_on_the_page_are_those_of_the_code("the flux capacitor is empty " + "today")

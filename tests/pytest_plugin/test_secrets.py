"""No file of a run holds a secret: a small run with secrets everywhere, and every byte that it wrote."""

from __future__ import annotations

import pytest
from support.drill_project import Project

LITERAL = "xK9-literal+secret/42"
SECRETS = {
    "url": "hunter2url",
    "header": "Zm9vOmJhcg-header",
    "bearer": "bearertoken12345",
    "environment": "env-s3cret-value",
    "json": "json-s3cret-value",
    "option": "option-s3cret",
    "literal": LITERAL,
}
DRILLS = f"""
import pytest

from rollback_drills import CommandResult

URL = "postgresql://app:{SECRETS["url"]}@db.internal/app"
OUTPUT = '''
connecting to {{URL}}
> Authorization: Basic {SECRETS["header"]}
> authorization: Bearer {SECRETS["bearer"]}
GATEWAY_API_KEY={SECRETS["environment"]} DB_PASSWORD={SECRETS["environment"]}
{{{{"token": "{SECRETS["json"]}"}}}}
the gateway was given {LITERAL}
'''.replace("{{URL}}", URL)

@pytest.mark.drill("Secrets {LITERAL}", runbook="quick-application")
def test_secrets(drill):
    '''Proves {LITERAL}.'''
    print(OUTPUT)
    with drill.step("Use {LITERAL}"):
        drill.command(CommandResult(("psql", URL, "--password", "{SECRETS["option"]}"), 1, OUTPUT, "", 0.1))
        drill.command(CommandResult(("logs",), 0, "", OUTPUT * 200, 0.1))
        drill.observe("environment", {{"SECRET_KEY": "{SECRETS["environment"]}", "plain": OUTPUT}})
        drill.fact("url", URL)
        drill.attach("dump {LITERAL}", OUTPUT, name="dump.sql")
        drill.check("it holds", {{"password": "{SECRETS["json"]}"}}, expected=URL, finding="rows-lost", detail=OUTPUT)
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_no_file_of_a_run_holds_a_secret(workers: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project.path / "reports" / "summary.md"
    summary.parent.mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("DRILLED_SECRET", LITERAL)
    project.write(DRILLS)
    project.target(lambda text: 'secrets = ["${DRILLED_SECRET}"]\n' + text)
    done = project.run("-n", workers, "--junitxml=reports/junit.xml", "-v")
    assert done.ret == 1
    files = [path for path in project.reports.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {path.name for path in files}
    assert {
        "evidence.json",
        "incident.html",
        "incident.md",
        "manifest.json",
        "history.jsonl",
        "junit.xml",
        "dump.sql",
        "summary.md",
    } <= names
    assert any(path.suffix == ".jsonl" and path.parent.name == "journal" for path in files)
    everything = {str(path): path.read_bytes() + str(path).encode() for path in files}
    everything["the terminal"] = (done.stdout.str() + done.stderr.str()).encode()
    leaks = [
        (kind, place)
        for place, text in everything.items()
        for kind, secret in SECRETS.items()
        if secret.encode() in text
    ]
    assert leaks == []
    assert b"[redacted]" in everything[str(project.run_directory / "incident.html")]


OF_THE_TARGET = {
    "a token": "apiTOKENvalue0002",
    "a key": "stripeKEYvalue0001",
    "the caller's": "callersOWNvalue0004",
    "a header": "headerTOKENvalue0005",
    "a nested field": "fieldPASSPHRASEvalue6",
    "of a URL": "urlPASSWORDvalue0007",
    "of the compose file": "composePWDvalue0008",
}
TOLD = """
import pytest

@pytest.mark.drill("Tells", runbook="quick-application")
def test_tells(drill, drill_target):
    with drill.step("Look"):
        drill.check("it cannot start", " ".join(%r), expected="an admin", finding="rows-lost")
"""


def test_what_a_target_file_calls_secret_is_in_no_file(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway may write what it was given into its last words, without its name."""
    told = dict(OF_THE_TARGET)
    env = {
        "API_TOKEN": told["a token"],
        "STRIPE_KEY": told["a key"],
        "PLAIN": "${CALLERS_TOKEN}",
        "REDIS_URL": f"redis://:{told['of a URL']}@cache/0",
        "ADMIN_PASSWORD": "admin",
    }
    lines = "".join(f', {name} = "{value}"' for name, value in env.items())
    more = f"""
[compose]
env = {{ DB_PWD = "{told["of the compose file"]}" }}

[write_probe]
path = "/write"
json = {{ account = {{ passphrase = "{told["a nested field"]}" }} }}
headers = {{ "X-Gitlab-Token" = "{told["a header"]}" }}
"""
    monkeypatch.setenv("CALLERS_TOKEN", told["the caller's"])
    project.write(TOLD % list(told.values()))
    project.target(lambda text: text.replace('"{release}"', f'"{{release}}"{lines}', 1) + more)
    done = project.run_here("-v", "--junitxml=reports/junit.xml", "-p", "no:xdist")
    assert done.ret == 1, done.stdout.str()
    files = [path for path in project.reports.rglob("*") if path.is_file() and not path.is_symlink()]
    assert "incident.html" in {path.name for path in files}
    everything = {path.name: path.read_text(errors="replace") for path in files} | {"terminal": done.stdout.str()}
    assert [(kind, where) for where, text in everything.items() for kind, value in told.items() if value in text] == []
    assert any("an admin" in text for text in everything.values())

"""The doctor names each problem with its remedy, and leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.diagnoses import diagnoses

from rollback_drills.cli.doctor import Diagnosis, examination
from rollback_drills.runtimes.workspace.directory import Workspace

SMALL = Path(__file__).parents[1] / "support" / "small"
FLAGS = """
[flags]
variable = "{NAME}_ENABLED"
disabled = { status = 404, body = { off = true } }
"""
Change = Callable[[str], str]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The workspaces that the doctor makes."""
    paths: list[Path] = []

    class Recorded(Workspace):
        def __init__(self, run: str, worker: str) -> None:
            super().__init__(run, worker)
            paths.append(self.path)

    monkeypatch.setattr(examination, "Workspace", Recorded)
    return paths


@pytest.fixture
def doctor(tmp_path: Path, used: list[Path]) -> Callable[..., dict[str, Diagnosis]]:
    """Checks the small gateway with changes to its target file, up to a diagnosis; all diagnoses by title."""
    for release in ("1.0", "2.0"):
        tree = tmp_path / "releases" / release
        tree.mkdir(parents=True)
        for name in ("gateway.py", "migrate.py"):
            shutil.copy(SMALL / name, tree)
    (tmp_path / "ROLLBACK.md").write_text("# Rollback\n")

    def doctor(
        old: str = "", new: str = "", *, more: str = "", runtime: str = "embedded", until: str = ""
    ) -> dict[str, Diagnosis]:
        text = (SMALL / "target.toml").read_text()
        assert old in text
        (tmp_path / "target.toml").write_text(text.replace(old, new) + more)
        found = diagnoses(tmp_path / "target.toml", runtime, until)
        assert not any(path.exists() for path in used), "nothing is left"
        return found

    return doctor


def problems(found: dict[str, Diagnosis]) -> dict[str, str]:
    assert all(each.fix for each in found.values() if each.outcome == "problem"), "each with its remedy"
    return {title: each.detail for title, each in found.items() if each.outcome == "problem"}


def test_a_target_without_problems(doctor, used: list[Path]):
    found = doctor()
    assert problems(found) == {}
    assert used, "a stack was made"
    assert found["alembic"].outcome == "note", "between these releases the schema does not change"
    assert found["2.0: webhooks"].detail == "accepted and stored by 3 integrations"
    assert found["1.0: webhooks"].detail == "accepted and stored by 2 integrations"
    assert "by pg_dump" in found["backup"].detail


@pytest.mark.parametrize(
    ("old", "new", "title", "detail"),
    [
        ("[health]", "[helth]", "target file", "unknown key 'helth'"),
        ('file = "ROLLBACK.md"', 'file = "RUNBOOK.md"', "runbook", "does not exist"),
        ('"{here}/releases/{release}"', '"{here}/elsewhere/{release}"', "releases, PostgreSQL", "cannot be obtained"),
        ('"migrate.py"', '"no-such.py"', "migrations, seed", "cannot be upgraded"),
        ('"gateway.py", "{port}"', '"-c", "exit(3) # {port}"', "1.0: start", "code 3"),
        ('status = "ok"', 'status = "fine"', "1.0: health", '"status": "ok"'),
        ('pointer = "/version"', 'pointer = "/release"', "1.0: version", "it reports null"),
        ("unnest(%(ids)s::text[])", "1 WHERE %(ids)s = '{}'", "1.0: stored", "2 of 2 acknowledged deliveries"),
    ],
)
def test_each_problem_is_named(doctor, old: str, new: str, title: str, detail: str):
    found = problems(doctor(old, new, until=title))
    assert title in found
    assert detail in found[title]


@pytest.mark.parametrize(
    ("own", "detail"),
    [
        ('dump = ["sh", "-c", "false | cat > $1", "dump", "{file}"]', "its file is unusable: it is empty"),
        ('dump = ["sh", "-c", "echo half > $1", "dump", "{file}"]', "cut short"),
        ('restore = ["true", "{file}"]', "the restored database is not the one that was backed up"),
    ],
)
def test_a_backup_is_looked_into_and_restored_into_nothing(doctor, tmp_path: Path, own: str, detail: str):
    (tmp_path / "seed.sql").write_text("CREATE TABLE kinds (id int PRIMARY KEY); INSERT INTO kinds VALUES (5);")
    found = problems(doctor(more=f'\n[database]\nseed = ["seed.sql"]\n\n[backup]\n{own}\n', until="backup"))
    assert detail in found["backup"]


def test_sequences_that_the_seed_leaves_behind_are_noted(doctor, tmp_path: Path):
    (tmp_path / "seed.sql").write_text("CREATE TABLE kinds (id serial); INSERT INTO kinds VALUES (5);")
    found = doctor(more='\n[database]\nseed = ["seed.sql"]\n', until="backup")
    assert found["sequences"].outcome == "note"
    assert "kinds_id_seq behind" in found["sequences"].detail
    assert "it gives 1 next, and there are rows up to 5" in found["sequences"].detail


def test_lines_to_fill_in_are_noted(doctor):
    found = doctor(
        'path = "/health"',
        'path = "/health"  # FILL IN: what is asked',
        more="# FILL IN: and this\n",
        until="to fill in",
    )
    assert found["to fill in"].outcome == "note"
    assert "still has FILL IN in lines 17, 39" in found["to fill in"].detail


def test_a_missing_version_is_reported_with_the_answer(doctor):
    found = problems(doctor('pointer = "/version"', 'pointer = "/release"', until="1.0: version"))
    assert '/version answers {"status": 200, "body": {"status": "ok", "version": "1.0"}}' in found["1.0: version"]


@pytest.mark.parametrize(
    ("program", "fix"),
    [
        ("import os; os.environ['TENANT_KEY'] # {port}", "set TENANT_KEY under [gateway.env]"),
        ("exit('config: STRIPE_SECRET is not set') # {port}", "set STRIPE_SECRET under [gateway.env]"),
        ("exit('1 validation error for Settings\\\\nredis_url\\\\n  Field required') # {port}", "set REDIS_URL under"),
        ("import hooks.web # {port}", "if 'hooks' is a package, add it to the release's requirements"),
    ],
)
def test_the_log_of_a_failed_start_leads_to_a_remedy(doctor, program: str, fix: str):
    start = doctor('"gateway.py", "{port}"', f'"-c", "{program}"', until="1.0: start")["1.0: start"]
    assert start.outcome == "problem"
    assert fix in start.fix
    assert "its last line: " in start.fix


def test_rejected_deliveries_are_named_by_integration(doctor):
    accepted = 'accepted = [202]\npath = "/{integration}"'
    found = problems(doctor('path = "/webhooks/{integration}"', accepted, until="1.0: jira"))
    assert found.keys() == {"1.0: github", "1.0: jira"}


def test_flags_without_effect_are_named(doctor):
    found = problems(doctor(more=FLAGS, until="1.0: flags off"))
    assert found.keys() == {"1.0: flags off"}
    assert "2 of 2 integrations do not give the agreed answer" in found["1.0: flags off"]
    assert 'jira: {"status": 200, "body": {"accepted": true}}; agreed: {"status": 404' in found["1.0: flags off"]


def test_a_disabled_integration_may_have_its_own_answer(doctor):
    own = "jira = { disabled = { status = 200, contains = { accepted = true } } }"
    found = problems(doctor("jira = {}", own, more=FLAGS, until="1.0: flags on again"))
    said, _, _ = found["1.0: flags off"].partition("the gateway's log meanwhile")
    assert "jira" not in said
    assert "github" in said
    assert "1 of 1" not in said
    assert "jira: " in found["1.0: flags on again"], "what it always answers is now the answer of one that is off"


def test_an_ungated_integration_is_noted_and_not_disabled(doctor):
    found = doctor(
        "jira = {}", 'jira = { ungated = "it has none" }', more=FLAGS.replace("404", "503"), until="1.0: jira"
    )
    assert found["1.0: jira"].outcome == "note"
    assert "it has none" in found["1.0: jira"].detail
    assert "1 of 1 integrations" in found["1.0: flags off"].detail


def test_the_default_of_a_flag_is_checked_where_the_target_file_has_it(doctor):
    defaults = FLAGS.replace("[flags]", '[flags]\ndefaults = { "1.0" = "on", "2.0" = "off" }')
    found = doctor(more=defaults, until="2.0: flags not set")
    assert found["1.0: flags not set"].outcome == "ok"
    assert "slack: " in problems(found)["2.0: flags not set"]


def test_what_distinguishes_the_releases_is_checked(doctor):
    routes = '\n[version.routes]\npath = "/version"\nreleases = { "1.0" = 2, "2.0" = ["status"] }\n'
    found = doctor(more=routes, until="2.0: behaviour")
    assert found["1.0: behaviour"].outcome == "ok"
    assert '["status", "version"] instead of ["status"]' in problems(found)["2.0: behaviour"]


def test_an_integration_that_the_previous_release_should_not_have_is_named(doctor):
    found = doctor("stored =", "absent = { status = [404, 410] }\nstored =", until="1.0: behaviour")
    assert problems(found).keys() == {"1.0: behaviour"}
    assert 'a delivery to slack: {"status": 200' in found["1.0: behaviour"].detail


def test_the_write_probe_is_checked(doctor):
    probe = '\n[write_probe]\npath = "/anything"\njson = { id = "{unique}" }\nbody = { accepted = true }\n'
    title = "1.0: write probe"
    assert doctor(more=probe, until=title)[title].outcome == "ok"
    assert '"accepted": true' in problems(doctor(more=probe.replace("true", "false"), until=title))[title]


TABLE = 'header = "X-Signature"\nsecret = "not-to-be-told"\n'


def test_signatures_that_are_not_verified_are_noted(doctor):
    found = doctor(more="\n[delivery.signature]\n" + TABLE, until="1.0: signatures")
    assert problems(found) == {}
    assert found["1.0: signatures"].outcome == "note"
    lines = found["1.0: signatures"].detail.splitlines()
    assert lines == [f"accepted although {how}: github, jira" for how in ("unsigned", "signed with another key")]


VERIFYING = """
    def do_POST(self) -> None:
        import hashlib, hmac
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        right = hmac.new(b"not-to-be-told", body, hashlib.sha256).hexdigest() == self.headers.get("x-signature")
        self.answer({"accepted": True} if right else {"key": "not-to-be-told"}, 200 if right else 401)

    def answer(self, body: dict[str, object], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
"""


def test_signatures_that_are_verified(doctor, tmp_path: Path):
    for gateway in tmp_path.glob("releases/*/gateway.py"):
        text = gateway.read_text()
        start, end = text.index("    def do_POST"), text.index('        self.send_header("content-type"')
        gateway.write_text(text[:start] + VERIFYING.lstrip("\n") + text[end:])
    signed = "\n[delivery.signature]\n" + TABLE
    found = doctor(more=signed, until="1.0: signatures")
    assert problems(found) == {}
    assert found["1.0: signatures"].detail == "unsigned and wrongly signed deliveries are rejected by 2 integrations"
    own = doctor("jira = {}", 'jira = { secret = "of jira alone" }', more=signed, until="1.0: jira")
    assert '"key": "[redacted]"' in problems(own)["1.0: jira"]


def test_a_runtime_that_cannot_run_is_named(doctor):
    found = problems(doctor(runtime="compose"))
    assert "no compose file" in found["runtime"]

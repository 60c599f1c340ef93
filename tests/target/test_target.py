"""The reference target file loads, and every mistake is reported with file, table, key and allowed values."""

from __future__ import annotations

import codecs
import copy
import datetime
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from rollback_drills.core.errors import TargetError
from rollback_drills.target.system_tables import Objectives
from rollback_drills.target.target import Target

REFERENCE = Path(__file__).parents[2] / "fixtures" / "targets" / "reference.toml"
TEXT = REFERENCE.read_text()
DOCUMENT: dict[str, Any] = tomllib.loads(TEXT)
DELETED = object()


def toml(value: object) -> str:
    """A TOML value; every table is written inline."""
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return str(value)


def write(file: Path, document: dict[str, Any]) -> Path:
    file.write_text("\n".join(f"{toml(key)} = {toml(value)}" for key, value in document.items()))
    return file


def changed(path: str, value: object) -> dict[str, Any]:
    """The reference document with one value set or deleted; numbers in ``path`` are list positions."""
    document = copy.deepcopy(DOCUMENT)
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    here: Any = document
    for part in parents:
        here = here[part] if isinstance(here, list) else here.setdefault(part, {})
    if value is DELETED:
        del here[last]
    else:
        here[last] = value
    return document


def problems_of(file: Path, environment: dict[str, str] | None = None) -> TargetError:
    with pytest.raises(TargetError) as caught:
        Target.load(file, environment or {})
    assert str(file) in str(caught.value)
    return caught.value


def test_the_reference_target_loads():
    target = Target.load(REFERENCE, {})
    assert (target.current, target.previous) == ("0.5.0", "0.4.0")
    assert len(target.integrations_of("0.5.0")) == 21
    assert len(target.integrations_of("0.4.0")) == 15
    assert "heroku" not in target.integrations_of("0.4.0")
    assert target.flag_variable("github_actions") == "INTEGRATIONS_GITHUB_ACTIONS_ENABLED"
    assert target.objective("application_rollback") == 120.0
    assert target.file == REFERENCE.resolve()
    assert target.digest == hashlib.sha256(REFERENCE.read_bytes()).hexdigest()
    assert target.path(target.runbook.file).is_file()


def test_a_document_that_is_written_again_means_the_same(tmp_path: Path):
    anew = Target.load(write(tmp_path / "t.toml", DOCUMENT), {})
    assert anew.model_dump() == Target.load(REFERENCE, {}).model_dump()


def test_a_target_is_frozen(reference_target: Target):
    with pytest.raises(ValueError, match="frozen"):
        reference_target.name = "another"


MISTAKES = [
    # path, value, parts of the message
    ("curent", "0.5.0", ["top level: unknown key 'curent', did you mean 'current'?", "allowed: "]),
    ("gateway/ready_timeuot", 3.0, ["gateway: unknown key 'ready_timeuot', did you mean 'ready_timeout'?"]),
    ("health/boddy", 1, ["health: unknown key 'boddy', did you mean 'body'?", "method, path, status"]),
    ("delivery/jsn", 1, ["delivery: unknown key 'jsn', did you mean 'json'?"]),
    ("flags/disabled/stauts", 503, ["flags.disabled: unknown key 'stauts', did you mean 'status'?"]),
    (
        "flags/disabled/body",
        {"detail": "{name} is off"},
        ["flags.disabled.body: {name} is not known in an answer (allowed here: {integration})", "{{name}} is the text"],
    ),
    ("delivery/repeated", {"contains": "{unique}"}, ["delivery.repeated.contains: {unique} is not known in an answer"]),
    ("metrics/deliberate/label", {}, ["metrics.deliberate: unknown key 'label', did you mean 'labels'?"]),
    ("integrations/github/sinse", "0.5.0", ["integrations.github: unknown key 'sinse', did you mean 'since'?"]),
    ("behaviours/1/methd", "GET", ["behaviours[1]: unknown key 'methd', did you mean 'method'?"]),
    ("objectives/feature_flags", 1.0, ["objectives: unknown key 'feature_flags', did you mean 'feature_flag'?"]),
    ("backup/restor", ["x"], ["backup: unknown key 'restor', did you mean 'restore'?"]),
    ("zzz", 1, ["top level: unknown key 'zzz'"]),
    ("current", 5, ["current: must be text in quotes (it is 5)"]),
    ("current", 0.5, ["current: must be text in quotes (it is 0.5)"]),
    ("gateway/ready_timeout", "30", ["gateway.ready_timeout: must be a number (it is '30')"]),
    ("health/status", "200", ["health.status: must be a whole number (it is '200')"]),
    ("health/status", 99, ["health.status", "greater than or equal to 100"]),
    ("behaviours/0/status", True, ["behaviours[0].status: must be a whole number"]),
    ("gateway/start", "python -m gateway", ["gateway.start: must be a list"]),
    ("gateway/start", [], ["gateway.start: must name a program"]),
    ("gateway/env", [], ["gateway.env: must be a table"]),
    ("gateway/env/PORT", 8000, ["gateway.env.PORT: must be text in quotes (it is 8000)"]),
    ("gateway", "x", ["gateway: must be a table"]),
    ("gateway/start/0", 3, ["gateway.start[0]: must be text in quotes (it is 3)"]),
    ("releases/command/1", 3, ["releases.command[1]: must be text in quotes (it is 3)"]),
    ("gateway/ready_timeout", -1.0, ["gateway.ready_timeout", "greater than 0"]),
    ("gateway/ready_timeout", 99999.0, ["gateway.ready_timeout", "less than or equal to 3600"]),
    ("health/path", "health", ["health.path: must begin with /"]),
    ("version/pointer", "version", ["version.pointer", "begin with /"]),
    ("health/method", "FETCH", ["health.method", "'GET'"]),
    ("current", DELETED, ["current: missing; the top level needs the key 'current'"]),
    ("health/path", DELETED, ["health.path: missing; [health] needs the key 'path'"]),
    ("flags/disabled/contains", {}, ["flags.disabled: set only one of body, contains and pattern, not both"]),
    ("flags/disabled/pattern", "(", ["flags.disabled.pattern: is not a valid regular expression"]),
    ("flags/disabled/status", "503", ["flags.disabled.status: must be a whole number (it is '503')"]),
    ("flags/disabled/status", [503, 999], ["flags.disabled.status[1]", "less than or equal to 599"]),
    ("flags/disabled/status", [], ["flags.disabled.status"]),
    ("flags/disabled", {"status": [404, 202]}, ["flags.disabled: status 202 also acknowledges deliveries"]),
    ("integrations/github/disabled", {"status": 202}, ["integrations.github.disabled: status 202 also acknowledges"]),
    ("integrations/github/disabled/stauts", 1, ["integrations.github.disabled: unknown key 'stauts', did you mean"]),
    ("behaviours/0/release", DELETED, ["behaviours[0].release: missing"]),
    ("gateway/start", ["gateway"], ["gateway.start: must contain {port}"]),
    ("gateway/start", ["gateway", "{prot}", "{port}"], ["unknown placeholder {prot}, did you mean {port}?"]),
    ("gateway/start", ["gateway", "{port!r}"], ["is not a placeholder", "written twice"]),
    ("gateway/start", ["gateway", "{port"], ["a literal brace is written twice"]),
    ("releases/command", ["make", "{release}"], ["releases.command: must contain {tree}"]),
    ("gateway/env/X", "{databse_url}", ["gateway.env.X: unknown placeholder {databse_url}, did you mean {database_"]),
    ("flags/variable", "FLAG", ["flags: variable must contain {NAME} or {name}"]),
    ("flags/symptom", "SELECT 1", ["flags: must contain {integration}"]),
    ("delivery/path", "/webhooks", ["delivery: path, headers, json, form or raw must contain {integration}"]),
    ("delivery/json", {"a": "b"}, ["delivery: path, headers, json, form or raw must contain {unique}"]),
    ("delivery/json", {"a": "{uniqe}"}, ["delivery: unknown placeholder {uniqe}, did you mean {unique}?"]),
    ("delivery/stored", "SELECT 1", ["delivery: stored must contain %(ids)s"]),
    ("previous", "0.5.0", ["current and previous are both '0.5.0'"]),
    ("integrations/github/since", "0.3.0", ["integrations.github: since '0.3.0' is not one of"]),
    ("integrations", {}, ["integrations"]),
    ("integrations/bad name", {}, ["integrations.bad name"]),
    ("version", {"path": "/v", "pattern": "("}, ["version.pattern: is not a valid regular expression"]),
    ("version", {"path": "/v", "header": "X", "pointer": "/v"}, ["version: set header or pointer, not both"]),
    ("version/expected", {"9": "nine"}, ["version.expected: release '9' is not one of"]),
    ("gateway/directory", "../elsewhere", ["gateway.directory: must be a relative path without .."]),
    ("database/volatile", ["parcels"], ["database.volatile[0]: must be schema.table or schema.table.column"]),
    ("python", {"interpreter": "python3", "base": "python3"}, ["python: set interpreter, or requirements and base"]),
    ("database/version", 9, ["database.version"]),
    ("behaviours/0/release", "9", ["behaviours: release '9' is not one of"]),
    (
        "releases/path",
        "releases/{release}",
        ["releases: set only one of command, path and git, not both"],
    ),
    (
        "write_probe",
        {"path": "/w", "json": {"a": "{uniqe}"}},
        ["write_probe: unknown placeholder {uniqe}, did you mean"],
    ),
    ("write_probe", {"path": "/w", "jsn": {}}, ["write_probe: unknown key 'jsn', did you mean 'json'?"]),
    ("health/timeout", 0.0, ["health.timeout", "greater than 0"]),
    ("version/routes", {"path": "/r", "releases": {}}, ["version.routes.releases"]),
    ("version/routes", {"path": "/r", "releases": {"9": 3}}, ["version.routes.releases: release '9' is not one of"]),
    ("version/routes", {"path": "/r", "releases": {"0.4.0": "x"}}, ["version.routes.releases.0.4.0: must be a whole"]),
    (
        "version/routes",
        {"path": "/r", "releases": {"0.4.0": 3, "0.5.0": 3}},
        ["version.routes: both releases have the same"],
    ),
    ("delivery/absent/stats", 404, ["delivery.absent: unknown key 'stats', did you mean 'status'?"]),
    ("releases", {}, ["releases: set command, path or git (a tree), or image or build (an image)"]),
    ("releases/image", "acme/gateway:latest", ["releases.image: must contain {release}"]),
    ("compose/files", [], ["compose.files"]),
    ("flags/defaults", {"0.5.0": "yes"}, ["flags.defaults.0.5.0", "'on' or 'off'"]),
    ("flags/defaults", {"9": "on"}, ["flags.defaults: release '9' is not one of"]),
    ("integrations/github/defaults", {"9": "on"}, ["integrations.github.defaults: release '9' is not one of"]),
    ("integrations/github/flag", "{INTEGRATION}", ["integrations.github.flag: unknown placeholder {INTEGRATION}"]),
    (
        "integrations/jira/flag",
        "INTEGRATIONS_GITHUB_ENABLED",
        ["shares the flag INTEGRATIONS_GITHUB_ENABLED with github", "ungated"],
    ),
    ("integrations/jira", {"ungated": "x"}, ["integrations.jira.ungated"]),
    ("integrations/jira", {"ungated": "why", "flag": "F"}, ["integrations.jira: is ungated, so it cannot have flag"]),
    ("flags/off", "true", ["flags: on and off have the same value"]),
    ("name", "", ["name"]),
    ("gateway/env/X", "${UNSET}", ["gateway.env.X: the environment variable UNSET is not set"]),
    ("gateway/ready_timeout", float("nan"), ["gateway.ready_timeout: must be a finite number"]),
    ("gateway/ready_timeout", float("inf"), ["gateway.ready_timeout: must be a finite number"]),
    ("delivery/json/x", float("nan"), ["delivery.json.x: must be a finite number"]),
    ("health/body/x", float("-inf"), ["health.body.x: must be a finite number"]),
    ("current", datetime.date(2026, 1, 1), []),  # a date is read as text, and is no integration's `since`
]


@pytest.mark.parametrize(
    ("where", "value", "expected"), MISTAKES, ids=lambda value: "deleted" if value is DELETED else str(value)[:40]
)
def test_each_mistake_is_named(tmp_path: Path, where: str, value: object, expected: list[str]):
    error = problems_of(write(tmp_path / "target.toml", changed(where, value)))
    assert all(part in str(error) for part in expected), str(error)
    assert "1 mistake in" in error.what


def test_several_mistakes_are_reported_at_once(tmp_path: Path):
    document = changed("curent", "x")
    del document["name"]
    document["gateway"]["ready_timeout"] = "soon"
    error = problems_of(write(tmp_path / "t.toml", document))
    assert "3 mistakes" in error.what
    assert len(error.cause.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'name = "x"\ncurrent = \n', "line 2"),
        (b"[a\n", "line 1"),
        (b"name = '\xff'", "not UTF-8"),
        (b"", "mistakes"),
        (b"a = " + b"9" * 5_000, "not TOML"),
        (b"a = " + b"[" * 50_000, "not TOML"),
        (b"[" + b".".join(b"a%d" % number for number in range(900)) + b"]", "more than 50 tables"),
        (b"a = " + b"[" * 100 + b"]" * 100, "more than 50 tables"),
        (codecs.BOM_UTF8 + b'name = "x"', "byte order mark"),
        (b"a = '" + b"x" * 2_000_000 + b"'", "larger than 1 MB"),
        (b"".join(b"x%d = 1\n" % number for number in range(20_000)), "more: is it a target file?"),
    ],
    ids=["value", "table", "bytes", "empty", "digits", "depth", "tables", "arrays", "mark", "size", "keys"],
)
def test_what_is_no_toml_is_refused(tmp_path: Path, content: bytes, expected: str):
    file = tmp_path / "target.toml"
    file.write_bytes(content)
    assert expected in str(problems_of(file))


def test_deep_nesting_is_refused(tmp_path: Path):
    file = tmp_path / "t.toml"
    file.write_text(TEXT.replace('{ status = "ok" }', "[" * 300 + "]" * 300))
    problems_of(file)


@pytest.mark.parametrize("name", ["missing.toml", ".", "a/b.toml", "nul\0"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str):
    error = problems_of(tmp_path / name)
    assert "cannot be read" in error.what
    assert "--drill-target" in error.fix


def test_values_come_from_the_environment(tmp_path: Path):
    document = changed("gateway/env/KEY", "a-${KEY}-b")
    document["secrets"] = ["${KEY}"]
    target = Target.load(write(tmp_path / "t.toml", document), {"KEY": "k3y"})
    assert target.gateway.env["KEY"] == "a-k3y-b"
    assert target.secrets == ("k3y",)


def test_braces_from_the_environment_are_not_placeholders(tmp_path: Path):
    document = changed("gateway/env/KEY", "{port}/${KEY}")
    document["secrets"] = ["${KEY}"]
    target = Target.load(write(tmp_path / "t.toml", document), {"KEY": "x{port}y}{"})
    assert target.gateway.env["KEY"].format(port=1) == "1/x{port}y}{"
    assert target.secrets == ("x{port}y}{",)


SECRET_PLACES = [
    *("current", "name", "zzz", "flags/variable", "version/pointer", "releases/path", "delivery/json"),
    *("gateway/ready_timeout", "gateway/start", "gateway/env/X", "health/path", "health/status", "health/method"),
    *("integrations/github/since", "behaviours/0/release"),
]


@pytest.mark.parametrize("secret", ["hunter2-{secret}", 'it\'s "both"', "two\nlines-of-it", "s3cr3t" * 40, "pin"])
@pytest.mark.parametrize("where", SECRET_PLACES)
def test_a_value_from_the_environment_is_never_shown(tmp_path: Path, where: str, secret: str):
    document = changed(where, "${SECRET}{") if where == "gateway/env/X" else changed(where, "${SECRET}")
    document["mistake"] = 1
    message = str(problems_of(write(tmp_path / "t.toml", document), {"SECRET": secret}))
    fragments = [secret] if len(secret) < 30 else [secret, secret[:20]]
    if secret != "pin":
        assert not any(fragment in message or repr(fragment)[1:-1] in message for fragment in fragments)
    assert "mistake" in message


def test_an_environment_that_is_not_utf8_is_refused(tmp_path: Path):
    error = problems_of(write(tmp_path / "t.toml", changed("name", "${BAD}")), {"BAD": "\udcff"})
    assert "BAD is not UTF-8" in str(error)


def test_an_unknown_objective_is_refused(reference_target: Target):
    with pytest.raises(TargetError, match="full_restore"):
        reference_target.objective("nonsense")
    assert all(reference_target.objective(name) > 0 for name in Objectives.recovery_times())
    assert set(Objectives.model_fields) - set(Objectives.recovery_times()) == {"downtime", "data_loss"}
    with pytest.raises(TargetError, match="no objective 'downtime'"):  # not a recovery time
        reference_target.objective("downtime")


def test_flags_of_single_integrations(tmp_path: Path):
    document = changed("integrations/jira", {"flag": "FEATURE_{NAME}", "defaults": {"0.5.0": "off"}})
    document["integrations"]["github_actions"] = {"ungated": "shares github's"}
    target = Target.load(write(tmp_path / "t.toml", document), {})
    assert target.flag_variable("jira") == "FEATURE_JIRA"
    assert "github_actions" not in target.gated_of("0.5.0")
    assert "heroku" in set(target.gated_of("0.5.0")) - set(target.gated_of("0.4.0"))
    assert target.ungated_of("0.4.0") == {"github_actions": "shares github's"}
    assert target.disabled_answer("github_actions") is None
    assert [target.flag_default("jira", release) for release in ("0.4.0", "0.5.0")] == [True, False]
    assert target.flag_default("github", "0.5.0") is True


def test_flags_of_integrations_need_flags(tmp_path: Path):
    document = changed("flags", DELETED)
    document["integrations"]["jira"] = {"flag": "F"}
    assert "integrations.jira.flag: needs [flags]" in str(problems_of(write(tmp_path / "t.toml", document)))


def test_a_target_without_flags_has_no_variables(tmp_path: Path):
    target = Target.load(write(tmp_path / "t.toml", changed("flags", DELETED)), {})
    with pytest.raises(TargetError, match="no \\[flags\\]"):
        target.flag_variable("github")


def test_variables_that_make_a_start_migrate_have_to_be_named(tmp_path: Path):
    document = changed("gateway/migrate_on_start", {})
    assert "gateway: migrate_on_start names no variable" in str(problems_of(write(tmp_path / "t.toml", document)))

"""The recipes for CI services and schedulers: valid by their schemas, with commands that this version takes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import check_jsonschema
import jsonschema
import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "docs" / "guides" / "recipes"
SCHEMAS = Path(check_jsonschema.__file__).parent / "builtin_schemas" / "vendor"
KUBERNETES = "1.32"
STAND_INS = {  # what a recipe names, and what the repository has of its kind
    "alembic.ini": "fixtures/gateway/alembic.ini",
    "git:origin/$BASE": "git:HEAD~1",
    "git:FETCH_HEAD": "git:HEAD~1",
    "git:HEAD": "git:HEAD~1",
    "${{ matrix.drills }}": "scenario",
}


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((RECIPES / name).read_text()))


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("github-reversibility.yml", "github-workflows"),
        ("github-game-day.yml", "github-workflows"),
        ("gitlab-ci.yml", "gitlab-ci"),
    ],
)
def test_pipelines_are_valid(name: str, schema: str) -> None:
    rules = json.loads((SCHEMAS / f"{schema}.json").read_text())
    (document,) = documents(name)
    document = {("on" if key is True else key): value for key, value in document.items()}  # YAML 1.1 reads `on` as true
    jsonschema.validators.validator_for(rules)(rules).validate(document)
    with pytest.raises(jsonschema.ValidationError):  # and the schema can fail
        jsonschema.validators.validator_for(rules)(rules).validate(document | {"jobs": 1, "default": 1})


def test_the_hook_of_pre_commit_is_offered_as_documented() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    (block,) = re.findall(r"```yaml\n(.*?)```", (RECIPES.parent / "ci.md").read_text(), re.DOTALL)
    (documented,) = yaml.safe_load(block)["repos"][0]["hooks"]
    assert documented["id"] == hook["id"]
    assert hook["pass_filenames"] is False  # a script by itself is no history
    assert set(hook["args"]) < set(documented["args"])


def test_the_cron_job_is_valid() -> None:
    for document in documents("kubernetes-cronjob.yaml"):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    job = documents("kubernetes-cronjob.yaml")[1]
    job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["comand"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_units_are_valid(tmp_path: Path) -> None:
    program = tmp_path / "rollback-drills"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("rollback-drills.service", "rollback-drills.timer"):
        text = (RECIPES / name).read_text().replace("/srv/drills/.venv/bin/rollback-drills", str(program))
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / name) for name in ("rollback-drills.service", "rollback-drills.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "rollback-drills" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_the_crontab_has_five_times_and_a_command() -> None:
    lines = [line for line in (RECIPES / "crontab").read_text().splitlines() if line and line[0] in "0123456789*"]
    assert len(lines) == 1
    *times, command = lines[0].split(maxsplit=5)
    assert all(re.fullmatch(r"[\d*/,-]+", each) for each in times)
    assert "%" not in command  # cron takes it for the end of the line


def test_every_recipe_is_on_the_page_and_every_named_one_is_there() -> None:
    page = (RECIPES.parent / "ci.md").read_text()
    assert set(re.findall(r"\(recipes/([^)]+)\)", page)) == {path.name for path in RECIPES.iterdir()}


def command_lines() -> Iterator[str]:
    """Every line of a recipe that calls rollback-drills."""
    for name in ("github-reversibility.yml", "github-game-day.yml"):
        for job in documents(name)[0]["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
    for job in documents("gitlab-ci.yml")[0].values():
        yield from job.get("script", [])
    container = documents("kubernetes-cronjob.yaml")[1]["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ][0]
    yield shlex.join([*container["command"], *container["args"]])
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    yield shlex.join([*shlex.split(hook["entry"]), "alembic.ini", *hook["args"]])
    yield from re.findall(r"^ExecStart=(.*)$", (RECIPES / "rollback-drills.service").read_text(), re.MULTILINE)
    yield from re.findall(r"&& (\S*rollback-drills .*?) >", (RECIPES / "crontab").read_text())


def commands() -> list[str]:
    found = [line for line in command_lines() if re.match(r"(\S*/)?rollback-drills ", line)]
    return sorted(set(found))


def test_no_command_is_overlooked() -> None:
    assert len(commands()) >= 7


@pytest.mark.slow
@pytest.mark.parametrize("command", commands())
def test_commands_are_taken(command: str, tmp_path: Path) -> None:
    _, *arguments = shlex.split(command)
    arguments = [STAND_INS.get(argument, argument) for argument in arguments]
    argv = [sys.executable, "-m", "rollback_drills"]
    if arguments[0] in ("run", "migrations"):
        arguments = [each.replace("reports/migrations", f"{tmp_path}/migrations") for each in arguments]
        arguments = [argument for argument in arguments if not argument.startswith("--junitxml")]
        target = ["--target=fixtures/targets/reference.toml"] if arguments[0] == "run" else []
        argv += [*arguments, *target, "--collect-only", "-q", "-p", "no:cacheprovider"]
    else:
        sample = shutil.copytree(ROOT / "reports" / "sample", tmp_path / "shard")
        known = {
            "shards/*/2*": str(sample),
            "game-days/$GITHUB_RUN_ID": str(tmp_path / "1"),
            "game-days/junit.xml": str(tmp_path / "junit.xml"),
        }
        argv += [known.get(argument, argument) for argument in arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr

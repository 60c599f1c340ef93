"""Commands that prove nothing, stop halfway, or are not what a shell reads: found, and not where they are right."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rollback_drills.runbook.context import Context
from rollback_drills.runbook.linter import RULES, STATIC_RULES, find
from rollback_drills.runbook.options import read_options
from rollback_drills.runbook.shell import parse

CONTEXT = Context("gateway", "db", webhook="/webhooks/{integration}", flag="FLAG_{NAME}_ENABLED")
URL = "http://localhost:8000/health"
HOOK = "http://localhost:8000/webhooks/github"


def found(code: str, *blocks: list[str], context: Context = CONTEXT) -> list[str]:
    text = "\n\n".join("\n".join(["```bash", *lines, "```"]) for lines in blocks)
    return [each.text for each in find(code, text, context)]


@pytest.mark.parametrize(
    "line",
    [
        f"curl {URL}",
        f"curl -s {URL} || exit 1",
        f"curl -sS -o /dev/null {URL}",
        f"curl -s {URL} > /dev/null",
        'curl "$GATEWAY/health"',
        f"docker compose exec gateway curl {URL}",
        f"curl -sHfoo:bar {URL}",
        "curl localhost:8000/health",
    ],
)
def test_a_request_whose_status_nobody_sees(line: str):
    assert found("check-ignores-status", [line]) == [line]
    assert found("check-ignores-status", [f"sleep 5; {line}"])
    assert found("check-ignores-status", [f"if {line.partition(' || ')[0]}; then echo ok; fi"])


@pytest.mark.parametrize(
    "line",
    [
        f"curl -f {URL}",
        f"curl -fsS {URL}",
        f"curl -sSf {URL}",
        f"curl --fail {URL}",
        f"curl --fail-with-body {URL}",
        f"curl -o /dev/null -w '%{{http_code}}' {URL}",
        f"curl --write-out='%{{http_code}}' {URL}",
        f"curl -i {URL}",
        f"curl -si {URL}",
        f"curl -I {URL}",
        f"curl -v {URL}",
        f"curl -s {URL} | jq -e .ok",
        f"curl -s {URL} | grep ok",
        f'test "$(curl -s {URL})" = ok',
        f"answer=$(curl -s {URL})",
        f"curl -sO {URL}",
        f"curl -o health.json {URL}",
        f"curl -s {URL} > health.json",
        f"curl -X POST {HOOK}",
        f"curl -d x {HOOK}",
        "which curl",
        "apt-get install curl",
        f"echo see {URL}",
    ],
)
def test_a_request_that_is_looked_at_or_that_does_something(line: str):
    assert found("check-ignores-status", [line]) == []


@pytest.mark.parametrize("options", ["", "-s", "-i", "-I", "-fsS", "-X GET", "-w '%{http_code}'"])
def test_a_webhook_that_is_asked_by_get(options: str):
    line = " ".join(filter(None, ["curl", options, HOOK]))
    assert found("flag-checked-by-get", [line]) == [line]


@pytest.mark.parametrize(
    "line",
    [
        f"curl -X POST {HOOK}",
        f"curl -XPOST {HOOK}",
        f"curl -sXPOST {HOOK}",
        f"curl --request POST {HOOK}",
        f"curl --request=PUT {HOOK}",
        f"curl -d '{{}}' {HOOK}",
        f"curl -sS -w ' %{{http_code}}' -H 'a: b' --json '{{}}' {HOOK}",
        f"curl --data-binary @body.json {HOOK}",
        f"curl {URL}",
    ],
)
def test_a_webhook_that_is_delivered_to_or_another_path(line: str):
    assert found("flag-checked-by-get", [line]) == []


def test_without_a_path_of_deliveries_nothing_is_known_of_flags():
    assert found("flag-checked-by-get", [f"curl {HOOK}"], context=Context("gateway", "db")) == []
    assert (
        found("flag-check-fails-when-off", ["FLAG_A_ENABLED=off", f"curl -fd x {HOOK}"], context=Context("g", "d"))
        == []
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["export FLAG_GITHUB_ENABLED=false", f"curl -fsS -X POST {HOOK}"], 1),
        (["sed -i 's/^FLAG_GITHUB_ENABLED=.*/FLAG_GITHUB_ENABLED=false/' .env", f"curl -f -d x {HOOK}"], 1),
        (["FLAG_<NAME>_ENABLED=off", f"curl --fail -d x {HOOK}"], 1),
        (["export FLAG_GITHUB_ENABLED=false", f"curl -sS -w '%{{http_code}}' -d x {HOOK}"], 0),
        (["export FLAG_GITHUB_ENABLED=false", f"curl -fsS {URL}"], 0),
        (["export FLAG_GITHUB_ENABLED=true", f"curl -fsS -X POST {HOOK}"], 0),
        (["FLAG_GITHUB_ENABLED=false", "FLAG_GITHUB_ENABLED=true", f"curl -fd x {HOOK}"], 0),
        (["MIGRATE_ON_START=false", f"curl -fsS -X POST {HOOK}"], 0),
        ([f"curl -fsS -X POST {HOOK}"], 0),
    ],
)
def test_a_check_that_fails_on_what_is_wanted(lines: list[str], expected: int):
    assert found("flag-check-fails-when-off", lines) == lines[-1:] * expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("pg_dump --clean --if-exists gateway > backup.sql", 1),
        ("pg_dump -c gateway > backup.sql", 1),
        ("docker compose exec -T db pg_restore --clean -d gateway < backup.dump", 1),
        ("pg_restore -cd gateway backup.dump", 1),
        ("pg_restore --clean --create -d postgres backup.dump", 0),
        ("pg_restore -cC -d postgres backup.dump", 0),
        ("pg_dump -Fc --clean gateway > backup.dump", 1),
        ("pg_dump -Fc gateway > backup.dump", 0),
        ("pg_dump -Ugateway -Fc -f backup.dump gateway_c", 0),
        ("pg_dump gateway > backup.sql", 0),
        ("pg_restore -d gateway_restored backup.dump", 0),
        ("psql -c 'SELECT 1'", 0),
        ("pg_dump gateway | psql -c 'SELECT 1'", 0),
    ],
)
def test_a_dump_that_cleans(line: str, expected: int):
    assert found("clean-leaves-younger-tables", [line]) == [line] * expected


def test_a_dump_that_cleans_a_new_database_is_no_harm():
    assert found("clean-leaves-younger-tables", ["createdb fresh", "pg_restore --clean -d fresh x.dump"]) == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["dropdb gateway"], 1),
        (["docker compose exec -T db dropdb -U postgres gateway"], 1),
        (["psql -c 'DROP DATABASE gateway'"], 1),
        (["docker compose stop gateway", "docker compose start gateway", "dropdb gateway"], 1),
        (["docker compose stop db", "dropdb gateway"], 1),
        (["dropdb --force gateway"], 0),
        (["dropdb -f gateway"], 0),
        (["psql -c 'DROP DATABASE gateway WITH (FORCE)'"], 0),
        (["docker compose stop gateway", "dropdb gateway"], 0),
        (["docker compose down", "docker compose up -d --wait db", "dropdb gateway"], 0),
        (["systemctl stop gateway", "dropdb gateway"], 0),
    ],
)
def test_a_database_that_is_dropped_under_the_gateway(lines: list[str], expected: int):
    assert found("dropdb-while-connected", lines) == lines[-1:] * expected


def test_a_gateway_that_was_stopped_in_the_block_before_is_stopped():
    assert found("dropdb-while-connected", ["docker compose stop gateway"], ["dropdb gateway"]) == []
    assert found("dropdb-while-connected", ["docker compose up -d"], ["dropdb gateway"]) == ["dropdb gateway"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["git checkout v1", "docker compose build"], 1),
        (["git switch --detach v1", "make"], 1),
        (["cd /srv; git checkout v1; make"], 1),
        (["git -C /srv checkout v1", "make"], 1),
        (["set +e", "git checkout v1", "make"], 1),
        (["set -e", "set +e", "git checkout v1", "make"], 1),
        (["set -e", "git checkout v1", "make"], 0),
        (["set -euo pipefail", "git checkout v1", "make"], 0),
        (["set -o errexit", "git checkout v1", "make"], 0),
        (["git checkout v1 && make", "make install"], 0),
        (["git checkout v1 || exit 1", "make"], 0),
        (["git checkout v1"], 0),
        (["make", "git checkout v1"], 0),
        (["git checkout -- compose.yaml", "make"], 0),
        (["git checkout -b mend", "make"], 0),
        (["git switch -", "make"], 0),
        (["git checkout .", "make"], 0),
        (["git rev-parse --verify v1", "make"], 0),
        (["if git checkout v1; then", "make", "fi"], 0),
    ],
)
def test_what_is_done_after_a_checkout_that_failed(lines: list[str], expected: int):
    assert len(found("checkout-not-checked", lines)) == expected


def test_a_shell_that_ends_at_the_first_error_does_so_to_the_end_of_the_page():
    assert found("checkout-not-checked", ["set -euo pipefail"], ["git checkout v1", "make"]) == []
    assert found("checkout-not-checked", ["git checkout v1", "make"], ["set -e"]) == ["git checkout v1"]


@pytest.mark.parametrize(
    "line",
    [
        "alembic downgrade <revision_id>",
        "alembic downgrade <revision-id>",
        "alembic downgrade <the revision>",
        "VERSION=<version> docker compose up -d",
        "INTEGRATIONS_<NAME>_ENABLED=false",
        "git checkout v<version>",
        "psql -d <database> backup.sql",
        "cat <backup>.sql | psql",
    ],
)
def test_a_placeholder_that_a_shell_redirects(line: str):
    assert found("placeholder-redirects", [line]) == [line]


@pytest.mark.parametrize(
    "lines",
    [
        ['alembic downgrade "$REVISION"'],
        ["alembic downgrade $REVISION"],
        ["alembic downgrade '<revision_id>'"],
        ['echo "<revision_id>"'],
        [r"echo \<revision_id\>"],
        ["psql < backup.sql > log"],
        ["psql <backup.sql >log"],
        ["diff <(sort a) <(sort b)"],
        ["cat <<EOF", "<html>", "EOF"],
        ["psql <<'SQL' > log", "SELECT <x>", "SQL", "psql -c 'SELECT 1'"],
        ["grep x <<<word"],
        ["command 2>&1 >log"],
        ["Rolling back to <version>, see <ticket>"],
        ["usage: restore <file>"],
    ],
)
def test_angle_brackets_that_are_no_placeholder(lines: list[str]):
    assert found("placeholder-redirects", lines) == []


@pytest.mark.parametrize("word", ["revision_id", "the revision", "NAME", "revision-id"])
def test_what_is_found_is_what_a_shell_trips_over(word: str, tmp_path: Path):
    """`printf` would exit 0 on any argument."""
    for line, tripped in ((f"printf %s <{word}>", True), (f"printf %s '<{word}>'", False)):
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, check=False, timeout=60)
        assert (done.returncode != 0) == tripped
        assert bool(found("placeholder-redirects", [line])) == tripped


@given(st.text(max_size=80))
@example("@{\U000b1552]]#")  # the grammar's scanner crashes on letters beyond ASCII
@example("((if\u2760\U0006da43!\U00100b60\u2767\U000c6910{\U000ce6a9")
def test_any_line_is_read(line: str):
    for command in parse(line).commands:
        read_options(command.words)
    for code in (*RULES, *STATIC_RULES):
        find(code, f"```bash\n{line}\n```\n", CONTEXT)


WORDS = st.text("abcXYZ019-_./%$ ';&|<>", min_size=1, max_size=12)


@given(st.lists(WORDS, min_size=1, max_size=5), st.sampled_from([";", "&&", "||", "|"]))
def test_what_is_quoted_is_one_word_and_never_an_operator(words: list[str], operator: str):
    quoted = " ".join(map(shlex.quote, words))
    first, second = parse(f"run {quoted} {operator} run {quoted}").commands
    assert first.words == second.words == ("run", *words)
    assert first.after == (operator if operator in {"&&", "||"} else "")
    assert first.feeds == (("run", *words) if operator == "|" else ())


@given(st.lists(st.sampled_from("fsSLki"), min_size=1, max_size=5))
def test_short_options_are_found_in_any_cluster(letters: list[str]):
    cluster = "-" + "".join(letters)
    assert set(read_options((cluster,)).given) == {f"-{letter}" for letter in letters}
    assert (found("check-ignores-status", [f"curl {cluster} {URL}"]) == []) == bool({"f", "i"} & set(letters))

"""[[requests]]: what clients do, of which a webhook delivery is one kind."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from support.rest_target import STORED, rest_document, rest_target

from rollback_drills.clients.delivery import by_query, new_id, prepare
from rollback_drills.target.capabilities import missing_capabilities
from rollback_drills.target.probe_tables import AnyAnswer
from rollback_drills.target.target import Target

AUDIT = {"name": "note", "path": "/notes", "json": {"text": "{unique}"}, "stored": "SELECT t FROM note WHERE %(ids)s"}


def test_what_is_stored_writes_and_the_rest_reads():
    target = rest_target()
    assert target.integrations_of("1") == ("create item",)
    assert [each.name for each in target.reads_of("1")] == ["who am I"]
    assert target.delivery_to("create item").method == "POST"
    assert target.delivery_to("who am I").method == "GET"


def test_requests_stand_beside_integrations():
    delivery = {"path": "/hooks/{integration}", "json": {"id": "{unique}"}, "stored": STORED}
    target = rest_target(delivery=delivery, integrations={"github": {}, "jira": {"since": "2"}})
    assert target.integrations_of("2") == ("github", "jira", "create item")
    assert target.integrations_of("1") == ("github", "create item")
    assert target.delivery_to("github").path == "/hooks/{integration}"
    assert target.delivery_to("create item").login == "user"


def test_without_health_and_version_an_answer_is_enough():
    target = rest_target()
    assert isinstance(target.readiness, AnyAnswer)
    assert target.readiness.path == "/", "the only read needs a login"
    assert target.version_of("1") == "1"
    assert missing_capabilities(target, ["health"]) == ["the target has no health request ([health])"]


def test_a_target_of_migrations_needs_no_more_than_releases():
    target = Target.model_validate_json(
        json.dumps({"name": "tables", "current": "2", "previous": "1", "releases": {"path": "{release}"}})
    )
    assert not target.serves
    assert target.integrations_of("2") == ()
    assert target.runbook is None


def test_one_integration_need_not_be_named_in_its_deliveries():
    delivery = {"path": "/notes", "json": {"id": "{unique}"}, "stored": STORED}
    assert rest_target(requests=[], delivery=delivery, integrations={"notes": {}}).delivery_to("notes").path == "/notes"
    own = {"notes": {}, "parcels": {"path": "/parcels"}}
    with pytest.raises(ValidationError, match=r"must contain \{integration\}.*under \[integrations\.notes\]"):
        rest_target(requests=[], delivery=delivery, integrations=own)


def test_only_a_request_with_a_flag_can_be_turned_off():
    flags = {"disabled": {"status": 503}}
    items, *rest = rest_document()["requests"]
    target = rest_target(flags=flags, requests=[items | {"flag": "ITEMS_{NAME}"}, AUDIT, *rest])
    assert target.gated_of("2") == ("create item",)
    assert target.flag_variable("create item") == "ITEMS_CREATE_ITEM"
    assert list(target.ungated_of("2")) == ["note"]
    assert rest_target().ungated_of("2") == {}, "where nothing has a flag, there is no gap among flags"


def test_the_logins_password_is_a_secret():
    assert "correct horse" in rest_target().known_secrets


def test_each_write_is_looked_for_where_its_request_stores_it():
    target = rest_target(requests=[*rest_document()["requests"], AUDIT])
    item, note = (new_id(target, name, "drill") for name in ("create item", "note"))
    assert by_query(target, [item, note, "of-nobody"]) == {
        STORED: [item, "of-nobody"],
        AUDIT["stored"]: [note, "of-nobody"],
    }


def test_a_request_is_prepared_as_the_file_says():
    prepared = prepare(rest_target(), "create item", "drill-1")
    assert (prepared.method, prepared.path, prepared.login) == ("POST", "/items", "user")
    assert json.loads(prepared.body) == {"title": "drill-1"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"requests": []}, "name at least one that writes"),
        ({"requests": [{"name": "look", "path": "/"}]}, "name at least one that writes"),
        ({"logins": {}}, r"there is no \[logins.user\]"),
        ({"health": {"path": "/h", "login": "admin"}}, r"there is no \[logins.admin\]"),
        ({"requests": [AUDIT, AUDIT]}, "two with the name 'note'"),
        ({"requests": [AUDIT | {"same": True}]}, "same is for reads"),
        ({"requests": [AUDIT | {"json": {"text": "x"}}]}, r"must contain \{unique\}"),
        ({"requests": [AUDIT | {"stored": "SELECT 1"}]}, r"stored must contain %\(ids\)s"),
        ({"requests": [AUDIT | {"since": "3"}]}, "requests.note: since '3' is not one of"),
        ({"requests": [AUDIT | {"since": "2"}]}, "nothing writes to release '1'"),
        ({"requests": [AUDIT | {"flag": "NOTES"}]}, r"requests.note.flag: needs \[flags\]"),
        ({"requests": [AUDIT, {"name": "look", "path": "/", "flag": "LOOK"}]}, "flag needs stored"),
        ({"integrations": {"github": {}}}, r"delivery: missing; \[integrations\] needs"),
        (
            {"delivery": {"path": "/", "raw": "{unique}", "stored": STORED}},
            r"integrations: missing; \[delivery\] needs",
        ),
        ({"logins": {"user": {"path": "/", "json": {"a": "{unique}"}}}}, "unknown placeholder"),
        ({"logins": {"user": {"path": "/", "value": "Bearer"}}}, r"must contain \{token\}"),
    ],
)
def test_a_mistake_is_explained(changes: dict[str, object], message: str):
    with pytest.raises(ValidationError, match=message):
        rest_target(**changes)


def test_flags_that_turn_nothing_off_are_none():
    flags = {"disabled": {"status": 503}}
    gated = rest_target(flags=flags, requests=[AUDIT | {"flag": "NOTES"}])
    assert missing_capabilities(gated, ["flags"]) == []
    ungated = rest_target(flags=flags, requests=[AUDIT])
    assert missing_capabilities(ungated, ["flags"]) == ["the target has no feature flags ([flags])"]


@pytest.mark.parametrize(
    "raw",
    [
        "user=ada&password=correct+horse",
        '{{"user": "ada", "password": "correct horse"}}',
        '<login xmlns="urn:x"><user>ada</user><password>correct horse</password></login>',
    ],
)
def test_the_raw_body_of_a_login_is_never_recorded(raw: str):
    secrets = rest_target(logins={"user": {"path": "/login", "raw": raw}}).known_secrets
    assert {"correct horse", raw.replace("{{", "{").replace("}}", "}")} <= secrets
    assert "ada" not in secrets

"""Client traffic on the reference gateway and its database, and everything that a drill does to them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from rollback_drills.clients.traffic import Request, Sender
from rollback_drills.clients.traffic.sender import ARGV
from rollback_drills.core.machine import MachineLoad
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.core.redaction import Redactor
from rollback_drills.drill import clients
from rollback_drills.drill.clients import account_for_clients
from rollback_drills.drill.drill import Drill
from rollback_drills.drill.plan import (
    CheckFailedError,
    Plan,
)
from rollback_drills.lab.lab import Lab
from rollback_drills.lab.stack import Stack
from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime
from rollback_drills.runtimes.host.conversation import PipedConversation
from rollback_drills.runtimes.host.process import clean_environment
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

PATIENCE = 60.0  # seconds; nothing here takes a tenth of it on an idle machine


@pytest.fixture(scope="module")
def lab(reference_target: Target, worker_id: str) -> Iterator[Lab]:
    workspace = Workspace(f"traffic-{os.getpid()}", worker_id)
    environment, log = clean_environment(workspace.path), workspace.path / "traffic.log"
    sender = Sender(lambda: PipedConversation(ARGV, cwd=workspace.path, env=environment, log=log))
    meter = Meter()
    lab = Lab(reference_target, EmbeddedRuntime(reference_target, workspace, meter), meter, "traffic", sender)
    lab.start()
    yield lab
    lab.close()
    sender.close()
    removal.close(workspace)


@pytest.fixture
def stack(lab: Lab) -> Iterator[Stack]:
    stack = lab.stack()
    stack.must_start(stack.gateway.deploy(lab.target.current))
    yield stack
    if stack.clients.load is not None:
        stack.clients.load.end()
    lab.discard(stack)


@pytest.fixture
def drill(lab: Lab, stack: Stack, tmp_path: Path) -> Drill:
    drill = make_drill(lab.target, lab.meter, tmp_path)
    drill.watch(stack.clients)
    return drill


def make_drill(target: Target, meter: Meter, directory: Path) -> Drill:
    plan = Plan("drills/test_x.py::test_y", "t", "scenario-a")
    return Drill(plan, target=target, meter=meter, redactor=Redactor(), directory=directory, machine=idle)


def idle(*, late: float = 0.0) -> MachineLoad:
    """What these tests measure is not excused by the load of the machine that runs them."""
    return MachineLoad(load=0.5, cpus=2, slowdown=1.0, late=late)


def wait_for(stack: Stack, number: int) -> tuple[Request, ...]:
    """Until so many requests have ended, from the load's beginning on."""
    load = stack.clients.load
    assert load is not None
    assert load.wait_for(lambda requests: len(requests) >= number, timeout=PATIENCE)
    return load.requests


def wait_for_more(stack: Stack, number: int) -> None:
    assert stack.clients.load is not None
    wait_for(stack, len(stack.clients.load.requests) + number)


def findings(drill: Drill) -> list[str]:
    return [finding.code for finding in drill.evidence().findings]


# --- downtime ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", [5, 40, 120])
def test_downtime_is_reported_within_100_ms_of_the_gateways_own(
    stack: Stack, drill: Drill, lab: Lab, down: int
) -> None:
    """Stopped until ``down`` more requests were sent; the start is dated by the gateway's own log."""
    assert lab.target.traffic.rate == 25.0
    stack.clients.begin()
    wait_for(stack, 12)
    stack.gateway.kill()
    stopped = time.monotonic()
    wait_for_more(stack, down)
    stack.must_start(stack.gateway.restart())
    started = moment_of_start(stack.gateway.logs())
    wait_for_more(stack, 12)
    account_for_clients(stack, drill)

    traffic = drill.evidence().traffic
    assert traffic is not None
    assert set(traffic.downtime_seconds) == {"health", "delivery"}
    for kind, seconds in traffic.downtime_seconds.items():
        assert seconds == pytest.approx(started - stopped, abs=0.1), kind
    for stretch in traffic.downtime:
        assert stretch.began == pytest.approx(drill.seconds_at(stopped), abs=0.1)
        assert stretch.ended == pytest.approx(drill.seconds_at(started), abs=0.1)
        assert stretch.cause == "connection refused"
    assert len(traffic.downtime) == 2


def moment_of_start(log: str) -> float:
    """When the gateway said for the last time that it has started, on the monotonic clock; it listens right after."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    said = [line["time"] for line in lines if line["message"] == "started"][-1]
    return time.monotonic() - time.time() + datetime.fromisoformat(said).timestamp()


# --- accounting ----------------------------------------------------------------------------------------


def test_what_was_lost_doubled_and_smuggled_in_is_listed_by_id(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    disabled = stack.target.integrations_of(stack.target.previous)[0]
    requests = wait_for(stack, 40)
    stack.set_flags({disabled: False})
    stack.must_start(stack.gateway.recreate())
    wait_for_more(stack, 40)
    load = stack.clients.load
    assert load is not None
    load.end()
    requests = tuple(sorted(load.requests, key=lambda each: each.number))
    acknowledged = [each for each in requests if each.fate == "acknowledged"]
    refused = [each for each in requests if each.outcome == "deliberate"]
    assert refused
    lost, doubled, smuggled = acknowledged[-4:], acknowledged[:2], refused[:1]
    own = stack.client.deliver(disabled)
    assert not own.acknowledged
    with stack.database.connect() as connection:
        connection.execute(b"ALTER TABLE deliveries DROP CONSTRAINT deliveries_delivery_id_key")
        connection.execute(b"SET session_replication_role = replica")
        for each in lost:
            connection.execute(b"DELETE FROM deliveries WHERE delivery_id = %s", (each.id,))
        connection.execute(b"RESET session_replication_role")
        for name in [each.id for each in doubled] + [smuggled[0].id, own.id]:
            connection.execute(
                b"INSERT INTO deliveries (delivery_id, integration, payload, status)"
                b" SELECT %s, 'jira', '{}', 'received'",
                (name,),
            )
    with pytest.raises(CheckFailedError):
        account_for_clients(stack, drill)

    writes = drill.evidence().writes
    assert writes is not None
    assert writes.acknowledged == len(acknowledged)
    assert writes.lost == tuple(each.id for each in sorted(lost, key=lambda each: each.ended))
    assert set(writes.duplicated) == {each.id for each in doubled}
    assert set(writes.unexpected) == {smuggled[0].id, own.id}
    assert (writes.expected_lost, writes.lost_more) == (0, 0)
    ended = drill.evidence().traffic.ended  # type: ignore[union-attr]
    assert writes.rpo_seconds == pytest.approx(ended - drill.seconds_at(min(each.ended for each in lost)), abs=0.01)
    assert findings(drill) == ["writes-lost", "writes-duplicated", "writes-unexpected"]
    assert lost[0].id in drill.evidence().findings[0].detail


def test_nothing_is_lost_over_a_restart(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 20)
    stack.must_start(stack.gateway.restart())
    own = [stack.client.deliver(name).id for name in stack.target.integrations_of(stack.target.current)]
    wait_for_more(stack, 20)
    account_for_clients(stack, drill)
    writes = drill.evidence().writes
    assert writes is not None
    assert writes.acknowledged > len(own)
    assert (writes.lost, writes.duplicated, writes.unexpected, writes.rpo_seconds) == ((), (), (), 0.0)
    assert findings(drill) == []
    account_for_clients(stack, drill)
    assert [step.title for step in drill.evidence().steps] == [clients.STEP]


def test_what_is_given_up_is_no_finding_and_counts_for_the_rpo(stack: Stack, drill: Drill) -> None:
    """A restore drops the last rows, as it does with all that was written after the backup."""
    stack.clients.begin()
    wait_for(stack, 20)
    with drill.step("Back up"):
        _, manifest = stack.backups.take(stack.database, drill._directory / "backup.sql")
    wait_for_more(stack, 20)
    with drill.recovery(), drill.step("Restore"):
        stack.gateway.stop()
        fresh = stack.database.create_empty()
        assert stack.backups.restore_into(fresh, drill._directory / "backup.sql").ok
        assert not manifest.data.diff(fresh.data())
        assert not manifest.schema.diff(fresh.schema())
        damaged = fresh.swap_with(stack.database)
        stack.clients.give_up(since=manifest.began)
        stack.must_start(stack.gateway.deploy(stack.target.current))
    account_for_clients(stack, drill)
    evidence = drill.evidence()
    writes, recovery = evidence.writes, evidence.recovery
    assert writes is not None
    assert recovery is not None
    assert writes.expected_lost == writes.all_lost >= 8
    assert writes.rpo_seconds is not None
    assert 0.7 < writes.rpo_seconds <= recovery.started
    assert writes.rpo_met is True
    assert findings(drill) == []
    damaged.drop()


def test_a_restore_that_drops_the_last_rows_is_named_by_its_ids(stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """What was acknowledged before the backup is not given up."""
    stack.clients.begin()
    wait_for(stack, 30)
    stack.gateway.stop()
    with drill.step("Back up, and restore all but the last three"):
        _, manifest = stack.backups.take(stack.database, tmp_path / "backup.sql")
        fresh = stack.database.create_empty()
        assert stack.backups.restore_into(fresh, tmp_path / "backup.sql").ok
        last = "SELECT id FROM deliveries ORDER BY id DESC LIMIT 3"
        dropped = fresh.query(f"SELECT delivery_id FROM deliveries WHERE id IN ({last})")
        fresh.execute(f"DELETE FROM outbox WHERE delivery IN ({last}); DELETE FROM deliveries WHERE id IN ({last})")
        fresh.swap_with(stack.database).drop()
        stack.clients.give_up(since=manifest.began)
    with pytest.raises(CheckFailedError):
        account_for_clients(stack, drill)
    writes = drill.evidence().writes
    assert writes is not None
    assert set(writes.lost) == {name for (name,) in dropped}
    assert (len(writes.lost), writes.expected_lost) == (3, 0)
    assert findings(drill) == ["writes-lost"]


def test_beyond_what_is_given_up_a_lost_write_is_a_finding(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 10)
    before = time.monotonic()
    wait_for_more(stack, 20)
    stack.clients.give_up(since=before)
    wait_for_more(stack, 6)
    with stack.clients.paused():
        stack.database.execute("TRUNCATE deliveries CASCADE")
    with pytest.raises(CheckFailedError):
        account_for_clients(stack, drill)
    load, writes = stack.clients.load, drill.evidence().writes
    assert load is not None
    assert writes is not None
    since, until = stack.clients.given_up[0]
    acknowledged = [each for each in load.requests if each.fate == "acknowledged" and each.id in writes.lost]
    given_up = [each for each in acknowledged if since <= each.ended <= until]
    assert 5 <= len(given_up) == writes.expected_lost < writes.all_lost == len(acknowledged)
    assert findings(drill) == ["writes-lost"]
    assert f"{len(acknowledged) - len(given_up)} acknowledged writes" in drill.evidence().findings[0].detail


def test_a_drill_that_broke_off_is_recorded_and_not_judged(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 10)
    stack.database.execute("TRUNCATE deliveries CASCADE")
    clients.record_clients(stack, drill)
    evidence = drill.evidence()
    assert evidence.traffic is not None
    assert evidence.writes is not None
    assert len(evidence.writes.lost) >= 1
    assert not evidence.writes.judged, "what it damaged and did not repair is no statement on the procedure"
    assert findings(drill) == []


def test_a_database_that_cannot_be_asked_is_an_error_and_not_a_pass(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 4)
    stack.database.execute("ALTER TABLE deliveries RENAME TO gone")
    with pytest.raises(Exception, match="cannot be asked for the deliveries"):
        account_for_clients(stack, drill)
    assert drill.evidence().steps[-1].outcome == "error"


def test_every_request_is_in_the_table_beside_the_report(stack: Stack, drill: Drill, tmp_path: Path) -> None:
    stack.clients.begin()
    wait_for(stack, 30)
    account_for_clients(stack, drill)
    (artifact,) = drill.evidence().artifacts
    head, *lines = (tmp_path / artifact.path).read_text().splitlines()
    assert head == "number,kind,integration,id,due,sent,ended,result,outcome"
    load, traffic = stack.clients.load, drill.evidence().traffic
    assert load is not None
    assert traffic is not None
    assert len(lines) == len(load.requests) == sum(sum(kind.values()) for kind in traffic.requests.values())
    assert all(float(line.split(",")[4]) >= 0 for line in lines)


# --- objectives ----------------------------------------------------------------------------------------


def test_a_missed_objective_names_the_step_that_took_longest(
    stack: Stack, drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives = stack.target.objectives.model_copy(update={"downtime": 0.5, "data_loss": 0.0})
    monkeypatch.setattr(stack, "target", stack.target.model_copy(update={"objectives": objectives}))
    stack.clients.begin()
    wait_for(stack, 10)
    since = time.monotonic()
    wait_for_more(stack, 10)
    with drill.recovery():
        with drill.step("Short"):
            stack.gateway.stop()
            stack.database.execute("TRUNCATE deliveries CASCADE")
            stack.clients.give_up(since=0.0)
        with drill.step("Long"):
            wait_for_more(stack, 75)  # three seconds: longer than a start, on a busy machine too
        with drill.step("Start"):
            stack.must_start(stack.gateway.restart())
    with pytest.raises(CheckFailedError):
        account_for_clients(stack, drill)
    found = {finding.code: finding.detail for finding in drill.evidence().findings}
    assert set(found) == {"downtime-objective-missed", "rpo-objective-missed"}
    assert "the objective is 0.5 s; longest step: Long" in found["downtime-objective-missed"]
    assert "the objective is 0 s" in found["rpo-objective-missed"]
    assert since < time.monotonic()


# --- recovery time -------------------------------------------------------------------------------------


def test_a_recovery_ends_when_clients_have_seen_a_whole_window(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 10)
    with drill.recovery():
        with drill.step("Restart"):
            stack.must_start(stack.gateway.restart())
            assert stack.client.healthy()
        checked = drill.seconds_at(time.monotonic())
    recovery = drill.evidence().recovery
    assert recovery is not None
    assert recovery.seconds is not None
    window = 9 * 2 / 25  # the first of ten probes of a kind is due at once, the last after nine intervals
    assert recovery.seconds >= checked - recovery.started + window - 0.01
    assert recovery.started + recovery.seconds <= drill.seconds_at(time.monotonic())
    account_for_clients(stack, drill)
    traffic = drill.evidence().traffic
    assert traffic is not None
    assert [phase.name for phase in traffic.phases] == ["before", "during", "after"]
    assert traffic.phases[0].failed == traffic.phases[2].failed == 0
    assert traffic.phases[1].failed > 0
    assert traffic.phases[1].ended == pytest.approx(recovery.started + recovery.seconds, abs=0.001)


def test_a_good_moment_is_no_steady_state(
    stack: Stack, drill: Drill, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verification passes, and then clients see failures: that is no recovery."""
    quick = lab.target.gateway.model_copy(update={"ready_timeout": 1.0})
    monkeypatch.setattr(stack.clients, "_target", lab.target.model_copy(update={"gateway": quick}))
    stack.clients.begin()
    wait_for(stack, 10)
    with drill.step("Verify"):
        assert stack.client.healthy()
    with pytest.raises(CheckFailedError, match="steady-state-not-held"), drill.recovery():
        stack.gateway.kill()
    recovery = drill.evidence().recovery
    assert recovery is not None
    assert recovery.seconds is None
    assert findings(drill) == ["steady-state-not-held"]
    assert "connection refused" in drill.evidence().findings[0].detail
    clients.record_clients(stack, drill)
    traffic = drill.evidence().traffic
    assert traffic is not None
    assert [phase.name for phase in traffic.phases] == ["before", "during"]


def test_where_clients_are_left_out_the_recovery_ends_with_its_checks(stack: Stack, drill: Drill) -> None:
    stack.clients.begin()
    wait_for(stack, 4)
    with drill.recovery(), drill.step("Stop, for good"):
        stack.gateway.stop()
        drill.leave_clients_out("nothing serves at the end of this")
    recovery = drill.evidence().recovery
    assert recovery is not None
    assert recovery.seconds is not None
    assert [step.title for step in drill.evidence().steps] == ["Stop, for good"]


def test_without_a_load_a_recovery_ends_with_its_checks(stack: Stack, drill: Drill) -> None:
    with drill.recovery(), drill.step("Restart"):
        stack.must_start(stack.gateway.restart())
    assert [step.title for step in drill.evidence().steps] == ["Restart"]
    own = stack.client.deliver(stack.target.integrations_of(stack.target.current)[0])
    account_for_clients(stack, drill)
    evidence = drill.evidence()
    assert evidence.traffic is None
    assert evidence.writes is not None
    assert (evidence.writes.acknowledged, own.acknowledged) == (1, True)


# --- backups under load --------------------------------------------------------------------------------


def test_a_backup_is_what_its_manifest_says_although_clients_write(stack: Stack, drill: Drill, tmp_path: Path) -> None:
    """The manifest describes the snapshot that pg_dump reads: what is written meanwhile is in neither."""
    stack.clients.begin()
    wait_for(stack, 10)
    file = tmp_path / "backup.sql"
    with drill.step("Back up"):
        _, manifest = stack.backups.take(stack.database, file)
    held = stack.database.data()
    poll_until(
        lambda: bool(held.diff(stack.database.data())) or None, what="a write after the backup", timeout=PATIENCE
    )
    fresh = stack.database.create_empty()
    assert stack.backups.restore_into(fresh, file).ok
    assert not manifest.data.diff(fresh.data())
    assert not manifest.schema.diff(fresh.schema())
    assert manifest.data.diff(stack.database.data())
    for name, state in fresh.sequences().items():
        assert not state.behind, name
        before, after = manifest.sequences[name], manifest.sequences_after[name]
        assert before.last_value <= state.last_value <= after.last_value
    fresh.drop()

"""What the harness costs beside the systems that it starts: ``make bench``.

Runs the whole game day with one worker and with two, in turn, and prints where the wall time went; then with and
without client traffic (``python tests/bench.py traffic``, alone), and a recovery with a million rows beside the same
commands by hand (``python tests/bench.py recovery``, alone). Where a Docker engine answers, it then compares a start of
the docker runtime with the same start by hand (``python tests/bench.py start``, alone). Ratios are within one
invocation, so that they hold on a noisy machine.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from rollback_drills.core.errors import DrillError
from rollback_drills.core.meter import Meter
from rollback_drills.core.polling import poll_until
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.postgres import connect
from rollback_drills.runtimes.host.ports import free_port
from rollback_drills.runtimes.host.readiness import answers
from rollback_drills.runtimes.workspace import removal
from rollback_drills.runtimes.workspace.directory import Workspace
from rollback_drills.target.target import Target

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "fixtures" / "targets" / "reference.toml"
ROUNDS = 2
STARTS = 7
ROWS = 1_000_000
RECOVERY_RATIO = 1.1  # how much longer than by hand a recovery may take
START_RATIO = 1.2  # how much longer than by hand a start of the docker runtime may take
Start = tuple[float, float, float]  # seconds until PostgreSQL answers, then until the gateway does, and both


def game_day(*options: str) -> tuple[float, RunEvidence]:
    """Wall seconds of the whole command, and its evidence."""
    with tempfile.TemporaryDirectory() as reports:
        command = [
            sys.executable, "-m", "pytest", "drills", "-q", "-p", "no:cacheprovider", "--drill-runtime=embedded",
            "--drill-report-dir", reports,
        ]  # fmt: skip
        started = time.monotonic()
        subprocess.run([*command, *options], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - started
        return wall, RunEvidence.model_validate_json((Path(reports) / "latest" / "evidence.json").read_bytes())


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end: what was started by hand is removed
    match sys.argv[1:]:
        case ["traffic"]:
            bench_traffic()
        case ["start"]:
            bench_start()
        case ["recovery"]:
            bench_recovery()
        case _:
            bench_game_day()
            bench_recovery()
            bench_start()


def bench_game_day() -> None:
    one, two = [], []
    for number in range(1, ROUNDS + 1):
        print(f"round {number} of {ROUNDS}: one worker, then two", file=sys.stderr)
        one.append(game_day("-p", "no:xdist"))
        two.append(game_day("-n", "2"))
    print_split(one)
    print_steps(one[-1][1])
    bench_traffic()
    walls = [statistics.median(wall for wall, _ in runs) for runs in (one, two)]
    print(f"\none worker {walls[0]:.1f} s, two workers {walls[1]:.1f} s: ratio {walls[1] / walls[0]:.2f}")


def bench_traffic() -> None:
    """What the load costs: its own CPU time, and how much longer drills take that have it, in turn with and without."""
    text = TARGET.read_text()
    assert text.count("rate = 25.0") == 1
    walls: dict[str, list[float]] = {"25.0": [], "0": []}
    runs: list[RunEvidence] = []
    file = TARGET.with_name(f"bench-{os.getpid()}.toml")  # beside the other, where its relative paths lead
    try:
        for number in range(1, ROUNDS + 1):
            for rate, seconds in walls.items():
                print(f"client traffic, round {number} of {ROUNDS}: rate {rate}", file=sys.stderr)
                file.write_text(text.replace("rate = 25.0", f"rate = {rate}"))
                wall, run = game_day("-p", "no:xdist", "-k", "not reversibility", "--drill-target", str(file))
                seconds.append(wall)
                runs += [run] if rate != "0" else []
    finally:
        file.unlink(missing_ok=True)
    loads = [drill.traffic for run in runs for drill in run.drills if drill.traffic is not None]
    cpu, lasted = sum(load.cpu_seconds for load in loads), sum(load.ended - load.began for load in loads)
    with_it, without = (statistics.median(seconds) for seconds in walls.values())
    late = max(load.latest_send_seconds for load in loads)
    print(f"\nclient traffic at 25 requests/s: {cpu / lasted:.1%} of a core, sent at most {late * 1000:.0f} ms late")
    print(f"game day with it {with_it:.1f} s, without {without:.1f} s: ratio {with_it / without:.2f}")


def print_split(runs: list[tuple[float, RunEvidence]]) -> None:
    print(f"{'one worker':<28} {'wall s':>8} {'target s':>9} {'harness s':>10} {'harness':>8}")
    for number, (wall, run) in enumerate(runs, 1):
        harness = wall - run.target_seconds
        name, share = f"game day, run {number}", harness / wall
        print(f"{name:<28} {wall:8.1f} {run.target_seconds:9.1f} {harness:10.1f} {share:8.1%}")


def print_steps(run: RunEvidence) -> None:
    sections: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for drill in run.drills:
        sections[drill.runbook][0] += drill.seconds
        sections[drill.runbook][1] += drill.harness_seconds
    print(f"\n{'section':<28} {'wall s':>8} {'harness s':>10}")
    print(f"{'starting the lab':<28} {run.setup_seconds:8.1f}")
    for section, (seconds, harness) in sections.items():
        print(f"{section:<28} {seconds:8.1f} {harness:10.1f}")


# --- a recovery with many rows ---------------------------------------------------------------------------


def bench_recovery() -> None:
    """Quick rollback 1 with a million rows: the drill's recovery time beside the same commands by hand, in turn."""
    seed = TARGET.with_name(f"bench-{os.getpid()}.sql")
    file = seed.with_suffix(".toml")
    text = TARGET.read_text().replace("rate = 25.0", "rate = 0")  # no window of clients, which nobody waits for by hand
    assert text.count('seed = ["../gateway/seed-0.4.0.sql"]') == 1
    file.write_text(text.replace('seed-0.4.0.sql"]', f'seed-0.4.0.sql", "{seed.name}"]'))
    seed.write_text(
        "INSERT INTO deliveries (delivery_id, integration, payload, received_at)\n"
        "SELECT 'bench-' || n, 'github', '{}', timestamptz '2026-01-01' + n * interval '1 s'\n"
        f"FROM generate_series(1, {ROWS}) n;\n"
    )
    ours, hand, aside = [], [], 0.0
    try:
        for number in range(1, ROUNDS + 1):
            print(
                f"a recovery with {ROWS:,} rows, round {number} of {ROUNDS}: the drill, then by hand", file=sys.stderr
            )
            chosen = "test_quick_application and not interrupted"
            _, run = game_day("-p", "no:xdist", "-k", chosen, "--drill-target", str(file))
            (recovery,) = (drill.recovery for drill in run.drills if drill.recovery is not None)
            assert recovery.seconds is not None
            ours.append(recovery.seconds)
            aside = max(aside, recovery.aside_seconds)
            hand.append(recovery_by_hand(Target.load(file)))
    finally:
        file.unlink(missing_ok=True)
        seed.unlink(missing_ok=True)
    drill, by_hand = statistics.median(ours), statistics.median(hand)
    print(f"\nrecovery with {ROWS:,} rows: {drill:.2f} s, and up to {aside:.2f} s of the suite's own work set aside")
    print(f"the same commands by hand: {by_hand:.2f} s; ratio {drill / by_hand:.2f} (at most {RECOVERY_RATIO})")
    if drill > by_hand * RECOVERY_RATIO:
        sys.exit("the recovery time contains more than the target's own")


def recovery_by_hand(target: Target) -> float:
    """Stop, downgrade, deploy the previous release, ask it and deliver to each integration."""
    from rollback_drills.lab.lab import Lab
    from rollback_drills.runtimes.embedded.runtime import EmbeddedRuntime

    workspace, meter = Workspace(f"bench-{os.getpid()}-{time.monotonic_ns()}", "main"), Meter()
    lab = Lab(target, EmbeddedRuntime(target, workspace, meter), meter, "bench")
    try:
        lab.start()
        stack = lab.stack()
        stack.must_start(stack.gateway.deploy(target.current))
        for name in target.integrations_of(target.current):
            stack.client.deliver(name)
        goal = stack.alembic.head(target.previous)
        began = time.monotonic()
        stack.gateway.stop()
        stack.alembic.downgrade(target.current, goal)
        stack.must_start(stack.gateway.deploy(target.previous))
        assert stack.client.healthy()
        taken = [stack.client.deliver(name) for name in target.integrations_of(target.previous)]
        seconds = time.monotonic() - began
        assert all(each.acknowledged for each in taken)
        lab.discard(stack)
        return seconds
    finally:
        lab.close()
        removal.close(workspace)


# --- the docker runtime's start ------------------------------------------------------------------------


def bench_start() -> None:
    """PostgreSQL and the gateway, from nothing to the first answer, in turn by the runtime and by hand."""
    from rollback_drills.core.errors import RuntimeUnavailableError
    from rollback_drills.runtimes.docker.runtime import DockerRuntime

    target = Target.load(TARGET)
    try:
        DockerRuntime.require(target, lambda line: print(line, file=sys.stderr))
    except RuntimeUnavailableError as error:
        print(f"\nthe docker runtime's start was not measured: {error.what}: {error.cause}")
        return
    ours, hand = [], []
    for number in range(1, STARTS + 1):
        print(f"start {number} of {STARTS}: by the runtime, then by hand", file=sys.stderr)
        ours.append(start_by_the_runtime(target))
        hand.append(start_by_hand(target))
    print(f"\n{'a start, seconds':<28} {'PostgreSQL':>10} {'gateway':>8} {'both':>6}")
    for title, starts in (("by the docker runtime", ours), ("by hand", hand)):
        server, gateway, both = (statistics.median(times) for times in zip(*starts, strict=True))
        print(f"{title:<28} {server:10.2f} {gateway:8.2f} {both:6.2f}")
    # Of each pair, since what is measured right after one another has met the same noise.
    ratio = statistics.median(mine[2] / theirs[2] for mine, theirs in zip(ours, hand, strict=True))
    print(f"docker runtime / by hand: {ratio:.2f} (at most {START_RATIO})")
    if ratio > START_RATIO:
        sys.exit("the docker runtime starts too slowly")


def start_by_the_runtime(target: Target) -> Start:
    from rollback_drills.runtimes.docker.runtime import DockerRuntime

    workspace = Workspace(f"bench-{os.getpid()}-{time.monotonic_ns()}", "main")
    try:
        began = time.monotonic()
        runtime = DockerRuntime(target, workspace, Meter())
        runtime.start()
        server = time.monotonic()
        assert runtime.gateway("bench", lambda: runtime.server.admin_url).deploy(target.current).started
        end = time.monotonic()
        runtime.close()
    finally:
        removal.close(workspace)
    return server - began, end - server, end - began


def start_by_hand(target: Target) -> Start:
    """As a shell script would do it: `docker run`, and connecting until there is an answer."""
    from rollback_drills.runtimes.docker.engine import Engine
    from rollback_drills.runtimes.docker.images import Images
    from rollback_drills.runtimes.docker.runtime import _SETTINGS, SUPERUSER
    from rollback_drills.runtimes.releases.trees import temporary_trees

    engine, mark = Engine(), f"bench-{os.getpid()}-{time.monotonic_ns()}"
    with temporary_trees(target) as trees:
        image = Images(engine, target, trees).of_release(target.current)
    engine.close()
    port, web = free_port(), free_port()
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://{SUPERUSER}:secret@{{}}/postgres"
    try:
        began = time.monotonic()
        docker("network", "create", mark)
        docker("run", "-d", "--name", f"{mark}-db", "--network", mark, "--network-alias", "database",
               "-e", f"POSTGRES_USER={SUPERUSER}", "-e", "POSTGRES_PASSWORD=secret", "-e", "POSTGRES_DB=postgres",
               "-e", "PGDATA=/drill/data", "--tmpfs", "/drill", "-p", f"127.0.0.1:{port}:5432",
               target.database.image, "postgres", *settings)  # fmt: skip
        poll_until(lambda: connects(url.format(f"127.0.0.1:{port}")), what="PostgreSQL", timeout=60)
        server = time.monotonic()
        docker("run", "-d", "--name", f"{mark}-web", "--network", mark, "-p", f"127.0.0.1:{web}:8000",
               "-e", f"DATABASE_URL={url.format('database:5432')}", image)  # fmt: skip
        poll_until(lambda: answers(target, "127.0.0.1", web), what="the gateway", timeout=60)
        end = time.monotonic()
    finally:
        subprocess.run(["docker", "rm", "-f", "-v", f"{mark}-db", f"{mark}-web"], capture_output=True, check=False)
        subprocess.run(["docker", "network", "rm", mark], capture_output=True, check=False)
    return server - began, end - server, end - began


def docker(*arguments: str) -> None:
    subprocess.run(["docker", *arguments], stdout=subprocess.DEVNULL, check=True)


def connects(url: str) -> bool:
    try:
        with connect(url, timeout=2.0):
            return True
    except (DrillError, ConnectionError):
        return False


if __name__ == "__main__":
    main()

"""The figures of a run in Prometheus' text format, for the textfile collector of the node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from rollback_drills.evidence.model import Verdict
from rollback_drills.evidence.run import RunEvidence
from rollback_drills.report.text import visible
from rollback_drills.report.views.card import card

_VERDICTS: Final[tuple[Verdict, ...]] = ("passed", "failed", "error", "incomplete", "skipped", "not run")


def render_prometheus(run: RunEvidence) -> str:
    """The figures of ``run``; what was not measured has no sample."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(run))
    return generate_latest(registry).decode()


class _Figures(Collector):
    def __init__(self, run: RunEvidence) -> None:
        self._run = run
        self._labels = {"target": visible(run.target.name), "runtime": visible(run.runtime.name)}

    def collect(self) -> Iterable[Metric]:
        run = self._run
        finished = datetime.fromisoformat(run.finished_at)
        moment = (finished if finished.tzinfo else finished.replace(tzinfo=UTC)).timestamp()
        yield self._gauge("finished_timestamp_seconds", "When the run ended.", [({}, moment)])
        yield self._gauge("passed", "1 if the run passed, 0 otherwise.", [({}, float(run.verdict == "passed"))])
        verdicts = [drill.verdict for drill in run.drills]
        counted = [({"verdict": str(each)}, float(verdicts.count(each))) for each in _VERDICTS]
        yield self._gauge("drills", "Drills by verdict.", counted)
        severities = [each.severity for drill in run.drills for each in drill.findings if each.fails]
        found = [({"severity": each}, float(severities.count(each))) for each in ("critical", "major", "minor")]
        yield self._gauge("findings", "Findings that fail a drill, by severity.", found)
        yield self._gauge("recovery_seconds", "Recovery time of a drill.", self._recoveries())
        yield self._gauge("recovery_objective_seconds", "The objective of a drill's recovery.", self._objectives())
        yield self._gauge("downtime_seconds", "Longest downtime of one kind of request.", self._downtimes())
        yield self._gauge("writes_lost", "Acknowledged writes that a drill lost.", self._lost())
        yield self._gauge("way_back", "1 if the way that answers a symptom worked, 0 otherwise.", self._ways())

    def _gauge(self, name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
        found = list(samples)
        names = [*self._labels, *(found[0][0] if found else ())]
        family = GaugeMetricFamily(f"rollback_drills_{name}", text, labels=names)
        for labels, value in found:
            family.add_metric([*self._labels.values(), *labels.values()], value)
        return family

    def _recoveries(self) -> Iterator[tuple[dict[str, str], float]]:
        for drill in self._run.drills:
            if drill.recovery is not None and drill.recovery.seconds is not None:
                yield {"drill": visible(drill.id)}, drill.recovery.seconds

    def _objectives(self) -> Iterator[tuple[dict[str, str], float]]:
        for drill in self._run.drills:
            if drill.recovery is not None and drill.recovery.objective_seconds is not None:
                yield {"drill": visible(drill.id)}, drill.recovery.objective_seconds

    def _downtimes(self) -> Iterator[tuple[dict[str, str], float]]:
        for drill in self._run.drills:
            if drill.traffic is not None:
                yield {"drill": visible(drill.id)}, drill.traffic.longest_downtime

    def _lost(self) -> Iterator[tuple[dict[str, str], float]]:
        for drill in self._run.drills:
            if drill.writes is not None and drill.writes.judged:
                yield {"drill": visible(drill.id)}, float(drill.writes.all_lost)

    def _ways(self) -> Iterator[tuple[dict[str, str], float]]:
        made = card(self._run)
        for answer in made.answers if made is not None else ():
            yield {"symptom": answer.symptom, "way": answer.way.name}, float(answer.way.works)

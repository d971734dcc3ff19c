"""Figures for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.api.operation import Operation
from jobrunr.dashboard.call import Call
from jobrunr.dashboard.site import Site
from jobrunr.run_figures import BUCKETS, MOST_NAMES, OTHER, Histogram
from jobrunr.states import JobState

_LIMITS = [*map(str, BUCKETS), "+Inf"]


def get_metrics(call: Call) -> str:
    """Get figures for Prometheus: of the cluster, and of the servers in this process.

    Targets and queues behind the first hundred count as `other`.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(call.site))
    return generate_latest(registry).decode()


class _Figures(Collector):
    def __init__(self, site: Site) -> None:
        self._site = site

    def collect(self) -> Iterator[Metric]:
        """All there are."""
        yield from self._of_jobs()
        yield from self._of_servers()
        yield from self._of_runs_here()

    def _of_jobs(self) -> Iterator[Metric]:
        storage = self._site.storage
        counts, totals, oldest_at = storage.counts(), storage.totals(), storage.oldest_enqueued_at()
        jobs = GaugeMetricFamily("jobrunr_jobs", "Jobs in each state.", labels=["state"])
        for state, count in counts.items():
            jobs.add_metric([state], count)
        yield jobs
        runs = CounterMetricFamily("jobrunr_runs", "Runs that ever ended so.", labels=["outcome"])
        runs.add_metric(["succeeded"], totals.succeeded)
        runs.add_metric(["failed"], totals.failed)
        yield runs
        age = 0.0 if oldest_at is None else max((storage.now() - oldest_at).total_seconds(), 0.0)
        yield GaugeMetricFamily("jobrunr_backlog_age_seconds", "How long the oldest ENQUEUED job has been waiting.", age)
        failed = GaugeMetricFamily("jobrunr_failed_jobs", "FAILED jobs by what they call.", labels=["target"])
        for target, count in self._failed_jobs(counts[JobState.FAILED]).items():
            failed.add_metric([target], count)
        yield failed

    def _failed_jobs(self, total: int) -> Counter[str]:
        """By target; where there are too many groups, those in none of the groups that failed last are `other`."""
        failed: Counter[str] = Counter()
        groups = self._site.failures.get()
        for group in groups:
            failed[group.example.target] += group.count
        if len(groups) == MOST_NAMES:
            failed[OTHER] += max(total - failed.total(), 0)
        return failed

    def _of_servers(self) -> Iterator[Metric]:
        servers = self._site.storage.servers()
        yield GaugeMetricFamily("jobrunr_servers", "Servers that are alive.", len(servers))
        paused = sum(server.is_paused for server in servers)
        yield GaugeMetricFamily("jobrunr_servers_paused", "Servers that take no jobs for now.", paused)
        workers = sum(server.workers for server in servers)
        yield GaugeMetricFamily("jobrunr_workers", "Jobs that all servers can run at a time.", workers)
        busy = sum(server.busy for server in servers)
        yield GaugeMetricFamily("jobrunr_workers_busy", "Jobs that all servers run at this moment.", busy)

    def _of_runs_here(self) -> Iterator[Metric]:
        targets, waits = self._site.run_figures.snapshot()
        runs = CounterMetricFamily(
            "jobrunr_process_runs", "Runs that ended on the servers of this process.", labels=["target", "outcome"]
        )
        durations = HistogramMetricFamily(
            "jobrunr_process_run_seconds", "How long runs on the servers of this process took.", labels=["target"]
        )
        for target, of_target in targets.items():
            runs.add_metric([target, "succeeded"], of_target.succeeded)
            runs.add_metric([target, "failed"], of_target.failed)
            durations.add_metric([target], *_buckets(of_target.durations))
        waiting = HistogramMetricFamily(
            "jobrunr_process_wait_seconds",
            "How long jobs were ENQUEUED that the servers of this process ran.",
            labels=["queue"],
        )
        for queue, histogram in waits.items():
            waiting.add_metric([queue], *_buckets(histogram))
        yield from (runs, durations, waiting)


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """As Prometheus wants them: each holds what lies in those before it, too."""
    return list(zip(_LIMITS, map(float, accumulate(histogram.counts)), strict=True)), histogram.total


def operation(*, is_open: bool) -> Operation:
    """The operation.

    Arguments:
        is_open: whether everybody may ask.
    """
    role = Role.ANYBODY if is_open else Role.READER
    return Operation("GET", "/metrics", get_metrics, subject="Health", role=role, media_type="text/plain")

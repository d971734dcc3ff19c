"""What a storm has shown."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

import msgspec

from chaos.oracle import SERVER_LOST, Evidence
from chaos.plan import POINTS
from chaos.storm import Storm


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a storm, and what the oracle objects to."""

    storage: str
    seed: int
    seconds: float
    asked: int
    confirmed: int
    recurring_runs: int
    states: dict[str, int]
    faults: dict[str, int]
    attempts_lost: int
    """Attempts that ended with their server."""
    double_effects: int
    """Jobs that took effect more than once, each after its server was lost."""
    rescued: list[float]
    """For how many seconds jobs were in the hands of servers that were gone, outages included."""
    resumed: list[float]
    """How many seconds after a fault of the storage was over the next job began."""
    objections: list[str]


def report_on(storm: Storm, seconds: float) -> Report:
    """Judge a storm that is over."""
    trial = storm.trial
    evidence = trial.evidence()
    jobs = evidence.jobs.values()
    effects = Counter(effect.job for effect in evidence.effects if effect.what == "effect")
    return Report(
        storage=storm.storage,
        seed=storm.seed,
        seconds=seconds,
        asked=len(evidence.asked),
        confirmed=sum(evidence.asked.values()),
        recurring_runs=sum(job.recurring_job_id is not None for job in jobs),
        states=dict(Counter(str(job.state) for job in jobs)),
        faults=dict(Counter("death at a point" if f.kind in POINTS else f.kind for f in evidence.faults).most_common()),
        attempts_lost=sum(bool(c.exception and c.exception.type == SERVER_LOST) for job in jobs for c in job.history),
        double_effects=sum(count > 1 for count in effects.values()),
        rescued=sorted(trial.watch.recoveries),
        resumed=_resumed(evidence),
        objections=trial.objections(),
    )


def _resumed(evidence: Evidence) -> list[float]:
    begins = sorted(effect.at for effect in evidence.effects if effect.what == "begin")
    ends = [fault.end for fault in evidence.faults if fault.server is None]
    places = [(bisect_left(begins, end), end) for end in ends]
    return sorted(begins[place] - end for place, end in places if place < len(begins))


def as_text(report: Report) -> str:
    """The report for people."""
    lines = [
        f"storage          {report.storage}",
        f"seed             {report.seed}",
        f"time             {report.seconds:.0f} s",
        f"jobs             {report.asked:,} asked for, {report.confirmed:,} confirmed",
        f"recurring runs   {report.recurring_runs:,}",
        f"ended            {_listed(report.states)}",
        f"faults           {sum(report.faults.values()):,}: {_listed(report.faults)}",
        f"attempts lost    {report.attempts_lost:,}",
        f"double effects   {report.double_effects:,}",
        f"rescued after    {_spread(report.rescued)}",
        f"resumed after    {_spread(report.resumed)}",
        f"objections       {len(report.objections)}: {_listed(Counter(o.split(':')[0] for o in report.objections))}",
        *report.objections[:50],
    ]
    return "\n".join(lines)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in counts.items()) or "none"


def _spread(seconds: Sequence[float]) -> str:
    if not seconds:
        return "nothing to measure"
    median, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return f"median {median:.1f} s, p99 {p99:.1f} s, worst {seconds[-1]:.1f} s, of {len(seconds):,}"

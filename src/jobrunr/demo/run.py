"""Runs the demo: makes the jobs, a server for them, and lets others watch."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from jobrunr import Job, JobId, JobRunr, JobState
from jobrunr.demo.application import WORKERS, make_application
from jobrunr.demo.jobs import Report, Totals, count_file, read_documentation
from jobrunr.demo.place import DemoError, alone_with, check_place
from jobrunr.demo.second_server import second_server
from jobrunr.demo.sources import find_files, packages_among
from jobrunr.progress import Progress
from jobrunr.states import FINISHED

FILE_NAME = "jobrunr-demo.db"
WORTH_A_PROCESS = 200
"""With fewer files than this, they are read before a second process is up."""


Beside = Callable[[JobRunr], AbstractContextManager[None]]


def _nothing(jobrunr: JobRunr) -> AbstractContextManager[None]:
    return nullcontext()


@dataclass(frozen=True)
class Glance:
    """How far the demo is at a moment."""

    counts: dict[JobState, int]
    done: int
    """Jobs that have ended, one way or the other."""
    total: int
    packages: list[tuple[str, Progress]]
    """Those that are being read."""


@dataclass(frozen=True)
class Ending:
    """What came of it."""

    seconds: float
    totals: Totals
    report: Job
    a_succeeded_job: Job
    a_failed_job: Job | None


class Demo:
    """One run on a folder of Python files.

    Arguments:
        source: the folder to read, with all below it.
        keep: the folder for the database. One of an earlier run is removed.

    Raises:
        DemoError: there are no files in `source`, or `keep` cannot be written to or has something else of this name.
    """

    def __init__(self, source: Path, keep: Path) -> None:
        self.source = source
        self.files = find_files(source)
        if not self.files:
            raise DemoError(
                f"There are no Python files in {source}. Is this standard library in a zip file, or compiled only?"
            )
        self.packages = packages_among(self.files)
        self.database = keep / FILE_NAME
        check_place(self.database)
        self.url = f"sqlite:///{self.database}"
        self._jobrunr = make_application(self.url)

    def run(self, show: Callable[[Glance], None], wait: Callable[[], None], beside: Beside = _nothing) -> Ending:
        """Make the jobs, run them all, and return what the last one reports.

        Arguments:
            show: is told how far it is.
            wait: waits until it is to be told again. What it raises ends the demo.
            beside: what goes on meanwhile, such as a dashboard.

        Raises:
            DemoError: another demo runs in this folder.
        """
        began = time.monotonic()
        with alone_with(self.database), self._jobrunr, _without_syntax_warnings(), beside(self._jobrunr):
            report_id = self._make_jobs()
            with self._help(), self._jobrunr.server():
                self._watch(show, wait, until=self.total - 1)
                self._jobrunr.scheduler.requeue(report_id, reason="everything else has ended")
                self._watch(show, wait, until=self.total)
            return self._ending(report_id, time.monotonic() - began)

    def _help(self) -> AbstractContextManager[None]:
        worth_it = len(self.files) >= WORTH_A_PROCESS and len(os.sched_getaffinity(0)) > 1
        return second_server(self.url) if worth_it else nullcontext()

    @property
    def total(self) -> int:
        """How many jobs there are: one for each file, one for each package, and the report."""
        return len(self.files) + len(self.packages) + 1

    def _make_jobs(self) -> JobId:
        jobs, folder = self._jobrunr.scheduler, str(self.source)
        # Scheduled for a day that this demo does not see; it is called when everything else has ended.
        report_id = jobs.schedule(timedelta(days=1), Report.write)
        jobs.enqueue_many(count_file, [(folder, file) for file in self.files])
        jobs.enqueue_many(read_documentation, [(folder, package) for package in self.packages])
        return report_id

    def _watch(self, show: Callable[[Glance], None], wait: Callable[[], None], until: int) -> None:
        """Look again and again until so many jobs have ended."""
        while True:
            glance = self._glance()
            show(glance)
            if glance.done >= until:
                return
            wait()

    def _glance(self) -> Glance:
        jobs = self._jobrunr.scheduler
        counts = jobs.counts()
        running = jobs.find(state=JobState.PROCESSING, label="package", limit=2 * WORKERS)
        bars = [(job.name, bar) for job in running if (bar := jobs.progress(job.id)) is not None]
        return Glance(counts, sum(counts[state] for state in FINISHED), self.total, sorted(bars, key=lambda bar: bar[0]))

    def _ending(self, report_id: JobId, seconds: float) -> Ending:
        jobs = self._jobrunr.scheduler
        report = jobs.get(report_id)
        if report.state is not JobState.SUCCEEDED:
            raise DemoError(f"The report is {report.state}: look at `jobrunr job show --url {self.url} {report_id}`.")
        failed = jobs.find(state=JobState.FAILED, limit=1)
        succeeded = jobs.find(state=JobState.SUCCEEDED, label="package", limit=1) or (report,)
        return Ending(seconds, report.result_as(Totals), report, succeeded[0], failed[0] if failed else None)


@contextmanager
def _without_syntax_warnings() -> Iterator[None]:
    """The parser warns of what the files that it reads should not contain; those are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield

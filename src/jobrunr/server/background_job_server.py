"""The server: puts its services together, starts them and stops them in order."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

from jobrunr.clock import SyncedClock
from jobrunr.context import JobContext
from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.run_figures import RunFigures
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.server.cancellation import Cancellation
from jobrunr.server.declaring import Declaring
from jobrunr.server.duties.await_forecast import AwaitForecast
from jobrunr.server.duties.expire import Expire
from jobrunr.server.duties.fire import Fire
from jobrunr.server.duties.rescue import Rescue
from jobrunr.server.duties.sample import Sample
from jobrunr.server.duties.timetable import Timetable
from jobrunr.server.fetcher import Fetcher
from jobrunr.server.forecasts import Forecasts
from jobrunr.server.lookout import Lookout
from jobrunr.server.membership import Membership, this_process
from jobrunr.server.outage import Outage
from jobrunr.server.own_transaction import OwnTransactions
from jobrunr.server.performer import Performer
from jobrunr.server.processes.child import is_job_process
from jobrunr.server.processes.pool import JobProcesses
from jobrunr.server.recorder import Recorder
from jobrunr.server.run import Run, RunEnd
from jobrunr.server.service import Service
from jobrunr.server.slots import usable_cpus, usual_workers
from jobrunr.server.stocktaking import Stocktaking
from jobrunr.server.stuck import Stuck
from jobrunr.server.supervisor.link import Link
from jobrunr.server.supervisor.messages import quiet_for
from jobrunr.server.suspects import Marking
from jobrunr.server.workers import Workers
from jobrunr.settings import Settings
from jobrunr.standard_logging import JobLogHandler
from jobrunr.storage.contract import Claim, Listener, StorageProvider

_log = logging.getLogger("jobrunr.server")

LAST_WRITES = 5.0
"""Seconds that a stopping server gives the storage to take the last outcomes."""


class BackgroundJobServer:
    """Runs jobs until it is stopped. Use it as a context manager, or `start` and `stop` it.

    Make it with `jobrunr.JobRunr.server`. One process can hold several; each is a member of its own.

    Arguments:
        storage: set up already.
        performer: knows how to run a job.
        clock: the storage's time; kept in step here.
        filters: those of the application.
        settings: workers, queues, intervals, retention, sizes.
        recurring: the recurring jobs of the storage.
        fire: makes their jobs.
        forecasts: knows when electricity is clean.
        figures: counts runs.
        version: of this library, shown to people.
    """

    _listener: Listener | None = None
    """Waits for work."""
    _timetable: Listener | None = None
    """Waits for what is due sooner than expected."""

    def __init__(
        self,
        storage: StorageProvider,
        performer: Performer,
        clock: SyncedClock,
        filters: JobFilters,
        settings: Settings,
        *,
        recurring: RecurringJobs,
        fire: Fire,
        forecasts: Forecasts,
        figures: RunFigures,
        version: str,
    ) -> None:
        self._storage = storage
        self._fire = fire
        self._forecasts = forecasts
        self._settings = settings
        self._clock = clock
        self._performer = performer
        self._recorder = Recorder(
            storage, filters, settings, refused=self._take_away, figures=figures, settled=self._settled
        )
        workers = settings.workers or usual_workers()
        self._marking = Marking(storage, start=self._start_marked)
        self._workers = Workers(
            workers,
            self._performer,
            self._recorder.complete,
            mark=self._marking.mark,
            max_crashes=settings.max_crashes,
            hungry=self._feed,
            processes=JobProcesses(settings.job_processes or usable_cpus(), settings, self._recorder),
            most_stuck=workers if settings.max_stuck_threads is None else settings.max_stuck_threads,
        )
        self._membership = Membership(
            storage,
            this_process(settings.server_name, workers, settings.queues, settings.server_tags, version),
            self._clock,
            interval=settings.heartbeat_interval,
            timeout=settings.server_timeout,
            busy=lambda: self._workers.busy,
            evicted=self._let_go,
            elected=self._wake_duties,
            resumed=self._feed,
        )
        self._rescue = Rescue(
            storage,
            self._membership,
            settings.heartbeat_interval.total_seconds(),
            lost=self._performer.lost,
            announce=self._recorder.announce,
        )
        self._cancellation = Cancellation(storage, self._workers)
        self._declaring = Declaring(storage, recurring, lambda: self.is_master, settings.forget_declared_after)
        self._log_handler = JobLogHandler(self._recorder, settings.log_level)
        self._outage = Outage()
        self._hurry = threading.Event()
        self._stopping = threading.Lock()
        self._stopped = threading.Event()
        self._services: list[Service] = []
        self._duties: list[Service] = []

    # -- for those who run it

    def start(self) -> Self:
        """Register, the recurring jobs of the code too, and begin to take jobs. Returns when the server is registered.

        Raises:
            StorageUnavailableError: the storage cannot be reached.
            JobRefusedError, ScheduleError: a recurring job that stands in the code cannot be.
            RuntimeError: it was started before; make a new one.
        """
        if self._services:
            raise RuntimeError("This server was started before. Make a new one with jobrunr.server().")
        if is_job_process():
            raise RuntimeError(
                "This process runs a job of a server, and has imported a module that starts another. "
                'Start it behind `if __name__ == "__main__":`, or in a module of its own.'
            )
        self._declaring.register()
        self._listener = self._storage.listener(self._settings.queues)
        self._timetable = self._storage.timetable_listener()
        try:
            self._membership.join()
        except BaseException:
            self._close_listeners()
            raise
        self._make_services()
        logging.getLogger().addHandler(self._log_handler)
        for service in self._services:
            service.start()
        return self

    def stop(self, grace: float | None = None) -> int:
        """Stop in order: take nothing more, give back what is not begun, wait for what runs, give back what is left.

        Arguments:
            grace: seconds to wait for running jobs; the setting ``shutdown_grace`` when None.

        Returns:
            how many jobs were still running after that and had to be given back. Of several threads that stop it, the first
            is told; the others wait until it is down.
        """
        with self._stopping:
            if not self._services or self._stopped.is_set():
                return 0
            return self._stop_in_order(grace)

    def _stop_in_order(self, grace: float | None) -> int:
        grace = self._settings.shutdown_grace.total_seconds() if grace is None else grace
        fetcher, recorder, heartbeat, *watching = (service for service in self._services if service not in self._duties)
        fetcher.stop()
        self._hand_back(self._workers.take_back(older_than=0.0))
        late = self._wait_for_runs(grace)
        self._hand_back(self._workers.give_up())
        for service in (*self._duties, *watching):
            service.stop(timeout=5)
        self._write_what_is_left()
        recorder.stop(timeout=LAST_WRITES)
        self._leave()
        heartbeat.stop(timeout=5)
        self._workers.close()
        logging.getLogger().removeHandler(self._log_handler)
        self._close_listeners()
        self._stopped.set()
        _log.info("server %s is down", self._membership.name)
        return sum(run.given_back for run in late)

    def hurry(self) -> None:
        """Do not wait for running jobs any longer: they are given back at once. For the second signal."""
        self._hurry.set()

    def report_to(self, link: Link, lost: Callable[[], None]) -> None:
        """Let a supervisor know how this server is, and do what it wants. Before it is started.

        Arguments:
            lost: is called when the supervisor is gone.
        """
        self._membership.beaten, self._membership.left = link.beaten, link.left
        quiet = quiet_for(self._settings.heartbeat_interval.total_seconds())
        link.start(quiet / 2, rescue=self._rescue_now, hurry=self.hurry, lost=lost)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody has stopped the server. Whether that came in time."""
        return self._stopped.wait(timeout)

    @property
    def name(self) -> str:
        """Host and process."""
        return self._membership.name

    @property
    def is_master(self) -> bool:
        """Whether it does the duties at this moment."""
        return self._membership.is_master

    @property
    def is_healthy(self) -> bool:
        """Whether the storage answers and the heartbeat is fresh."""
        return not self._outage.is_going_on and self._membership.may_claim and not self._stopped.is_set()

    @property
    def busy(self) -> int:
        """How many jobs run here at this moment."""
        return self._workers.busy

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # -- putting it together

    def _make_services(self) -> None:
        assert self._listener is not None
        settings = self._settings
        own = OwnTransactions(self._storage, self._recorder, self._performer).begin
        fetcher = Fetcher(
            self._storage,
            self._membership,
            self._workers,
            self._recorder,
            begin=lambda job: Run(job, JobContext(job, self._recorder, self._clock, own), self._workers.limits.watch),
            hand_back=self._hand_back,
            queues=frozenset(settings.queues),
            poll_interval=settings.poll_interval.total_seconds(),
        )
        self._duties = self._make_duties()
        recorder = self._service("recorder", self._recorder.tick)
        self._recorder.wake = recorder.wake
        self._services = [
            Service("fetcher", fetcher.tick, self._outage, self._listener),
            recorder,
            Service(
                "heartbeat",
                self._membership.tick,
                self._outage,
                longest_pause=settings.heartbeat_interval.total_seconds(),
            ),
            *self._make_watching(),
            *self._duties,
        ]

    def _make_watching(self) -> list[Service]:
        settings = self._settings
        limits = self._service("time-limits", self._workers.limits.tick)
        self._workers.limits.wake = limits.wake
        stuck = self._service("stuck", Stuck(self._storage, self._membership, self._workers).tick)
        self._workers.stuck_changed = stuck.wake
        marking = self._service("marking", self._marking.tick)
        self._marking.wake = marking.wake
        self._stocktaking = Stocktaking(
            self._storage,
            self._membership,
            lambda: self._workers.claims | self._recorder.claims,
            self._clock,
            self._recorder.announce,
            interval=2 * settings.server_timeout.total_seconds(),
            longest_call=settings.storage_timeout.total_seconds(),
        )
        lookout = Lookout(self._storage, self._membership, noticed=self._wake_duties)
        return [
            self._service("cancellation", self._cancellation.tick),
            limits,
            stuck,
            marking,
            self._service("lookout", lookout.tick),
            self._service("stocktaking", self._stocktaking.tick),
        ]

    def _make_duties(self) -> list[Service]:
        settings, storage, membership = self._settings, self._storage, self._membership
        awaiting = AwaitForecast(storage, membership, self._clock, self._forecasts, self._performer.filters_of)
        await_forecast = self._service("await-forecast", awaiting.tick)
        self._forecasts.answered = await_forecast.wake

        def awaited() -> None:
            if awaiting.rests:
                await_forecast.wake()

        timetable = Timetable(storage, membership, self._clock, self._fire, settings.poll_interval.total_seconds(), awaited)
        expire = Expire(storage, membership, settings)
        sample = Sample(storage, membership, self._clock)
        return [
            Service("timetable", timetable.tick, self._outage, self._timetable),
            self._service("declaring", self._declaring.tick),
            await_forecast,
            self._service("rescue", self._rescue.tick),
            self._service("expire", expire.tick),
            self._service("sample", sample.tick),
        ]

    def _close_listeners(self) -> None:
        for listener in (self._listener, self._timetable):
            if listener is not None:
                listener.close()

    def _service(self, name: str, tick: Callable[[], float]) -> Service:
        return Service(name, tick, self._outage)

    # -- what the services tell each other

    def _feed(self) -> None:
        if self._listener is not None:
            self._listener.wake()

    def _wake_duties(self) -> None:
        for duty in self._duties:
            duty.wake()

    def _rescue_now(self) -> None:
        self._rescue.ask()
        self._wake_duties()

    def _start_marked(self, runs: Sequence[Run], held: frozenset[JobId]) -> None:
        self._workers.start_marked(runs, held)

    def _settled(self, claim: Claim) -> None:
        self._workers.settled(claim)

    def _take_away(self, claim: Claim) -> None:
        self._cancellation.take_away(claim)

    def _let_go(self) -> None:
        """The others have given our jobs away: everything that runs or waits here is theirs now."""
        self._declaring.register_soon()
        self._workers.take_back(older_than=0.0)
        for run in self._workers.running():
            self._workers.cancel(run.claim, RunEnd.TAKEN_AWAY)

    def _hand_back(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._recorder.complete(self._performer.handed_back(run))

    # -- stopping

    def _wait_for_runs(self, grace: float) -> list[Run]:
        """Give running jobs their time, then tell them to end and wait a moment. Returns those that were told."""
        deadline = time.monotonic() + grace
        while (left := deadline - time.monotonic()) > 0 and not self._hurry.is_set():
            if self._workers.wait_until_quiet(min(left, 0.1)):
                return []
        late = self._workers.running()
        for run in late:
            _log.warning("job %s (%s) is still running; it is cancelled and given back", run.job.id, run.job.name)
            self._workers.cancel(run.claim, RunEnd.SERVER_STOPS)
        self._workers.wait_until_quiet(0.2 if self._hurry.is_set() else 1.0)
        return late

    def _write_what_is_left(self) -> None:
        """Outcomes that cannot be written in time are not lost: the job is rescued and runs again."""
        if not self._recorder.wait_until_empty(LAST_WRITES):
            _log.warning("the storage did not take the last %d outcomes in time", self._recorder.backlog)

    def _leave(self) -> None:
        self._stocktaking.settle()
        try:
            self._membership.sign_off()
        except StorageUnavailableError as error:
            _log.warning("server %s could not sign off; the others will notice: %s", self._membership.name, error)

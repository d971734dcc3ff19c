"""The workers of a server: slots in which jobs run, functions on threads and coroutines on one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import TypeVar

from jobrunr.crashes import is_to_be_marked
from jobrunr.ids import JobId
from jobrunr.server.forks import EndingForks
from jobrunr.server.job_loop import JobLoop
from jobrunr.server.line import Line
from jobrunr.server.pace import Pace
from jobrunr.server.performer import Performer, Prepared
from jobrunr.server.processes.pool import JobProcesses
from jobrunr.server.run import Outcome, Run, RunEnd
from jobrunr.server.time_limits import TimeLimits
from jobrunr.storage.contract import Claim

T = TypeVar("T")

_log = logging.getLogger("jobrunr.server")


class Workers:
    """Runs what it is given, at most `slots` jobs at a time; what is more waits here.

    A thread that ends a job takes the next one itself, and so does the event loop, so that a hand-over costs nearly nothing.

    Arguments:
        slots: how many jobs run at a time.
        performer: knows how to run one.
        complete: receives each outcome.
        mark: receives runs that are to be marked as begun, and brings them to `start_marked`.
        max_crashes: after so many a job is not run again.
        hungry: is called, once, when it gets empty here after `tell_when_hungry`; must not block.
        processes: in which jobs run that want one.
        most_stuck: how many slots are replaced while what runs in them cannot be stopped.
    """

    def __init__(
        self,
        slots: int,
        performer: Performer,
        complete: Callable[[Outcome], None],
        *,
        mark: Callable[[Run], None],
        max_crashes: int,
        hungry: Callable[[], None],
        processes: JobProcesses,
        most_stuck: int,
    ) -> None:
        self.slots = slots
        self._performer = performer
        self._complete = complete
        self._processes = processes
        self._mark = mark
        self._hungry = hungry
        self._hungry_at: int | None = None
        self._lock = threading.Lock()
        self._free = slots
        self._waiting = Line(max_crashes)
        self._running: set[Run] = set()
        """Runs, not jobs: a job may be here twice, once as its present run and once as one that was taken away and goes on.
        The jobs of one claim share their token."""
        self._pace = Pace()
        self._inbox: SimpleQueue[Run | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle_threads = 0
        self._loop = JobLoop()
        self._quiet = threading.Condition(self._lock)
        self._most_stuck = most_stuck
        self._stuck: set[Run] = set()
        """Runs that are over as far as anybody is concerned, and go on all the same."""
        self.limits = TimeLimits(self._abandon)
        """Watches over runs that have a time limit."""
        self.stuck_changed: Callable[[], None] = lambda: None
        """Is called when there are more or fewer stuck runs; set by whoever shows them."""

    # -- from the fetcher

    def submit(self, runs: Iterable[Run]) -> None:
        """Run these, in this order, as slots become free."""
        with self._lock:
            self._waiting.add(runs)
            coroutines = self._fill_slots()
        if coroutines:
            self._call_on_loop(self._start_coroutines, coroutines, coroutines)

    def start_marked(self, runs: Sequence[Run], held: frozenset[JobId]) -> None:
        """Call runs that are marked as begun, those whose claims hold. For the others it is over."""
        lost = [run for run in runs if run.job.id not in held or run.is_over]
        for run in lost:
            self._end(run, None)
        with self._lock:
            coroutines = [run for run in runs if run not in lost and not self._start_in_thread(run)]
            if lost:  # not always: one for which there is no thread would come here again and again
                coroutines += self._fill_slots()
        if coroutines:
            self._call_on_loop(self._start_coroutines, coroutines, coroutines)

    def settled(self, claim: Claim) -> None:
        """Nothing is left to be written about the run of a suspect: others that waited for it may begin."""
        with self._lock:
            self._waiting.leave(claim)
        self.submit(())

    def tell_when_hungry(self, waiting: int | None) -> None:
        """Call `hungry` when a job ends and no more than so many wait here; None: do not."""
        self._hungry_at = waiting

    @property
    def free(self) -> int:
        """Slots that nobody uses, less those that jobs wait for here already; negative when more wait. Suspects that wait
        for each other count when they are more than there are slots."""
        return self._free - len(self._waiting) - max(0, self._waiting.held_up - self.slots)

    @property
    def busy(self) -> int:
        """Jobs that run at this moment."""
        return self.slots - self._free

    @property
    def capacity(self) -> float:
        """Jobs per second that can be done here, judged by how long the last ones took; 0 until the first has ended."""
        return self.slots * self._pace.per_second

    def take_back(self, older_than: float) -> list[Run]:
        """Take out jobs that have waited here for more than so many seconds and were not begun; see `Line.take_back`."""
        with self._lock:
            stale = self._waiting.take_back(older_than)
        for run in stale:
            run.is_over = True
        return stale

    def running(self, longer_than: float = 0.0) -> list[Run]:
        """Runs that are begun, claimed more than so many seconds ago, and not told to end yet."""
        limit = time.monotonic() - longer_than
        with self._lock:
            return [run for run in self._running if run.claimed_at <= limit and run.end is None]

    @property
    def claims(self) -> frozenset[Claim]:
        """Of everything that waits or runs here."""
        with self._lock:
            return frozenset(run.claim for run in (*self._waiting, *self._running))

    def cancel(self, claim: Claim, end: RunEnd) -> bool:
        """Tell a run to end. Whether it was here."""
        with self._lock:
            run = next((run for run in self._running if run.claim == claim), None)
            has_waited = self._waiting.remove(claim)
        if run is not None:
            run.cancel(end)
        return run is not None or has_waited

    @property
    def stuck(self) -> tuple[Run, ...]:
        """Runs whose time is over and which cannot be stopped."""
        with self._lock:
            return tuple(self._stuck)

    # -- stopping

    def wait_until_quiet(self, timeout: float) -> bool:
        """Wait until nothing runs here any more. Whether that came in time."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._running and not self._waiting, timeout)

    def give_up(self) -> list[Run]:
        """Stop caring about the runs that are left; what they still bring is ignored."""
        with self._lock:
            left = [run for run in self._running if not run.is_over]
            for run in left:
                run.is_over = True
        self._processes.kill()  # before others may take the jobs
        return left

    def close(self) -> None:
        """Let the threads and the event loop end. A thread in a job that does not end is left behind, as a daemon."""
        for _ in self._threads:
            self._inbox.put(None)
        self._loop.close()
        self._processes.close()

    # -- slots

    def _fill_slots(self) -> list[Run]:
        """With the lock held: fill free slots with what waits. Returns the runs that the event loop has to start."""
        coroutines: list[Run] = []
        while (run := self._begin_next()) is not None:
            if self._performer.is_coroutine(run.job):
                coroutines.append(run)
            elif not self._hand_to_thread(run):
                self._put_back(run)
                break
        return coroutines

    def _begin_next(self) -> Run | None:
        """With the lock held: the next waiting run that can be called gets a slot. Those that have to be marked as begun
        before get one too, and come later."""
        while self._free > 0 and (run := self._waiting.take()) is not None:
            self._free -= 1
            run.begun_at = time.monotonic()
            self._running.add(run)
            if not is_to_be_marked(run.job):
                return run
            self._mark(run)
        return None

    def _put_back(self, run: Run) -> None:
        """With the lock held: this run waits again."""
        self._running.discard(run)
        run.begun_at = 0.0
        self._free += 1
        self._waiting.put_back(run)

    def _end(self, run: Run, outcome: Outcome | None, then: Callable[[], T | None] = lambda: None) -> T | None:
        """A run is over: its slot is free, and its outcome is to be written unless it was taken away or given up.

        That, and to begin the next, is one turn with the lock: with several, threads that end jobs at the same time keep
        taking it from each other, and each time they change places, which took longer than to run a job.

        Arguments:
            then: is called with the lock held when the slot is free, and what it returns is returned.
        """
        if run.limit is not None:
            self.limits.forget(run)
        with self._lock:
            wanted = None if run.is_over or run.end is RunEnd.TAKEN_AWAY else outcome
            run.is_over = True
            if wanted is not None:
                self._complete(wanted)
            is_abandoned = run.is_abandoned
            hungry = False if is_abandoned else self._leave(run)
            following = None if is_abandoned else then()
        if is_abandoned:
            self._end_abandoned(run)
        elif wanted is None and run.job.is_suspect:
            self.settled(run.claim)
        if hungry:
            self._hungry()
        return following

    def _leave(self, run: Run) -> bool:
        """With the lock held: a run gives its slot back. Whether the fetcher is to be told."""
        self._running.discard(run)
        self._free += 1
        self._pace.took(time.monotonic() - run.begun_at)
        return self._is_hungry()

    def _is_hungry(self) -> bool:
        """With the lock held, when a run has left: whether the fetcher is to be told. Tells those who wait for quiet."""
        if not self._waiting and not self._running:
            self._quiet.notify_all()
        hungry = self._hungry_at is not None and len(self._waiting) <= self._hungry_at
        if hungry:
            self._hungry_at = None
        return hungry

    def _abandon(self, run: Run) -> None:
        """A run cannot be stopped. It has failed, as far as anybody is concerned, and another gets its slot."""
        with self._lock:
            if run.is_over:
                return
            run.is_over = run.is_abandoned = True
            self._running.discard(run)
            self._stuck.add(run)
            is_replaced = len(self._stuck) <= self._most_stuck
            self._free += is_replaced
            hungry = self._is_hungry()
        _log.error(
            "job %s (%s) is over its time limit and cannot be stopped; it goes on in the background, %s",
            *(run.job.id, run.job.name),
            "and a new worker takes its place" if is_replaced else "and takes the place of a worker (max_stuck_threads)",
        )
        if run.end is not RunEnd.TAKEN_AWAY:
            self._complete(self._performer.timed_out(run))
        elif run.job.is_suspect:
            self.settled(run.claim)
        self.stuck_changed()
        self.submit(())
        if hungry:
            self._hungry()

    def _end_abandoned(self, run: Run) -> None:
        """A run that was given up has come to its end at last, and nobody wants to know how."""
        with self._lock:
            self._stuck.remove(run)
            self._free += len(self._stuck) >= self._most_stuck
            thread = threading.current_thread()
            if thread in self._threads:  # not the one of the event loop
                self._threads.remove(thread)
        _log.info("job %s (%s), which could not be stopped, has ended", run.job.id, run.job.name)
        self.stuck_changed()
        self.submit(())

    def _next_or_idle(self) -> Run | None:
        """With the lock held: the next run for the thread that just ended one; None when it is to wait for one."""
        run = self._begin_next()
        if run is None:
            self._idle_threads += 1
        return run

    # -- threads

    def _hand_to_thread(self, run: Run) -> bool:
        """With the lock held: to an idle thread, or a new one. Whether there is one."""
        if self._idle_threads > 0:
            self._idle_threads -= 1
        else:
            thread = threading.Thread(target=self._work, name=f"jobrunr-worker-{len(self._threads) + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # none is left: a thread that ends a job takes this one, or it goes back
                _log.warning("no thread can be started for job %s, which waits: %s", run.job.id, error)
                return False
            self._threads.append(thread)
        self._inbox.put(run)
        return True

    def _start_in_thread(self, run: Run) -> bool:
        """With the lock held: start a run in a thread, or let it wait for one. False when it belongs on the event loop."""
        if self._performer.is_coroutine(run.job):
            return False
        if not self._hand_to_thread(run):
            self._put_back(run)
        return True

    def _work(self) -> None:
        while (first := self._inbox.get()) is not None:
            run: Run | None = first
            while run is not None:
                run = self._perform(run)
            if threading.current_thread() not in self._threads:  # another has taken the place of this one
                return

    def _perform(self, run: Run) -> Run | None:
        """Run a job, or leave it to the event loop. Returns the next for this thread; None when it is to wait for one."""
        if self._performer.is_coroutine(run.job):
            return self._leave_to_loop(self._start_coroutines, [run], run)
        if self._performer.is_for_process(run.job):
            outcome = contextvars.Context().run(self._performer.perform_in_process, run, self._processes)
            return self._end(run, outcome, self._next_or_idle)
        prepared = self._performer.prepare(run)
        if isinstance(prepared, Outcome):
            return self._end(run, prepared, self._next_or_idle)
        if prepared.runnable.is_coroutine:  # known only now that its module is imported
            return self._leave_to_loop(self._start_prepared, prepared, run)
        # a context of its own, so that what a job sets in context variables ends with the job
        with EndingForks():
            outcome = contextvars.Context().run(self._performer.perform, prepared, self._loop.run)
        return self._end(run, outcome, self._next_or_idle)

    def _leave_to_loop(self, start: Callable[[T], object], what: T, run: Run) -> Run | None:
        self._call_on_loop(start, what, [run])
        with self._lock:
            return self._next_or_idle()

    # -- the event loop

    def _call_on_loop(self, start: Callable[[T], object], what: T, runs: list[Run]) -> None:
        """Start these runs there; where there cannot be a loop, they fail."""
        try:
            self._loop.call(start, what)
        except Exception as error:  # noqa: BLE001 - the system has no file or thread left for a loop
            for run in runs:
                self._end(run, self._performer.failed(run.job, error))

    def _start_coroutines(self, runs: list[Run]) -> None:
        for run in runs:
            prepared = self._performer.prepare(run)
            if isinstance(prepared, Outcome):
                following = self._end(run, prepared, self._fill_slots)
                # soon: others may run between two that cannot be called
                asyncio.get_running_loop().call_soon(self._start_next, following)
            else:
                self._start_prepared(prepared)

    def _start_prepared(self, prepared: Prepared) -> None:
        asyncio.get_running_loop().create_task(self._await(prepared), context=contextvars.Context())

    async def _await(self, prepared: Prepared) -> None:
        # Only from here on: a task that is cancelled before its first step takes no step, and would keep its slot for ever.
        prepared.run.task = asyncio.current_task()
        with EndingForks():
            outcome = await self._performer.perform_async(prepared)
        self._start_next(self._end(prepared.run, outcome, self._fill_slots))

    def _start_next(self, coroutines: list[Run] | None) -> None:
        if coroutines:
            # in no context: the one here is that of the job that has ended
            contextvars.Context().run(self._start_coroutines, coroutines)

"""The workers of a server: slots in which jobs run, functions on threads and coroutines on one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from jobrunr.errors import JobCancelledError
from jobrunr.ids import JobId
from jobrunr.server.performer import Performer, Prepared
from jobrunr.server.run import Outcome, Run, RunEnd

SHORTEST = 1e-5
"""Seconds; no job is taken for shorter."""


class Workers:
    """Runs what it is given, at most `slots` jobs at a time; what is more waits here.

    A thread that ends a job takes the next one itself, and so does the event loop, so that a hand-over costs nearly nothing.

    Arguments:
        slots: how many jobs run at a time.
        performer: knows how to run one.
        complete: receives each outcome.
        hungry: is called, once, when it gets empty here after `tell_when_hungry`; must not block.
    """

    def __init__(
        self, slots: int, performer: Performer, complete: Callable[[Outcome], None], hungry: Callable[[], None]
    ) -> None:
        self.slots = slots
        self._performer = performer
        self._complete = complete
        self._hungry = hungry
        self._hungry_at: int | None = None
        self._lock = threading.Lock()
        self._free = slots
        self._waiting: deque[Run] = deque()
        self._running: dict[JobId, Run] = {}
        self._duration = 0.0
        self._inbox: SimpleQueue[Run | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle_threads = 0
        self._loop_lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None
        self._quiet = threading.Condition(self._lock)

    # -- from the fetcher

    def submit(self, runs: Iterable[Run]) -> None:
        """Run these, in this order, as slots become free."""
        with self._lock:
            self._waiting.extend(runs)
            coroutines = self._fill_slots()
        if coroutines:
            self._event_loop().call_soon_threadsafe(self._start_coroutines, coroutines)

    def tell_when_hungry(self, waiting: int | None) -> None:
        """Call `hungry` when a job ends and no more than so many wait here; None: do not."""
        self._hungry_at = waiting

    @property
    def free(self) -> int:
        """Slots that nobody uses, less those that jobs wait for here already; negative when more wait."""
        return self._free - len(self._waiting)

    @property
    def busy(self) -> int:
        """Jobs that run at this moment."""
        return self.slots - self._free

    @property
    def capacity(self) -> float:
        """Jobs per second that can be done here, judged by how long the last ones took; 0 until the first has ended."""
        return self.slots / max(self._duration, SHORTEST) if self._duration else 0.0

    def take_back(self, older_than: float) -> list[Run]:
        """Take out jobs that have waited here for more than so many seconds and were not begun."""
        limit = time.monotonic() - older_than
        with self._lock:
            stale = [run for run in self._waiting if run.claimed_at <= limit]
            if stale:
                self._waiting = deque(run for run in self._waiting if run.claimed_at > limit)
        for run in stale:
            run.is_over = True
        return stale

    def running(self, longer_than: float = 0.0) -> list[Run]:
        """Runs that are begun, claimed more than so many seconds ago, and not told to end yet."""
        limit = time.monotonic() - longer_than
        with self._lock:
            return [run for run in self._running.values() if run.claimed_at <= limit and run.end is None]

    def cancel(self, job_id: JobId, end: RunEnd) -> bool:
        """Tell a run to end. Whether it was here."""
        with self._lock:
            run = self._running.get(job_id)
            waiting = next((r for r in self._waiting if r.job.id == job_id), None)
            if waiting is not None:
                self._waiting.remove(waiting)
        if run is not None:
            run.cancel(end)
        return run is not None or waiting is not None

    # -- stopping

    def wait_until_quiet(self, timeout: float) -> bool:
        """Wait until nothing runs here any more. Whether that came in time."""
        with self._quiet:
            return self._quiet.wait_for(lambda: not self._running and not self._waiting, timeout)

    def give_up(self) -> list[Run]:
        """Stop caring about the runs that are left; what they still bring is ignored."""
        with self._lock:
            left = [run for run in self._running.values() if not run.is_over]
            for run in left:
                run.is_over = True
        return left

    def close(self) -> None:
        """Let the threads and the event loop end. A thread in a job that does not end is left behind, as a daemon."""
        for _ in self._threads:
            self._inbox.put(None)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
        if self._loop_thread is not None:
            self._loop_thread.join(timeout=1)

    # -- slots

    def _fill_slots(self) -> list[Run]:
        """With the lock held: fill free slots with what waits. Returns the runs that the event loop has to start."""
        coroutines: list[Run] = []
        while self._free > 0 and self._waiting:
            run = self._begin_next()
            if self._performer.is_coroutine(run.job):
                coroutines.append(run)
            else:
                self._hand_to_thread(run)
        return coroutines

    def _begin_next(self) -> Run:
        """With the lock held: the next waiting run gets a slot."""
        run = self._waiting.popleft()
        self._free -= 1
        run.begun_at = time.monotonic()
        self._running[run.job.id] = run
        return run

    def _end(self, run: Run, outcome: Outcome | None) -> None:
        """A run is over: its slot is free, and its outcome is to be written unless it was taken away or given up."""
        if outcome is not None and not run.is_over and run.end is not RunEnd.TAKEN_AWAY:
            self._complete(outcome)
        with self._lock:
            run.is_over = True
            if self._running.get(run.job.id) is run:
                del self._running[run.job.id]
            self._free += 1
            self._duration = _moving_mean(self._duration, time.monotonic() - run.begun_at)
            if not self._waiting and not self._running:
                self._quiet.notify_all()
            hungry = self._hungry_at is not None and len(self._waiting) <= self._hungry_at
            if hungry:
                self._hungry_at = None
        if hungry:
            self._hungry()

    def _next_or_idle(self) -> Run | None:
        """The next run for the thread that just ended one; None when it is to wait for one."""
        with self._lock:
            if self._free > 0 and self._waiting:
                return self._begin_next()
            self._idle_threads += 1
            return None

    # -- threads

    def _hand_to_thread(self, run: Run) -> None:
        """With the lock held: to an idle thread, or a new one."""
        if self._idle_threads > 0:
            self._idle_threads -= 1
        else:
            thread = threading.Thread(target=self._work, name=f"jobrunr-worker-{len(self._threads) + 1}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._inbox.put(run)

    def _work(self) -> None:
        while (first := self._inbox.get()) is not None:
            run: Run | None = first
            while run is not None:
                if self._performer.is_coroutine(run.job):
                    self._event_loop().call_soon_threadsafe(self._start_coroutines, [run])
                else:
                    self._perform(run)
                run = self._next_or_idle()

    def _perform(self, run: Run) -> None:
        prepared = self._performer.prepare(run)
        if isinstance(prepared, Outcome):
            self._end(run, prepared)
        elif prepared.runnable.is_coroutine:  # known only now that its module is imported
            self._event_loop().call_soon_threadsafe(self._start_prepared, prepared)
        else:
            # a context of its own, so that what a job sets in context variables ends with the job
            outcome = contextvars.Context().run(self._performer.perform, prepared, self._run_coroutine)
            self._end(run, outcome)

    def _run_coroutine(self, run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A function returned a coroutine: run it on the loop, and hold this thread meanwhile."""
        returned = asyncio.run_coroutine_threadsafe(_result_of(run, coroutine), self._event_loop()).result()
        if returned.error is not None:
            raise returned.error
        return returned.value

    # -- the event loop

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        """The loop, in a thread that starts with the first coroutine."""
        if self._loop is None:
            with self._loop_lock:
                if self._loop is None:
                    loop = asyncio.new_event_loop()
                    thread = threading.Thread(target=self._run_loop, args=(loop,), name="jobrunr-event-loop", daemon=True)
                    thread.start()
                    self._loop, self._loop_thread = loop, thread
        return self._loop

    @staticmethod
    def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.close()

    def _start_coroutines(self, runs: list[Run]) -> None:
        for run in runs:
            prepared = self._performer.prepare(run)
            if isinstance(prepared, Outcome):
                self._end(run, prepared)
                self._go_on()
            else:
                self._start_prepared(prepared)

    def _start_prepared(self, prepared: Prepared) -> None:
        run = prepared.run
        context = contextvars.Context()
        run.task = asyncio.get_running_loop().create_task(self._await(prepared), context=context)
        if run.end is not None:  # cancelled between the slot and the task
            run.task.cancel()

    async def _await(self, prepared: Prepared) -> None:
        outcome = await self._performer.perform_async(prepared)
        self._end(prepared.run, outcome)
        self._go_on()

    def _go_on(self) -> None:
        """On the loop, after a run has ended here: the next that waits, wherever it runs."""
        with self._lock:
            coroutines = self._fill_slots()
        if coroutines:
            asyncio.get_running_loop().call_soon(self._start_coroutines, coroutines)


@dataclass
class _Returned:
    """How a coroutine ended. As a value, because SystemExit that leaves a task ends the loop of all, and the error of a
    cancelled one would reach the thread as that of another library."""

    value: Any = None
    error: BaseException | None = None


async def _result_of(run: Run, coroutine: Coroutine[Any, Any, Any]) -> _Returned:
    run.task = asyncio.current_task()
    if run.end is not None:  # told to end before there was a task to cancel
        coroutine.close()
        return _Returned(error=JobCancelledError(run.job.id))
    try:
        return _Returned(value=await coroutine)
    except BaseException as error:  # noqa: BLE001 - user code
        return _Returned(error=error)


def _moving_mean(mean: float, duration: float) -> float:
    """The mean with one more duration in it, which weighs a sixteenth."""
    return mean + (duration - mean) / 16 if mean else duration

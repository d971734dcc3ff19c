"""The workers of a server: slots in which jobs run, functions on threads and coroutines on one event loop."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from jobrunr.crashes import is_to_be_marked
from jobrunr.ids import JobId
from jobrunr.server.coroutines import cancel_what_is_left, result_of
from jobrunr.server.performer import Performer, Prepared
from jobrunr.server.run import Outcome, Run, RunEnd
from jobrunr.server.suspects import Suspects
from jobrunr.storage.contract import Claim

T = TypeVar("T")

SHORTEST = 1e-5
"""Seconds; no job is taken for shorter."""

PATIENCE_OF_SUSPECTS = 30
"""How many times longer than others suspects wait here before they are taken back."""

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
    ) -> None:
        self.slots = slots
        self._performer = performer
        self._complete = complete
        self._mark = mark
        self._suspects = Suspects(max_crashes)
        self._hungry = hungry
        self._hungry_at: int | None = None
        self._lock = threading.Lock()
        self._free = slots
        self._waiting: deque[Run] = deque()
        self._running: set[Run] = set()
        """Runs, not jobs: a job may be here twice, once as its present run and once as one that was taken away and goes on.
        The jobs of one claim share their token."""
        self._closing = False
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
            self._waiting.extendleft(reversed(self._suspects.leave(claim)))
            coroutines = self._fill_slots()
        if coroutines:
            self._call_on_loop(self._start_coroutines, coroutines, coroutines)

    def tell_when_hungry(self, waiting: int | None) -> None:
        """Call `hungry` when a job ends and no more than so many wait here; None: do not."""
        self._hungry_at = waiting

    @property
    def free(self) -> int:
        """Slots that nobody uses, less those that jobs wait for here already; negative when more wait. Suspects that wait
        for each other count when they are more than there are slots."""
        return self._free - len(self._waiting) - max(0, len(self._suspects) - self.slots)

    @property
    def busy(self) -> int:
        """Jobs that run at this moment."""
        return self.slots - self._free

    @property
    def capacity(self) -> float:
        """Jobs per second that can be done here, judged by how long the last ones took; 0 until the first has ended."""
        return self.slots / max(self._duration, SHORTEST) if self._duration else 0.0

    def take_back(self, older_than: float) -> list[Run]:
        """Take out jobs that have waited here for more than so many seconds and were not begun. Suspects that wait for each
        other have more patience: elsewhere they may have to wait as well."""
        now = time.monotonic()
        limit = now - older_than
        with self._lock:
            held_up = self._suspects.take_back(now - older_than * PATIENCE_OF_SUSPECTS)
            stale = [run for run in self._waiting if run.claimed_at <= limit]
            if stale:
                self._waiting = deque(run for run in self._waiting if run.claimed_at > limit)
        stale += held_up
        for run in stale:
            run.is_over = True
        return stale

    def running(self, longer_than: float = 0.0) -> list[Run]:
        """Runs that are begun, claimed more than so many seconds ago, and not told to end yet."""
        limit = time.monotonic() - longer_than
        with self._lock:
            return [run for run in self._running if run.claimed_at <= limit and run.end is None]

    def cancel(self, claim: Claim, end: RunEnd) -> bool:
        """Tell a run to end. Whether it was here."""
        with self._lock:
            run = next((run for run in self._running if run.claim == claim), None)
            waiting = next((run for run in self._waiting if run.claim == claim), None)
            if waiting is not None:
                self._waiting.remove(waiting)  # one that waits for other suspects is found out when it is to begin
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
            left = [run for run in self._running if not run.is_over]
            for run in left:
                run.is_over = True
        return left

    def close(self) -> None:
        """Let the threads and the event loop end. A thread in a job that does not end is left behind, as a daemon."""
        self._closing = True
        for _ in self._threads:
            self._inbox.put(None)
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed already
                self._loop.call_soon_threadsafe(self._loop.stop)
        if self._loop_thread is not None:
            self._loop_thread.join(timeout=1)

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
        while self._free > 0 and self._waiting:
            run = self._waiting.popleft()
            if not self._suspects.admit(run):
                continue
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
        self._waiting.extendleft(reversed([run, *self._suspects.leave(run.claim)]))

    def _end(self, run: Run, outcome: Outcome | None) -> None:
        """A run is over: its slot is free, and its outcome is to be written unless it was taken away or given up."""
        with self._lock:
            is_wanted = not run.is_over and run.end is not RunEnd.TAKEN_AWAY
            run.is_over = True
        if outcome is not None and is_wanted:
            self._complete(outcome)
        elif run.job.is_suspect:
            self.settled(run.claim)
        with self._lock:
            self._running.discard(run)
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
            except (
                RuntimeError
            ) as error:  # the system has none left: a thread that ends a job takes this one, or it goes back
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
                if self._performer.is_coroutine(run.job):
                    self._call_on_loop(self._start_coroutines, [run], [run])
                else:
                    self._perform(run)
                run = self._next_or_idle()

    def _perform(self, run: Run) -> None:
        prepared = self._performer.prepare(run)
        if isinstance(prepared, Outcome):
            self._end(run, prepared)
        elif prepared.runnable.is_coroutine:  # known only now that its module is imported
            self._call_on_loop(self._start_prepared, prepared, [run])
        else:
            # a context of its own, so that what a job sets in context variables ends with the job
            outcome = contextvars.Context().run(self._performer.perform, prepared, self._run_coroutine)
            self._end(run, outcome)

    def _run_coroutine(self, run: Run, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """A function returned a coroutine: run it on the loop, and hold this thread meanwhile."""
        try:
            loop = self._event_loop()
        except BaseException:
            coroutine.close()
            raise
        returned = asyncio.run_coroutine_threadsafe(result_of(run, coroutine), loop).result()
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

    def _run_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            while not self._closing:
                try:
                    loop.run_forever()
                except BaseException:  # noqa: BLE001 - user code
                    _log.exception("a task on the event loop wanted to end the process; the loop goes on")
            cancel_what_is_left(loop)
        finally:
            loop.close()

    def _call_on_loop(self, start: Callable[[T], object], what: T, runs: list[Run]) -> None:
        """Start these runs there; where there cannot be a loop, they fail."""
        try:
            self._event_loop().call_soon_threadsafe(start, what)
        except Exception as error:  # noqa: BLE001 - the system has no file or thread left for a loop
            for run in runs:
                self._end(run, self._performer.failed(run.job, error))

    def _start_coroutines(self, runs: list[Run]) -> None:
        for run in runs:
            prepared = self._performer.prepare(run)
            if isinstance(prepared, Outcome):
                self._end(run, prepared)
                self._go_on()
            else:
                self._start_prepared(prepared)

    def _start_prepared(self, prepared: Prepared) -> None:
        asyncio.get_running_loop().create_task(self._await(prepared), context=contextvars.Context())

    async def _await(self, prepared: Prepared) -> None:
        # Only from here on: a task that is cancelled before its first step takes no step, and would keep its slot for ever.
        prepared.run.task = asyncio.current_task()
        outcome = await self._performer.perform_async(prepared)
        self._end(prepared.run, outcome)
        self._go_on()

    def _go_on(self) -> None:
        """On the loop, after a run has ended here: the next that waits, wherever it runs."""
        with self._lock:
            coroutines = self._fill_slots()
        if coroutines:
            # in no context: the one here is that of the job that has ended
            loop = asyncio.get_running_loop()
            loop.call_soon(self._start_coroutines, coroutines, context=contextvars.Context())


def _moving_mean(mean: float, duration: float) -> float:
    """The mean with one more duration in it, which weighs a sixteenth."""
    return mean + (duration - mean) / 16 if mean else duration

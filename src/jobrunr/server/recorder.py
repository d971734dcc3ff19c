"""Writes what runs produce: log lines, progress and metadata while they go on, outcomes when they end.

All of it goes through one thread in batches, and whatever a run logged is written before its outcome. While the storage is
away everything is kept, and written when it is back; the storage recognises what it has already.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

import msgspec

from jobrunr.errors import StorageUnavailableError
from jobrunr.filters import JobFilters
from jobrunr.ids import JobId
from jobrunr.jobs import Job
from jobrunr.run_figures import RunFigures
from jobrunr.server.job_log import log_outcome
from jobrunr.server.run import Outcome, claim_of
from jobrunr.server.run import outcome as outcome_of
from jobrunr.settings import Settings
from jobrunr.states import JobState
from jobrunr.storage.contract import Claim, LogLine, RunRecord, StorageProvider
from jobrunr.texts import storable, storable_line
from jobrunr.transitions import fail

_log = logging.getLogger("jobrunr.server")

BATCH = 1000
"""How many outcomes go into one statement."""

_ENDS = frozenset({JobState.SUCCEEDED, JobState.FAILED})

PAUSE = 0.01
"""Seconds from one write of outcomes to the next, at least, unless there are many: the first after a while does not wait."""

MANY = 200
"""So many outcomes do not wait."""

BREATH = 0.1
"""Seconds between two writes of log lines and progress only."""

MOST_UNWRITTEN = 2**26
"""Characters of logs that are kept in memory while the storage does not take them; of more, only the number is kept."""


class _Notes:
    """What one run wants kept and is not written yet."""

    __slots__ = ("data", "left_out", "logs", "place")

    def __init__(self) -> None:
        self.logs: list[LogLine] = []
        self.data: dict[str, str] = {}
        self.left_out = 0
        """Lines, for want of memory."""
        self.place: LogLine | None = None
        """Where the first of them would have stood."""

    def add(self, newer: _Notes) -> None:
        """What the same run wants kept besides."""
        self.logs += newer.logs
        self.data.update(newer.data)
        self.left_out += newer.left_out
        self.place = self.place or newer.place

    def lines(self) -> tuple[LogLine, ...]:
        """What is to be written of the log."""
        if self.place is None:
            return tuple(self.logs)
        lines = "1 line was" if self.left_out == 1 else f"{self.left_out:,} lines were"
        note = f"{lines} left out here: the storage did not take them as fast as they came."
        return (*self.logs, msgspec.structs.replace(self.place, message=note))

    @property
    def size(self) -> int:
        """How much text of the log there is, about."""
        return sum(len(line.message) for line in self.logs)


class Recorder:
    """The journal of the runs of one server, and the writer of their outcomes.

    Arguments:
        storage: where to write.
        filters: are told of each change of state after it was written.
        settings: how much of a log is kept.
        refused: is called with a claim that no longer holds.
        figures: counts what was written.
        settled: is called with the claim of a suspect when nothing is left to be written about it.
    """

    def __init__(
        self,
        storage: StorageProvider,
        filters: JobFilters,
        settings: Settings,
        refused: Callable[[Claim], None],
        figures: RunFigures | None = None,
        settled: Callable[[Claim], None] = lambda _: None,
    ) -> None:
        self._storage = storage
        self._filters = filters
        self._settings = settings
        self._refused = refused
        self._figures = figures or RunFigures()
        self._settled = settled
        self._log_level = logging.getLevelNamesMapping()[settings.log_level]
        # Held more than once by a thread in which a finalizer logs while it keeps a line: the collector runs anywhere.
        self._lock = threading.RLock()
        self._notes: dict[Claim, _Notes] = {}
        self._held: dict[Claim, _Notes] = {}
        """Of runs that are in a transaction of their own, which takes them along."""
        self._size = 0
        """How much text of logs is not written yet, about."""
        self._lines: dict[Claim, int] = {}
        self._outcomes: list[Outcome] = []
        self._in_hand: list[Outcome] = []
        """Those that are being written."""
        self._unstorable: set[Claim] = set()
        """Of jobs whose end no storage takes. They stay as they are until this server stops."""
        self._outcomes_written_at = 0.0
        self._notes_written_at = 0.0
        self._writing = False
        self._empty = threading.Condition(self._lock)
        self.wake: Callable[[], None] = lambda: None
        """Wakes the service that ticks; set by whoever makes the service."""

    # -- from the threads that run jobs

    def log(self, job: Job, at: datetime, level: int, message: str) -> None:
        """Keep a line, unless it is below the level or the attempt has logged too much already."""
        if level < self._log_level:
            return
        limit = self._settings.max_log_lines
        claim = claim_of(job)
        with self._lock:
            seq = self._lines.get(claim, 0)
            self._lines[claim] = seq + 1
            if seq > limit:
                return
            if seq == limit:
                level, message = (
                    logging.WARNING,
                    f"The log ends here: {limit} lines are kept of each attempt (max_log_lines).",
                )
            first = not self._notes
            notes = self._notes_of(claim)
            if self._size > MOST_UNWRITTEN:
                notes.left_out += 1
                notes.place = notes.place or LogLine(job.attempts, seq, at, logging.WARNING, "")
            else:
                text = storable_line(message, self._settings.max_log_line_size)
                notes.logs.append(LogLine(job.attempts, seq, at, level, text))
                self._size += len(text)
        if first:
            self.wake()

    def put(self, job: Job, key: str, value: str) -> None:
        """Keep a value; what was put under the same key and is not written yet is overtaken."""
        with self._lock:
            first = not self._notes
            self._notes_of(claim_of(job)).data[key] = value
        if first:
            self.wake()

    def read(self, job: Job) -> dict[str, str]:
        """What is kept with a job, by this attempt and by those before it."""
        stored = self._storage.data(job.id) if job.attempts > 1 else {}  # nobody was there before the first one
        with self._lock:
            notes = self._held.get(claim_of(job)) or self._notes.get(claim_of(job))
            return {**stored, **notes.data} if notes else stored

    def complete(self, outcome: Outcome) -> None:
        """Write this outcome soon."""
        with self._lock:
            first = not self._outcomes
            self._outcomes.append(outcome)
        if first:
            self.wake()

    # -- from runs that end in a transaction of their own

    def hold(self, claim: Claim) -> None:
        """From now on, what this run wants kept is for its own transaction to write. Returns when nothing of it is on its
        way: that would come too late behind the end of the run."""
        with self._lock:
            self._held[claim] = self._notes.pop(claim, _Notes())
            self._empty.wait_for(lambda: not self._writing)

    def is_held(self, claim: Claim) -> bool:
        """Whether this run is in a transaction of its own."""
        return claim in self._held

    def held(self, claim: Claim) -> RunRecord | None:
        """What its own transaction has to write."""
        with self._lock:
            notes = self._held[claim]
            is_anything = notes.logs or notes.data or notes.place
            return RunRecord(claim=claim, logs=notes.lines(), data=dict(notes.data)) if is_anything else None

    def release(self, claim: Claim) -> None:
        """Its own transaction was rolled back: write it soon."""
        with self._lock:
            notes = self._held.pop(claim)
            if notes.logs or notes.data or notes.place:
                self._notes[claim] = notes
        self.wake()

    def refuse(self, claim: Claim) -> None:
        """It does not hold any more."""
        self._refused(claim)

    def conclude(self, outcome: Outcome) -> None:
        """A run has ended in its own transaction, which has written this outcome."""
        with self._lock:
            del self._held[claim_of(outcome.job)]
        self._tell(outcome, is_written=True)

    @property
    def claims(self) -> frozenset[Claim]:
        """Of the runs that are over, and of which the storage does not know that yet."""
        with self._lock:
            return frozenset(claim_of(each.job) for each in (*self._outcomes, *self._in_hand)) | self._unstorable

    @property
    def backlog(self) -> int:
        """How many outcomes wait to be written."""
        return len(self._outcomes)

    @property
    def is_empty(self) -> bool:
        """Whether everything is written."""
        with self._lock:
            return self._nothing_left()

    def wait_until_empty(self, timeout: float) -> bool:
        """Wait until everything is written. Whether that came in time."""
        with self._empty:
            return self._empty.wait_for(self._nothing_left, timeout)

    def _nothing_left(self) -> bool:
        return not self._outcomes and not self._notes and not self._writing

    def _notes_of(self, claim: Claim) -> _Notes:
        held = self._held.get(claim)
        return self._notes.setdefault(claim, _Notes()) if held is None else held

    # -- from the service

    def tick(self) -> float:
        """Write what there is when it is time."""
        with self._lock:
            delay = self._delay(time.monotonic())
            if delay > 0:
                self._empty.notify_all()
                return delay
        self.write()
        return 0.0

    def write(self) -> None:
        """Write what fits into one statement, now. Raises when the storage is away; nothing is lost then."""
        with self._lock:
            outcomes = self._take_outcomes()
            self._in_hand = outcomes.copy()
            notes, self._notes, self._size = self._notes, {}, 0
            self._writing = True
        try:
            self._write_notes(notes)
            notes = {}
            self._write_outcomes(outcomes)
        except StorageUnavailableError:
            self._put_back(notes, outcomes)
            raise
        finally:
            with self._lock:
                self._writing = False
                self._in_hand = []
                self._empty.notify_all()

    def _delay(self, now: float) -> float:
        """With the lock held: seconds until something is to be written."""
        if self._outcomes:
            return 0.0 if len(self._outcomes) >= MANY else self._outcomes_written_at + PAUSE - now
        return self._notes_written_at + BREATH - now if self._notes else 60.0

    def _take_outcomes(self) -> list[Outcome]:
        """With the lock held: as many as go into one statement, and never two about one job: one of them will be refused."""
        jobs: set[int] = set()
        for outcome in self._outcomes[:BATCH]:
            if outcome.job.id.int in jobs:
                break
            jobs.add(outcome.job.id.int)
        taken, self._outcomes = self._outcomes[: len(jobs)], self._outcomes[len(jobs) :]
        return taken

    def _write_notes(self, notes: dict[Claim, _Notes]) -> None:
        if not notes:
            return
        self._notes_written_at = time.monotonic()
        records = [RunRecord(claim=claim, logs=n.lines(), data=n.data) for claim, n in notes.items()]
        kept = self._append(records)
        for claim in notes:
            if claim.job_id not in kept:
                self._lines.pop(claim, None)
                self._refused(claim)

    def _append(self, records: list[RunRecord]) -> frozenset[JobId]:
        try:
            return self._storage.append(records)
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the storage says but "later"
            if len(records) > 1:  # one of them is bad: find it, and let its neighbours pass
                return frozenset().union(*(self._append([record]) for record in records))
            job_id = records[0].claim.job_id
            _log.error("what job %s logged or kept cannot be stored and is left out", job_id, exc_info=error)
            return frozenset({job_id})

    def _write_outcomes(self, outcomes: list[Outcome]) -> None:
        """Write these. What is written is taken out of the list, so that what is left can be kept."""
        if not outcomes:
            return
        self._outcomes_written_at = time.monotonic()
        try:
            written = self._storage.update([outcome.update for outcome in outcomes])
        except StorageUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the storage says but "later"
            if len(outcomes) == 1:
                self._write_failure_instead(outcomes[0], error)
                outcomes.clear()
            while outcomes:  # one of them is bad: find it, and let its neighbours pass
                self._write_outcomes(outcomes[:1])
                del outcomes[0]
        else:
            done = outcomes.copy()
            outcomes.clear()
            all_are_written = len(written) == len(done)
            for outcome in done:
                self._tell(outcome, is_written=all_are_written or outcome.job.id in written)

    def _tell(self, outcome: Outcome, *, is_written: bool) -> None:
        if self._lines:
            self._lines.pop(claim_of(outcome.job), None)
        if is_written:
            log_outcome(outcome)
            self.announce(outcome)
        else:
            claim = claim_of(outcome.job)
            _log.warning("job %s is not ours any more; that it ended %s here is dropped", claim.job_id, outcome.update.state)
            self._refused(claim)
        self._settle(outcome.job)

    def _settle(self, job: Job) -> None:
        if job.is_suspect:
            self._settled(claim_of(job))

    def _write_failure_instead(self, outcome: Outcome, error: Exception) -> None:
        """The storage refuses this outcome for good. The job must not stay PROCESSING for ever because of that."""
        job = outcome.job
        _log.error("the outcome of job %s cannot be stored, the job fails instead", job.id, exc_info=error)
        reason = storable(f"It ended {outcome.update.state}, but this could not be stored: {error}", 1000)
        failure = outcome_of(job, fail(job, outcome.update.at, reason), final_failure=error)
        try:
            written = self._storage.update([failure.update])
        except StorageUnavailableError:
            raise
        except Exception:  # noqa: BLE001 - as above
            _log.exception("job %s stays PROCESSING until this server stops", job.id)
            with self._lock:
                self._unstorable.add(claim_of(job))
            self._settle(job)
        else:
            self._tell(failure, is_written=job.id in written)

    def announce(self, outcome: Outcome) -> None:
        """Tell the filters what was written."""
        for old, new in outcome.changes:
            if new in _ENDS and outcome.job.started_at is not None:
                self._figures.ended(outcome.job, new, outcome.update.at)
            self._filters.state_changed(outcome.job, old, new)
        if outcome.final_failure is not None:
            self._filters.failed_after_retries(outcome.job, outcome.final_failure)

    def _put_back(self, notes: dict[Claim, _Notes], outcomes: list[Outcome]) -> None:
        with self._lock:
            self._outcomes = outcomes + self._outcomes
            for claim in notes.keys() & self._held.keys():
                older = notes.pop(claim)
                older.add(self._held[claim])
                self._held[claim] = older
            for claim, newer in self._notes.items():
                notes.setdefault(claim, _Notes()).add(newer)
            self._notes = notes
            self._size = sum(kept.size for kept in notes.values())

"""Runs one job: finds its function, reads its arguments, calls it, and decides what becomes of the job."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from jobrunr.clock import Clock
from jobrunr.context import enter
from jobrunr.crashes import HandBack, decide_after_crash
from jobrunr.durations import format_duration
from jobrunr.errors import (
    ArgumentsMisfitError,
    JobCancelledError,
    JobProcessDiedError,
    JobTimeoutError,
    ServerLostError,
    TargetNotFoundError,
    UnreadableJobError,
)
from jobrunr.filters import JobFilters
from jobrunr.history import ExceptionRecord
from jobrunr.jobs import Job, JobExtras
from jobrunr.log_context import enter_log_context
from jobrunr.options import NO_OPTIONS
from jobrunr.registry import JobActivator, JobRegistry, Runnable
from jobrunr.retries import (
    GiveUp,
    RetryDecision,
    RetryPolicy,
    RetryRules,
    checked_decision,
    class_name,
    decide,
    read_policy,
)
from jobrunr.serialization import encode_result
from jobrunr.server.failure import MAX_MESSAGE_LENGTH, record_exception
from jobrunr.server.interrupting import JobInterrupted
from jobrunr.server.processes.exceptions import rebuild
from jobrunr.server.processes.messages import Order, Raised
from jobrunr.server.processes.names import name_of_activator
from jobrunr.server.processes.pool import JobProcesses
from jobrunr.server.run import Outcome, Run, RunEnd, outcome
from jobrunr.settings import Settings
from jobrunr.texts import message_of, storable
from jobrunr.transitions import (
    Author,
    fail,
    fail_and_retry,
    give_up_after_crash,
    hand_back,
    leave,
    run_again_after_crash,
    succeed,
)
from jobrunr.unknown_jobs import decide_about_unknown

_log = logging.getLogger("jobrunr.server")


class Performer:
    """Runs jobs for a server, or for a test.

    Arguments:
        registry: finds functions by their text.
        activator: makes instances of classes.
        filters: those of the application.
        settings: sizes, and the retry policy for jobs that have none of their own.
        retry: the policy of the application.
        clock: the storage's time.
    """

    def __init__(
        self,
        registry: JobRegistry,
        activator: JobActivator,
        filters: JobFilters,
        settings: Settings,
        retry: RetryPolicy,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._activator = activator
        self._filters = filters
        self._settings = settings
        self._retry = retry
        self._clock = clock

    def is_for_process(self, job: Job) -> bool:
        """Whether a job wants a process of its own."""
        return job.extras_json is not None and _extras_or_none(job).execution == "process"

    def is_coroutine(self, job: Job) -> bool | None:
        """Whether a job runs on the event loop; None when its function has not been looked up yet."""
        if self.is_for_process(job):
            return False
        runnable = self._registry.known(job.target)
        return None if runnable is None else runnable.is_coroutine

    def prepare(self, run: Run) -> Prepared | Outcome:
        """Everything before the call. May import modules of the application. A job that cannot be run has its outcome."""
        try:
            found = self._look_up(run.job)
            if isinstance(found, Outcome):
                return found
            runnable, extras, args, kwargs = found
            call = runnable.bind_in_job(self._activator, run.context.transaction)
            return Prepared(run, runnable, extras, call, args, kwargs)
        except BaseException as error:  # noqa: BLE001 - user code: an import that exits must not end the worker
            return self.failed(run.job, error)

    def perform(self, prepared: Prepared, run_coroutine: Callable[[Run, Any], Any]) -> Outcome | None:
        """Call a function in this thread, in a `contextvars.Context` that the caller made for it.

        Arguments:
            run_coroutine: takes the run and a coroutine that the function returned, awaits it and returns its result.

        Returns:
            what became of the job; None when the run was taken away and nothing is to be recorded.
        """
        run = prepared.run
        filters = self._filters_of(prepared.runnable)
        try:
            _enter(run, prepared.extras)
            filters.processing(run.job)
            call = run.limited(prepared.call, self._limit_of(prepared.extras))
            result = call(*prepared.args, **prepared.kwargs)
            if inspect.iscoroutine(result):
                result = run_coroutine(run, result)
            if (left_open := _leave_behind(run)) is not None:
                raise left_open
            return self._succeeded(run, filters, result)
        except BaseException as error:  # noqa: BLE001 - user code: SystemExit of a job must not end the worker
            _leave_behind(run)
            return self._ended(run, error)

    async def perform_async(self, prepared: Prepared) -> Outcome | None:
        """Await a coroutine function on this loop, in a task with a context of its own; otherwise as `perform`."""
        run = prepared.run
        filters = self._filters_of(prepared.runnable)
        try:
            _enter(run, prepared.extras)
            filters.processing(run.job)
            run.begin_call(self._limit_of(prepared.extras))
            result = await prepared.call(*prepared.args, **prepared.kwargs)
            return self._succeeded(run, filters, result)
        except BaseException as error:  # noqa: BLE001 - user code: SystemExit of a job must not end the loop
            return self._ended(run, error)

    def perform_in_process(self, run: Run, processes: JobProcesses) -> Outcome | None:
        """Let the function be called in a child process, and wait for its end in this thread, in a `contextvars.Context`
        that the caller made for it. Filters are called here, in the server."""
        try:
            found = self._look_up(run.job)
            if isinstance(found, Outcome):
                return found
            runnable, extras, _, _ = found  # the child reads the arguments anew, and builds them where the job runs
            activator = None if runnable.owner is None else name_of_activator(self._activator)
            filters = self._filters_of(runnable)
            _enter(run, extras)
            filters.processing(run.job)
            order = Order(msgspec.structs.replace(run.job, past=""), self._clock.now(), activator)
            end = processes.perform(run, order, self._limit_of(extras))
            if isinstance(end, Raised):
                return self._ended(run, rebuild(end), end.record)
            result = None if end.result_json is None else msgspec.json.decode(end.result_json)
            return self._done(run, filters, result, end.result_json)
        except BaseException as error:  # noqa: BLE001 - user code: filters, and what is imported
            return self._ended(run, error.with_traceback(None) if isinstance(error, JobProcessDiedError) else error)

    def _look_up(self, job: Job) -> tuple[Runnable, JobExtras, list[Any], dict[str, Any]] | Outcome:
        """The function of a job, its extras and its arguments; or what becomes of a job that this code does not know.

        Raises:
            CannotRunError: no code could run it, or this code is broken.
        """
        if job.unreadable is not None:
            raise UnreadableJobError(job.id, job.unreadable)
        extras = job.extras
        try:
            runnable = self._registry.resolve(job.target)
            return runnable, extras, *runnable.codec.decode(job.details.arguments)
        except (TargetNotFoundError, ArgumentsMisfitError) as error:
            return self._unknown(job, error)

    def _unknown(self, job: Job, error: TargetNotFoundError | ArgumentsMisfitError) -> Outcome:
        grace, now = self._settings.unknown_job_grace, self._clock.now()
        if not grace:
            return self.failed(job, error)
        decision = decide_about_unknown(job, now, grace)
        if isinstance(decision, GiveUp):
            return self.failed(job, error, decision=decision)
        why = storable(error.why, MAX_MESSAGE_LENGTH)
        until = f"{decision.until:%Y-%m-%d %H:%M} UTC"
        reason = f"{job.server_name} does not know it ({why}); left for servers that do, until {until}"
        return outcome(job, leave(job, now, reason, delay=decision.delay))

    def _succeeded(self, run: Run, filters: JobFilters, result: object) -> Outcome | None:
        return self._done(run, filters, result, encode_result(run.job.target, result, self._settings.max_result_size))

    def _done(self, run: Run, filters: JobFilters, result: object, result_json: str | None) -> Outcome | None:
        if run.context.has_ended and result is not None:
            _log.warning("job %s had ended in its own transaction: what it returned later is not kept", run.job.id)
        if run.is_over:  # given up meanwhile
            return None
        filters.succeeded(run.job, result)
        return self._success(run.job, result_json)

    def success(self, job: Job, result: object) -> Outcome:
        """What becomes of a job that did its work.

        Raises:
            ResultNotStorableError: the result is nothing that can be stored.
        """
        return self._success(job, encode_result(job.target, result, self._settings.max_result_size))

    def _success(self, job: Job, result_json: str | None) -> Outcome:
        return outcome(job, succeed(job, self._clock.now(), result_json))

    def _limit_of(self, extras: JobExtras) -> timedelta | None:
        return self._settings.job_timeout if extras.timeout is None else extras.timeout

    def _ended(self, run: Run, error: BaseException, record: ExceptionRecord | None = None) -> Outcome | None:
        """What becomes of a run that ended with this exception.

        Arguments:
            record: what is to be kept of the exception, when it comes from another process.
        """
        if run.context.has_ended:
            _log.error("job %s had ended in its own transaction, and raised afterwards", run.job.id, exc_info=error)
        if run.is_over:  # given up meanwhile
            return None
        if run.end is RunEnd.TIMED_OUT:
            return self.timed_out(run, error)
        if run.end is not None and issubclass(type(error), _TOLD_TO_END):
            return None if run.end is RunEnd.TAKEN_AWAY else self.handed_back(run)
        return self.failed(run.job, error, record=record)

    def timed_out(self, run: Run, error: BaseException | None = None) -> Outcome:
        """What becomes of a job whose time was over.

        Arguments:
            error: how the run ended; None when it could not be stopped, and still goes on.
        """
        assert run.limit is not None
        late = JobTimeoutError(format_duration(run.limit))
        if error is None:
            late.__traceback__ = run.call.where() if run.call is not None else None
        elif issubclass(type(error), _TOLD_TO_END):
            late.__traceback__ = error.__traceback__  # where it was when its time was over
            late.__notes__ = getattr(error, "__notes__", [])
        else:
            late.__cause__ = error
        return self.failed(run.job, late)

    def failed(
        self,
        job: Job,
        error: BaseException,
        record: ExceptionRecord | None = None,
        decision: RetryDecision | None = None,
    ) -> Outcome:
        """What becomes of a job whose run ended with this exception.

        Arguments:
            record: what is to be kept of the exception, when that is known already.
            decision: what follows, unless a filter decides otherwise; by default what the policy says.
        """
        runnable = self._registry.known(job.target)
        filters = self._filters_of(runnable)
        record = record or record_exception(error, self._settings.max_traceback_size)
        try:
            filters.failed(job, error)
            elected = self._elect(job, filters, error, lambda: decision or self._by_policy(job, runnable, error))
        except BaseException as broken:  # noqa: BLE001 - user code: to log an exception is to ask it for its text
            elected = GiveUp(f"handling the failure raised {class_name(type(broken))}")
        now = self._clock.now()
        if isinstance(elected, GiveUp):
            why = storable(str(elected.why), MAX_MESSAGE_LENGTH)
            return outcome(job, fail(job, now, why, record), final_failure=error)
        reason = f"retry {job.failures + 1} of {job.retries}"
        update = fail_and_retry(job, now, "a retry follows", record, delay=elected.delay, retry_reason=reason)
        return outcome(job, update, retried=True)

    def lost(self, job: Job, error: ServerLostError) -> Outcome:
        """What becomes of a job whose server is gone, as its rescuer sees it."""
        most = self._settings.max_crashes
        decision = decide_after_crash(job, most)
        if isinstance(decision, HandBack):
            return outcome(job, hand_back(job, self._clock.now(), decision.why, begun=False, by=Author.RESCUER))
        filters = self.filters_of(job)
        filters.failed(job, error)
        elected = self._elect(job, filters, error, lambda: decision)
        now = self._clock.now()
        record = record_exception(error, self._settings.max_traceback_size)
        if isinstance(elected, GiveUp):
            why = storable(str(elected.why), MAX_MESSAGE_LENGTH)
            return outcome(job, give_up_after_crash(job, now, why, record), final_failure=error)
        reason = f"crash {job.crashes + 1} of {most}"
        update = run_again_after_crash(job, now, "it is run again", record, delay=elected.delay, again_reason=reason)
        return outcome(job, update, retried=True)

    def handed_back(self, run: Run) -> Outcome:
        """A job that this server gives back unharmed because it stops, or has held it too long without beginning it."""
        run.given_back = True
        why = f"handed back by {run.job.server_name}" + (", which stops" if run.end is RunEnd.SERVER_STOPS else " unbegun")
        now = self._clock.now()
        return outcome(run.job, hand_back(run.job, now, why, begun=run.begun))

    def _elect(
        self, job: Job, filters: JobFilters, error: BaseException, decide: Callable[[], RetryDecision]
    ) -> RetryDecision:
        """What follows. A policy or a filter that raises fails the job for good, and the reason says so."""
        try:
            return checked_decision(filters.elect_state(job, error, checked_decision(decide())))
        except BaseException as broken:  # noqa: BLE001 - user code: even its SystemExit must not end the worker
            _log.error("the decision about a retry of job %s raised; the job fails", job.id, exc_info=broken)
            return GiveUp(f"the decision about a retry raised {class_name(type(broken))}: {message_of(broken)}")

    def _by_policy(self, job: Job, runnable: Runnable | None, error: BaseException) -> RetryDecision:
        """By the policy and the rules of the call, then of the decorator, then of the application."""
        declared = (runnable.options if runnable else None) or NO_OPTIONS
        extras = _extras_or_none(job)
        policy = read_policy(extras.retry) if extras.retry else declared.retry or self._retry
        rules = RetryRules(
            retry_on=extras.retry_on if extras.retry_on is not None else _names(declared.retry_on),
            no_retry_on=extras.no_retry_on if extras.no_retry_on is not None else _names(declared.no_retry_on),
        )
        return decide(job, error, policy, rules)

    def filters_of(self, job: Job) -> JobFilters:
        """The filters of a job: those of the application, and of its function as far as that is known here."""
        return self._filters_of(self._registry.known(job.target))

    def _filters_of(self, runnable: Runnable | None) -> JobFilters:
        if runnable is None or runnable.options is None or not runnable.options.filters:
            return self._filters
        return self._filters.with_more(runnable.options.filters)


class Prepared:
    """A run with everything that its call needs."""

    __slots__ = ("args", "call", "extras", "kwargs", "run", "runnable")

    def __init__(
        self,
        run: Run,
        runnable: Runnable,
        extras: JobExtras,
        call: Callable[..., Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> None:
        self.run = run
        self.runnable = runnable
        self.extras = extras
        self.call = call
        self.args = args
        self.kwargs = kwargs


# Asked of its type: an exception may say anything about itself, and raise another one instead.
_TOLD_TO_END = (asyncio.CancelledError, JobCancelledError, JobInterrupted)
"""How a run ends that does as it is told."""


def _enter(run: Run, extras: JobExtras) -> None:
    if run.end is not None:  # told to end before it began
        raise JobCancelledError(run.job.id)
    enter(run.context)
    if extras.log_context:
        enter_log_context(extras.log_context)


def _leave_behind(run: Run) -> Exception | None:
    """Roll back a transaction of its own that the function has left open: it would hold its locks until this server ends."""
    return None if run.context.is_inside is None else run.context.is_inside.leave_behind()


def _extras_or_none(job: Job) -> JobExtras:
    try:
        return job.extras
    except UnreadableJobError:
        return JobExtras()


def _names(classes: tuple[type[BaseException], ...] | None) -> tuple[str, ...] | None:
    return None if classes is None else tuple(map(class_name, classes))

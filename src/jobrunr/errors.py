"""Every error that JobRunr raises, in one tree.

Each class takes facts and makes its own sentence: what happened, to which job or setting, and what to do next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args
from uuid import UUID


class JobRunrError(Exception):
    """The root of all errors of this library."""

    stored: tuple[UUID, ...] = ()
    """The ids of the jobs that `enqueue_many` had stored when it met this error, in the order of the calls."""


# -- creating jobs


class JobRefusedError(JobRunrError):
    """A call cannot become a job. Raised by the scheduler; nothing was stored."""


class TargetNotImportableError(JobRefusedError):
    """The callable has no path by which another process could import it (a lambda, a closure, a builtin)."""

    def __init__(self, what: str, why: str, instead: str) -> None:
        super().__init__(f"{what} cannot become a job: {why}. {instead}")


class TargetNotOfferedError(JobRefusedError):
    """The target is no part of this application's own code and nobody allowed it (``allowed_targets``)."""

    def __init__(self, target: str, why: str, instead: str | None = None) -> None:
        self.target = target
        instead = instead or f"To offer it, mark the function with @job, or add {target!r} to the setting allowed_targets."
        super().__init__(f"{target!r} is not offered as a job: {why}. {instead}")


class ArgumentError(JobRefusedError):
    """An argument does not fit the signature, or would not come back the same from storage."""

    def __init__(self, target: str, problem: str) -> None:
        self.target = target
        super().__init__(f"{target}: {problem}")


class TooLargeError(JobRefusedError):
    """Something is larger than the setting allows."""

    def __init__(self, what: str, size: int, limit: int, setting: str) -> None:
        super().__init__(
            f"{what} would take {size:,} bytes; the limit is {limit:,} (setting {setting}). "
            f"Store large data elsewhere and pass its key."
        )


class OptionError(JobRefusedError):
    """An option of a job (a label, a queue name, a delay, ...) is not acceptable."""


# -- schedules


class ScheduleError(JobRunrError, ValueError):
    """A schedule is not to be understood, or has no run where one was asked for. Each kind of schedule raises this."""


class CronError(ScheduleError):
    """A cron expression, or what shall become one, is not to be understood or can never run."""

    def __init__(self, what: str, problem: str) -> None:
        super().__init__(f"{what}: {problem}")


class UnknownZoneError(ScheduleError):
    """There is no time zone of this name, or no time zones at all on this machine."""

    def __init__(self, zone: object, hint: str) -> None:
        super().__init__(f"{zone!r} is no time zone. {hint}")


class NoRunError(ScheduleError):
    """A schedule has no run before or after a moment, as far as the calendar goes."""

    def __init__(self, schedule: str, where: str) -> None:
        super().__init__(f"{schedule} has no run {where}. Give it another time, or another time zone.")


# -- looking at and steering jobs


class WrongIdError(JobRunrError, ValueError):
    """What was given as the id of a job is none, or no id can be made of a key."""

    def __init__(self, value: object, why: str) -> None:
        super().__init__(f"{value!r:.200} {why}")


class JobNotFoundError(JobRunrError):
    """No job has this id (any more)."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(f"There is no job {job_id}. It may have been removed after its time in DELETED was over.")


class ServerNotFoundError(JobRunrError):
    """No server is registered under this id (any more)."""

    def __init__(self, server_id: UUID) -> None:
        self.server_id = server_id
        super().__init__(
            f"There is no server {server_id}. It has stopped, or was taken for dead and registered anew under another id."
        )


class IllegalJobStateChangeError(JobRunrError):
    """A job cannot move from its present state to the wanted one."""

    def __init__(self, job_id: UUID, current: str, wanted: str) -> None:
        self.job_id, self.current, self.wanted = job_id, current, wanted
        super().__init__(f"Job {job_id} is {current} and cannot become {wanted}.")


class ConcurrentJobModificationError(JobRunrError):
    """Somebody else kept changing the job while we tried to."""

    def __init__(self, job_id: UUID, tries: int) -> None:
        self.job_id = job_id
        super().__init__(f"Job {job_id} was changed by others during {tries} tries to change it. Look at it and try again.")


class ResultTypeError(JobRunrError):
    """The result of a job does not have the type that was asked for."""

    def __init__(self, job_id: UUID, type: object, state: str, result: object, why: str) -> None:
        self.job_id = job_id
        name = getattr(type, "__qualname__", type) if not get_args(type) else type
        if result is None:
            advice = f"It has no result: it is {state}, or its function returned None."
        elif isinstance(result, dict) and result.keys() == {"left_out"}:
            advice = f"It was too large to keep: {result['left_out']}."
        else:
            advice = f"It is {result!r:.200}. Ask for what the function returns, or look at job.result."
        super().__init__(f"The result of job {job_id} is no {name}: {why}. {advice}")


class ForecastError(JobRunrError):
    """A forecast of carbon intensity could not be had. Jobs that wait for it start at their preferred time."""


class RecurringJobNotFoundError(JobRunrError):
    """No recurring job has this id (any more)."""

    def __init__(self, recurring_job_id: str) -> None:
        self.recurring_job_id = recurring_job_id
        super().__init__(
            f"There is no recurring job {recurring_job_id!r}. `jobrunr recurring list` shows those that there are."
        )


class ConcurrentRecurringJobModificationError(JobRunrError):
    """Somebody else kept changing the recurring job while we tried to."""

    def __init__(self, recurring_job_id: str, tries: int) -> None:
        self.recurring_job_id = recurring_job_id
        super().__init__(
            f"Recurring job {recurring_job_id!r} was changed by others during {tries} tries to change it. "
            f"Look at it and try again."
        )


# -- running jobs


class NoCurrentJobError(JobRunrError, LookupError):
    """``current_job()`` was called outside a running job."""

    def __init__(self) -> None:
        super().__init__(
            "No job is running here. current_job() works inside a job, in the thread or task that runs it; "
            "a thread started by the job does not inherit it (use contextvars.copy_context().run). "
            "In a test, use jobrunr.testing.job_context()."
        )


class MetadataError(JobRunrError, ValueError):
    """A key or a value cannot be kept in ``ctx.metadata``."""

    def __init__(self, key: object, why: str) -> None:
        super().__init__(f"metadata[{key!r:.200}] cannot be kept: {why}.")


class JobCancelledError(JobRunrError):
    """The run is not wanted any more: deleted, given away, over its time; raised by ``ctx.raise_if_cancelled()``."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        super().__init__(f"Job {job_id} was cancelled while it ran.")


class JobTimeoutError(JobRunrError):
    """A run took longer than the job's time limit (``timeout``), and was ended."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"The job took longer than its time limit of {limit}.")


class JobProcessDiedError(JobRunrError):
    """The child process that ran a job (``execution="process"``) ended before the job did."""

    def __init__(self, how: str) -> None:
        super().__init__(f"The process that ran the job ended before the job did: {how}.")


class ServerLostError(JobRunrError):
    """The server that ran a job is gone: killed, crashed, cut off, or stopped for longer than its time-out."""

    def __init__(self, server_name: str, how: str | None = None) -> None:
        super().__init__(f"Server {server_name} was lost while it ran this job{f': {how}' if how else ''}.")


class DoNotRetry(JobRunrError):  # noqa: N818 - an instruction that reads well behind `raise`
    """Raise it in a job to fail at once, whatever retries are left.

    >>> raise DoNotRetry("the order was withdrawn")
    Traceback (most recent call last):
        ...
    jobrunr.errors.DoNotRetry: the order was withdrawn
    """


class CannotRunError(JobRunrError):
    """A stored job cannot be run by this code; the job fails without retries, and nothing else is hurt."""


class UnreadableJobError(CannotRunError):
    """The row of a job holds something that no version of this library writes."""

    def __init__(self, job_id: UUID, why: str) -> None:
        self.job_id = job_id
        super().__init__(
            f"Job {job_id} cannot be read: {why}. Was its row changed by hand? Delete the job, and enqueue it anew."
        )


class TargetNotFoundError(CannotRunError):
    """The function that a stored job names is not there (any more, or yet), or not where the job says."""

    def __init__(self, target: str, why: str) -> None:
        self.target, self.why = target, why
        super().__init__(
            f"{target!r} cannot be run: {why}. Was it renamed, moved or removed? "
            f"Bring it back under this name, or delete the job."
        )


class TargetImportError(CannotRunError):
    """The module of the function that a stored job names raises while it is imported."""

    def __init__(self, target: str, why: str) -> None:
        self.target = target
        super().__init__(f"{target!r} cannot be run: {why}. Mend the module and requeue the job, or delete the job.")


class TargetForbiddenError(CannotRunError):
    """A stored job names something that this application does not offer. It was neither imported nor called."""

    def __init__(self, target: str, why: str) -> None:
        self.target = target
        super().__init__(
            f"{target!r} is not offered by this application and was not touched: {why}. "
            f"If it is yours, mark it with @job or add it to the setting allowed_targets; if not, ask who made this row."
        )


class NoInstanceError(CannotRunError):
    """The class of a method needs arguments, and the application says nowhere how an instance is made."""

    def __init__(self, cls: type, why: str) -> None:
        super().__init__(
            f"{cls.__qualname__} cannot be made without arguments: {why}. "
            f"Pass JobRunr(activator=...) a function that takes a class and returns an instance of it."
        )


class OwnTransactionError(CannotRunError):
    """A job cannot end in a transaction of its own (``current_job().transaction()``)."""

    def __init__(self, why: str, instead: str) -> None:
        super().__init__(f"This job cannot end in a transaction of its own: {why}. {instead}")


class ArgumentsUnreadableError(CannotRunError):
    """The stored arguments are nothing that the function could be called with."""

    def __init__(self, target: str, why: str) -> None:
        self.target, self.why = target, why
        super().__init__(
            f"The stored arguments do not fit {target}: {why}. "
            f"Was a parameter renamed, removed or given another type? Enqueue the job anew, or let the function accept both."
        )


class ArgumentsMisfitError(ArgumentsUnreadableError):
    """The stored arguments are not those of the function (any more, or yet)."""


class ResultNotStorableError(CannotRunError):
    """A job did its work but returned something that cannot be stored as JSON; running it again would not help."""

    def __init__(self, target: str, why: str) -> None:
        super().__init__(f"{target} ran to its end, but its result is not storable: {why}. Return plain data, or None.")


# -- storage


class StorageError(JobRunrError):
    """The root of what can go wrong with a storage provider."""


class StorageUnavailableError(StorageError):
    """The database cannot be reached, is read-only, overloaded, or did not answer in time. Trying again can help."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"The storage {where} is not available: {why}")


class TablesLeftError(StorageUnavailableError):
    """Tables that should be gone could not be dropped, and somebody has to do that by hand."""

    def __init__(self, where: str, tables: Iterable[str]) -> None:
        super().__init__(
            where,
            f"tables that were made for a while could not be dropped. Drop them when it is there again: "
            f"{' '.join(f'DROP TABLE IF EXISTS {table};' for table in tables)}",
        )


class StorageSetupError(StorageError):
    """This storage cannot be used as it is set up; the message says what to change."""


class BindError(StorageError):
    """Jobs cannot be part of this transaction (``scheduler.bind``)."""

    def __init__(self, why: str, instead: str) -> None:
        super().__init__(f"Jobs cannot be bound to this: {why}. {instead}")


class SchemaMissingError(StorageSetupError):
    """The tables are not there or too old, and we were told not to create them."""

    def __init__(self, where: str, found: str | None, wanted: str) -> None:
        state = f"are at revision {found}" if found else "do not exist"
        super().__init__(
            f"The tables in {where} {state}, this version needs {wanted}. Run `jobrunr migrate` "
            f"(or apply what `jobrunr migrate --sql` prints), or set migrate = true."
        )


class TableMissingError(StorageSetupError):
    """One of the tables is not there (any more)."""

    def __init__(self, where: str, why: str, prefix: str) -> None:
        super().__init__(
            f"A table is missing in {where}: {why}. Was it dropped? Bring it back from a backup; or, to begin anew, drop "
            f"all tables that begin with {prefix!r} and run `jobrunr migrate`."
        )


class SchemaNewerError(StorageSetupError):
    """The tables were made by a newer version of this library."""

    def __init__(self, where: str, found: str, known: str) -> None:
        super().__init__(
            f"The tables in {where} are at revision {found}, which this version does not know (its newest is {known}). "
            f"Upgrade jobrunr here to the version that made them."
        )


# -- settings and set-up


class SettingsError(JobRunrError):
    """A setting has an unknown name or a wrong value."""


class UnknownSettingError(SettingsError):
    """There is no setting of this name."""

    def __init__(self, name: str, source: str, allowed: Iterable[str]) -> None:
        super().__init__(f"Unknown setting {name!r} in {source}. Allowed are: {', '.join(sorted(allowed))}.")


class WrongSettingError(SettingsError):
    """A setting has a value that is not acceptable."""

    def __init__(self, name: str, value: object, source: str, allowed: str) -> None:
        super().__init__(f"Setting {name} cannot be {value!r} (from {source}). Allowed: {allowed}.")


class MissingExtraError(JobRunrError):
    """A part of this library needs packages that are not installed."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(f"{what} needs {package}, which is not installed: pip install 'jobrunr[{extra}]'")


class DashboardAccessError(JobRunrError):
    """Nobody said who may use the dashboard, and it is not made for everybody by accident."""

    def __init__(self, where: str = "") -> None:
        super().__init__(
            f"Who may use the dashboard{where}? Say so: with dashboard(authorize=…), which looks at a request; with the "
            f"setting dashboard_users, for which `jobrunr dashboard-user NAME` makes a line; or with the settings "
            f"dashboard_openid_…. If everybody who reaches it may do everything: insecure=True, or --insecure."
        )


class DashboardAddressError(JobRunrError):
    """The dashboard cannot listen where it was told to."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(f"The dashboard cannot listen on {host}, port {port}: {why}. Choose another --host or --port.")


class MissingDriverError(JobRunrError):
    """The database driver for a URL is not installed."""

    def __init__(self, url_scheme: str, extra: str) -> None:
        super().__init__(f"{url_scheme} needs a database driver that is not installed: pip install 'jobrunr[{extra}]'")

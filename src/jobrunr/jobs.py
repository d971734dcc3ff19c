"""A job as a value: what is asked for (`NewJob`), what is stored (`Job`), and what shall become of it (`JobUpdate`).

All are frozen. Nothing here does anything; `jobrunr.transitions` decides, a storage provider writes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec

from jobrunr.errors import OptionError, ResultTypeError, UnreadableJobError
from jobrunr.history import StateChange, read_lines
from jobrunr.ids import JobId
from jobrunr.json_values import NotStorableError, decoder_of, to_strict_json
from jobrunr.states import JobState

T = TypeVar("T")

DEFAULT_QUEUE = "default"

Execution = Literal["thread", "process"]
"""Where a job runs: in a thread (a coroutine: on the event loop) of the server, or in a child process of it."""

MAX_NAME_LENGTH = 255
MAX_LABEL_LENGTH = 100
MAX_QUEUE_LENGTH = 100
PRIORITIES = range(-32768, 32768)
RETRIES = range(10_001)

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
"""With a time zone, also when it is read again."""


class JobDetails(msgspec.Struct, frozen=True, gc=False):
    """What to call: ``package.module:Class.method``, and the arguments as strict JSON, keyed by parameter name."""

    target: str
    arguments: str = "{}"


class CarbonWindow(msgspec.Struct, frozen=True):
    """Between which moments a job may start that waits for clean electricity; see `jobrunr.carbon`."""

    earliest: _Moment
    preferred: _Moment
    """When it starts if there is no forecast."""
    deadline: _Moment


class JobExtras(msgspec.Struct, frozen=True, omit_defaults=True):
    """What only some jobs carry. Stored as one JSON document, written once when the job is made; mostly absent."""

    retry: dict[str, Any] | None = None
    """The back-off that the call asked for (see `jobrunr.retries`); otherwise the decorator's or the settings' is used."""
    retry_on: tuple[str, ...] | None = None
    no_retry_on: tuple[str, ...] | None = None
    delete_succeeded_after: timedelta | None = None
    delete_failed_after: timedelta | None = None
    purge_deleted_after: timedelta | None = None
    timeout: timedelta | None = None
    """How long a run may take; None for what the server's settings say."""
    execution: Execution = "thread"
    log_context: dict[str, Any] | None = None
    """The values of the log context at the moment of creation."""
    stands_for: datetime | None = None
    """The time of the run of a recurring job; `run_at` is overwritten by a retry."""
    window: CarbonWindow | None = None


NO_EXTRAS = JobExtras()


def encode_labels(labels: tuple[str, ...]) -> str | None:
    """Labels as a JSON array, None for none."""
    return msgspec.json.encode(labels).decode() if labels else None


def encode_extras(extras: JobExtras) -> str | None:
    """Extras as a JSON object, None for none."""
    return None if extras == NO_EXTRAS else msgspec.json.encode(extras).decode()


class NewJob(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A job that somebody asks for. The storage adds the moment of creation by its own clock."""

    id: JobId
    details: JobDetails
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]
    state: JobState = JobState.ENQUEUED
    """ENQUEUED, SCHEDULED or AWAITING."""
    run_at: _Moment | None = None
    """For SCHEDULED: when it is due."""
    reason: str | None = None
    queue: Annotated[str, msgspec.Meta(max_length=MAX_QUEUE_LENGTH)] = DEFAULT_QUEUE
    priority: Annotated[int, msgspec.Meta(ge=PRIORITIES[0], le=PRIORITIES[-1])] = 0
    """Higher goes first."""
    labels: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL_LENGTH)], ...] = ()
    retries: Annotated[int, msgspec.Meta(ge=RETRIES[0], le=RETRIES[-1])] = 10
    recurring_job_id: str | None = None
    extras: JobExtras = NO_EXTRAS


_new_job = decoder_of(NewJob)


def checked_job(job: NewJob) -> NewJob:
    """A new job whose fields others than we have filled in, with fields of the right types.

    Raises:
        OptionError: no storage could keep it.

    >>> checked_job(NewJob(id=JobId.new(), details=JobDetails("shop:send"), name=None))
    Traceback (most recent call last):
        ...
    jobrunr.errors.OptionError: This job cannot be stored: Expected `str`, got `null` - at `$.name`.
    """
    try:
        checked: NewJob = _new_job.decode(to_strict_json(job))
    except (NotStorableError, msgspec.ValidationError) as error:
        raise OptionError(f"This job cannot be stored: {error}.") from None
    needed = {JobState.ENQUEUED: True, JobState.SCHEDULED: checked.run_at, JobState.AWAITING: checked.extras.window}
    if not needed.get(checked.state):
        raise OptionError(f"This job cannot be stored: it is {checked.state}, and does not say for when.")
    return checked


class Job(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored job, as it was when it was read.

    The attempt that is under way lives in the fields `scheduled_at` to `finished_at`; earlier ones in `past`.
    """

    id: JobId
    details: JobDetails
    name: str
    state: JobState
    version: int
    """Counts the changes of state; guards what people do to a job."""
    claim_token: UUID | None = None
    """Given out with each claim; guards what the owner does to a job."""
    queue: str = DEFAULT_QUEUE
    priority: int = 0
    labels_json: str | None = None
    retries: int = 10
    attempts: int = 0
    """How often a server has taken this job."""
    failures: int = 0
    """Failures that count towards `retries`; a requeue by hand starts anew."""
    created_at: datetime
    state_at: datetime
    """When the present state began."""
    scheduled_at: datetime | None = None
    run_at: datetime | None = None
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    """Why the attempt under way was scheduled or enqueued."""
    by: str | None = None
    """Who scheduled or enqueued it, if somebody did by hand."""
    server_id: UUID | None = None
    server_name: str | None = None
    """The server that has the job, or had it last."""
    recurring_job_id: str | None = None
    result_json: str | None = None
    expires_at: datetime | None = None
    extras_json: str | None = None
    fingerprint: str | None = None
    """Of the last failure (see `jobrunr.fingerprints`); stays until there is another."""
    crashes: int = 0
    """How often its server was lost while it ran, or may have run, since it last ended properly. From the first on it is
    suspected of being the reason."""
    begun_token: UUID | None = None
    """The claim under which a run was last marked as begun; only some runs are (see `jobrunr.crashes`)."""
    past: str = ""
    """Earlier attempts, as stored; read them with `history`."""
    unreadable: str | None = None
    """Why this row cannot be read. Only the id (and the claim) can be relied upon; such a job can only fail."""

    @property
    def target(self) -> str:
        """What it calls: ``package.module:Class.method``."""
        return self.details.target

    @property
    def is_suspect(self) -> bool:
        """Whether it may be the reason why servers were lost."""
        return self.crashes > 0

    @property
    def is_quarantined(self) -> bool:
        """Whether it is FAILED because of its crashes, although it had retries: whoever requeues it, lets it begin anew."""
        return self.state is JobState.FAILED and self.is_suspect and self.retries > 0

    @property
    def is_begun(self) -> bool:
        """Whether the run under way is marked as begun."""
        return self.claim_token is not None and self.begun_token == self.claim_token

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order in which they were given.

        Raises:
            UnreadableJobError: what is stored are no labels.
        """
        return () if self.labels_json is None else decode_stored(self.id, "labels", self.labels_json, _labels)

    @property
    def extras(self) -> JobExtras:
        """What only some jobs carry.

        Raises:
            UnreadableJobError: what is stored cannot be read.
        """
        return NO_EXTRAS if self.extras_json is None else decode_stored(self.id, "extras", self.extras_json, _extras)

    @property
    def history(self) -> tuple[StateChange, ...]:
        """Everything that happened to this job, oldest first; the last entry is its present state."""
        return read_lines(self.past) + self.present

    @property
    def present(self) -> tuple[StateChange, ...]:
        """The part of the history that is not in `past` yet: what the columns say about the attempt under way."""
        changes: list[StateChange] = []
        if self.state is JobState.AWAITING:
            changes.append(StateChange(state=JobState.AWAITING, at=self.state_at, reason=self.reason, by=self.by))
        if self.scheduled_at is not None:
            changes.append(
                StateChange(
                    state=JobState.SCHEDULED, at=self.scheduled_at, run_at=self.run_at, reason=self.reason, by=self.by
                )
            )
        if self.enqueued_at is not None:
            reason, by = (self.reason, self.by) if self.scheduled_at is None else (None, None)
            changes.append(StateChange(state=JobState.ENQUEUED, at=self.enqueued_at, reason=reason, by=by))
        if self.started_at is not None:
            changes.append(
                StateChange(
                    state=JobState.PROCESSING,
                    at=self.started_at,
                    server_id=self.server_id,
                    server_name=self.server_name,
                    attempt=self.attempts,
                )
            )
        if self.finished_at is not None:
            changes.append(StateChange(state=JobState.SUCCEEDED, at=self.finished_at))
            if self.state is JobState.DELETED:
                changes.append(StateChange(state=JobState.DELETED, at=self.state_at, reason=EXPIRED))
        return tuple(changes)

    @property
    def result(self) -> Any:
        """What the job returned, as plain JSON data (None while there is none).

        Raises:
            UnreadableJobError: what is stored is no JSON.
        """
        return None if self.result_json is None else decode_stored(self.id, "result", self.result_json, ANYTHING)

    def result_as(self, type: type[T]) -> T:
        """What the job returned, as a type of yours.

        Raises:
            ResultTypeError: the result does not have this type; there is none yet, for one.
            UnreadableJobError: what is stored is no JSON.
        """
        decoder = decoder_of(type)
        try:
            built: T = decoder.decode("null" if self.result_json is None else self.result_json)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise ResultTypeError(self.id, type, self.state, self.result, str(error)) from error
        return built

    @property
    def last_exception(self) -> StateChange | None:
        """The newest entry of the history that holds an exception."""
        return next((change for change in reversed(self.history) if change.exception), None)


EXPIRED = "the time for which finished jobs are kept is over"


ANYTHING = msgspec.json.Decoder[Any](Any)
"""Reads any JSON as plain data."""

_labels = msgspec.json.Decoder(tuple[str, ...])
_extras = msgspec.json.Decoder(JobExtras)


def decode_stored(job_id: JobId, what: str, text: str, decoder: msgspec.json.Decoder[T]) -> T:
    """Read JSON that is kept with a job.

    Arguments:
        what: what it is, for the message.

    Raises:
        UnreadableJobError: it is none, or not of the type that the decoder wants.
    """
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        verb = "are" if what in {"labels", "extras"} else "is"
        raise UnreadableJobError(job_id, f"its {what} {verb} {text[:100]!r} ({error})") from None


class JobUpdate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A change to write for one job, if and only if it is still as we read it. Made by `jobrunr.transitions` alone.

    Guarded by `token` (the owner's writes, and rescue: the job must be PROCESSING under this token) or by `version`
    (what people do). A success always comes from the owner.
    """

    job_id: JobId
    token: UUID | None = None
    version: int | None = None
    keep_token: bool = False
    """The owner's own writes keep the token in the row, so that a write whose answer was lost is recognised when resent."""
    from_state: JobState
    state: JobState
    at: datetime
    run_at: datetime | None = None
    reason: str | None = None
    by: str | None = None
    """Who wants it, if somebody does by hand. Belongs to the reason."""
    fingerprint: str | None = None
    """Of a failure, if this is one: the attempt counts as failed then."""
    attempts: int
    failures: int
    crashes: int = 0
    result_json: str | None = None
    expires_at: datetime | None = None
    past: str = ""
    """Lines to append to the stored history."""

"""Whether a failed job is tried again, and when: pure functions of (job, exception, attempt) to a decision."""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

import msgspec

from jobrunr.errors import CannotRunError, DoNotRetry, OptionError
from jobrunr.jobs import Job


class Retry(msgspec.Struct, frozen=True):
    """Try again after a delay; a delay of zero or less means at once."""

    after: timedelta

    def __post_init__(self) -> None:
        if not isinstance(self.after, timedelta):
            raise OptionError(f"Retry wants a timedelta, such as Retry(timedelta(seconds=5)), not {self.after!r:.100}.")

    @property
    def delay(self) -> timedelta:
        """How long to wait: not less than nothing, and not longer than dates reach."""
        return min(max(self.after, timedelta(0)), timedelta(seconds=_LONGEST))


class GiveUp(msgspec.Struct, frozen=True):
    """Do not try again."""

    why: str


RetryDecision = Retry | GiveUp


def checked_decision(decision: object) -> RetryDecision:
    """What a policy or a filter of the application answered, if that is a decision.

    Raises:
        OptionError: it is none.
    """
    if not isinstance(decision, Retry | GiveUp):
        raise OptionError(f"{decision!r:.100} is no decision about a retry; return Retry(timedelta(...)) or GiveUp('why').")
    return decision


@runtime_checkable
class RetryPolicy(Protocol):
    """How long to wait before each retry. How often is said by ``retries``; a policy may give up sooner.

    Any function of these three arguments is a policy::

        def polite(job, exception, attempt):
            if isinstance(exception, TooManyRequests):
                return Retry(exception.retry_after)
            return Retry(timedelta(seconds=5 * attempt))

    A policy given in code (on the decorator, in the settings) can be any such callable. One that is given at the call
    travels with the job, so it must be `ExponentialBackoff` or `FixedDelays`.
    """

    def __call__(self, job: Job, exception: BaseException, attempt: int, /) -> RetryDecision:
        """Decide. `attempt` counts the failures, this one included: 1 for the first."""
        ...


class ExponentialBackoff(msgspec.Struct, frozen=True):
    """Wait ``factor * base ** failures`` seconds: with the defaults 3, 9, 27, 81 ... about a day in all for 10 retries.

    Arguments:
        base: grows the wait with each failure; at least 1.
        factor: seconds that are multiplied.
        maximum: never wait longer than this.
        jitter: spread each wait at random by up to this share of it (0.1 is 10 % either way), so that jobs which failed
            together do not come back together.

    >>> ExponentialBackoff().delay(failures=3)
    datetime.timedelta(seconds=27)
    >>> ExponentialBackoff(base=2, factor=10, maximum=60).delay(failures=5)
    datetime.timedelta(seconds=60)
    """

    base: float = 3
    factor: float = 1
    maximum: float | timedelta | None = None
    jitter: float = 0

    def __post_init__(self) -> None:
        numbers = (self.base, self.factor, self.jitter, 1 if self.maximum is None else _seconds(self.maximum))
        if not all(map(_is_number, numbers)):
            raise OptionError(f"{self!r:.200}: base, factor and jitter are numbers, maximum is seconds or a timedelta.")
        if not self.base >= 1 or not self.factor > 0 or not 0 <= self.jitter <= 1:
            raise OptionError(f"{self!r}: base is at least 1, factor above 0, jitter from 0 to 1.")
        if self.maximum is not None and not _seconds(self.maximum) > 0:
            raise OptionError(f"{self!r}: maximum is above 0.")

    def delay(self, failures: int) -> timedelta:
        """The wait before the retry, without jitter."""
        return timedelta(seconds=self._capped(failures, 1))

    def __call__(self, job: Job, exception: BaseException, attempt: int, /) -> Retry:
        spread = random.uniform(1 - self.jitter, 1 + self.jitter) if self.jitter else 1  # noqa: S311 - not a secret
        return Retry(timedelta(seconds=self._capped(attempt, spread)))

    def _capped(self, failures: int, spread: float) -> float:
        maximum = _LONGEST if self.maximum is None else min(_seconds(self.maximum), _LONGEST)
        try:
            return min(self.factor * self.base**failures * spread, maximum)
        except OverflowError:
            return maximum


@dataclass(frozen=True, init=False)
class FixedDelays:
    """Wait the given seconds before each retry. As many retries as delays, unless ``retries`` says otherwise; the last delay
    is then repeated.

    >>> FixedDelays(5, 5, 60).seconds
    (5, 5, 60)
    """

    seconds: tuple[float, ...]

    def __init__(self, *delays: float | timedelta) -> None:
        seconds = tuple(_seconds(delay) for delay in delays)
        if not seconds or not all(map(_is_number, seconds)) or not 0 <= min(seconds) <= max(seconds) <= _LONGEST:
            raise OptionError("FixedDelays wants one or more delays from zero to ten years, in seconds or as timedelta.")
        object.__setattr__(self, "seconds", seconds)

    def __call__(self, job: Job, exception: BaseException, attempt: int, /) -> Retry:
        return Retry(timedelta(seconds=self.seconds[min(attempt, len(self.seconds)) - 1]))


_LONGEST = timedelta(days=3650).total_seconds()
"""Ten years: beyond it, dates stop being dates."""


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


POLICIES = "ExponentialBackoff(...), FixedDelays(...), or a function of job, exception and attempt"
"""What may be a policy, for people."""


def is_policy(value: object) -> bool:
    """Whether something may be a policy, as far as one can tell before it is called.

    >>> is_policy(FixedDelays(5)), is_policy(FixedDelays), is_policy(5)
    (True, False, False)
    """
    return not isinstance(value, type) and can_be_called(value, 3)


def can_be_called(value: object, arguments: int) -> bool:
    """Whether something can be called with so many arguments, and answers instead of making a coroutine."""
    if not callable(value) or inspect.iscoroutinefunction(value):
        return False
    try:
        inspect.signature(value).bind(*range(arguments))
    except TypeError:
        return False
    except ValueError:  # written in C, and does not tell
        return True
    return True


# -- policies that travel with a job


def write_policy(policy: RetryPolicy) -> dict[str, Any]:
    """A policy as plain data, to be stored with a job.

    Raises:
        OptionError: it is code, and code is never stored.
    """
    if isinstance(policy, FixedDelays):
        return {"type": "fixed", "seconds": list(policy.seconds)}
    if isinstance(policy, ExponentialBackoff):
        maximum = None if policy.maximum is None else _seconds(policy.maximum)
        fields = {"base": policy.base, "factor": policy.factor, "maximum": maximum, "jitter": policy.jitter}
        return {"type": "exponential", **fields}
    raise OptionError(
        f"{policy!r} cannot be stored with a job. At the call, use ExponentialBackoff or FixedDelays; "
        f"a policy of your own goes on the function, @job(retry=...), or in the settings."
    )


def read_policy(stored: dict[str, Any]) -> RetryPolicy:
    """The policy that `write_policy` wrote.

    Raises:
        OptionError: this is no such thing.
    """
    try:
        match stored:
            case {"type": "fixed", "seconds": [*seconds]}:
                return FixedDelays(*seconds)
            case {"type": "exponential", **fields}:
                return ExponentialBackoff(**fields)
    except TypeError:
        pass  # fields of other names, or texts where there should be numbers
    raise OptionError(f"{stored!r} is no retry policy.")


# -- the decision


class RetryRules(msgspec.Struct, frozen=True, kw_only=True):
    """After which exceptions to try again, as names of classes; a class stands for its subclasses too."""

    retry_on: tuple[str, ...] | None = None
    no_retry_on: tuple[str, ...] | None = None


def class_name(cls: type) -> str:
    """A class as text: module and qualified name."""
    return f"{cls.__module__}.{cls.__qualname__}"


def decide(job: Job, exception: BaseException, policy: RetryPolicy, rules: RetryRules) -> RetryDecision:
    """Whether this failure of the job is followed by a retry.

    Arguments:
        job: as it was while it ran; `job.failures` does not count this failure yet.
        policy: how long to wait.
        rules: after which exceptions.
    """
    attempt = job.failures + 1
    if isinstance(exception, DoNotRetry):
        return GiveUp("the job said not to retry")
    if isinstance(exception, CannotRunError):
        return GiveUp("a retry would not help")
    names = {class_name(cls) for cls in type(exception).__mro__}
    if rules.no_retry_on is not None and not names.isdisjoint(rules.no_retry_on):
        return GiveUp(f"{class_name(type(exception))} is not retried")
    if rules.retry_on is not None and names.isdisjoint(rules.retry_on):
        return GiveUp(f"only {', '.join(rules.retry_on)} are retried")
    if attempt > job.retries:
        return GiveUp("no retry is left" if job.retries else "it is not to be retried")
    return policy(job, exception, attempt)

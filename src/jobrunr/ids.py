"""Ids: time-ordered for jobs (UUID version 7, RFC 9562 §5.7), random for everything that must never repeat."""

from __future__ import annotations

import os
import random
import threading
import time
from uuid import UUID, SafeUUID, uuid4, uuid5

from jobrunr.errors import WrongIdError

_KEYS = UUID(
    "6f1d2c1e-5d5e-5c8c-9c39-2f6f2f0b6c11"
)  # our own namespace, so that keys never collide with other uses of uuid5
_lock = threading.Lock()
_last = 0
_random = random.Random()  # noqa: S311 - unique, not secret; our own, so that no random.seed() in a job repeats it


class JobId(UUID):
    """The id of a job: a UUID that sorts by time of creation.

    >>> JobId.from_key("order-17") == JobId.from_key("order-17")
    True
    >>> JobId.new() < JobId.new()
    True
    """

    __slots__ = ()

    @classmethod
    def new(cls) -> JobId:
        """A new id, greater than every id that this process made before."""
        return cls._of_int(_next_uuid7())

    @classmethod
    def from_key(cls, key: str) -> JobId:
        """The id that belongs to a key of your own (an order number, a message id): the same key gives the same id.

        Two nodes that enqueue under the same key make one job.

        Raises:
            WrongIdError: the key is no text, or empty.
        """
        given: object = key
        if not isinstance(given, str) or not given:
            raise WrongIdError(key, "is no key; a key is a text that is not empty, such as f'order-{order.id}'.")
        return cls(int=uuid5(_KEYS, key).int)

    @classmethod
    def of(cls, value: UUID | str) -> JobId:
        """Turn a UUID, or the text of one, into a `JobId`.

        Raises:
            WrongIdError: it is neither.
        """
        if isinstance(value, cls):
            return value
        try:
            return cls._of_int((value if isinstance(value, UUID) else UUID(value)).int)
        except (ValueError, TypeError, AttributeError):  # what UUID raises depends on what it is given
            raise WrongIdError(value, "is no UUID, as a job's id is; JobId.from_key(...) makes one of a key.") from None

    @classmethod
    def _of_int(cls, value: int) -> JobId:
        """As ``cls(int=value)`` is for a value that is right, in half the time: ids are made for each job that is read."""
        made = object.__new__(cls)
        object.__setattr__(made, "int", value)
        object.__setattr__(made, "is_safe", SafeUUID.unknown)
        return made


def new_token() -> UUID:
    """A random 128-bit value that is never used twice: who holds it owns the run of a job."""
    return uuid4()


def _next_uuid7() -> int:
    """48 bits of milliseconds, then 74 bits that start at random and count up at random within the same millisecond."""
    global _last
    with _lock:
        fresh = (time.time_ns() // 1_000_000 << 74) | _random.getrandbits(73)  # the top bit is left free to count into
        if fresh <= _last:
            fresh = _last + 1 + _random.getrandbits(24)
        _last = fresh
    high, low = fresh >> 62, fresh & ((1 << 62) - 1)
    return ((high >> 12) << 80) | (0x7 << 76) | ((high & 0xFFF) << 64) | (0b10 << 62) | low


def _start_anew_after_fork() -> None:
    global _lock, _last
    _lock = threading.Lock()
    _last = 0
    _random.seed()


os.register_at_fork(after_in_child=_start_anew_after_fork)

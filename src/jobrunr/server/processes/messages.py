"""What a server and its child processes say to each other."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from jobrunr.history import ExceptionRecord
from jobrunr.ids import JobId
from jobrunr.jobs import Job

# -- from the server


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first message: what is the same for all jobs."""

    levels: dict[str, int]
    """The loggers that have a level in the server; the root's name is empty."""
    max_log_line_size: int
    max_result_size: int
    max_traceback_size: int


class Order(msgspec.Struct, frozen=True, tag=True):
    """Run this job."""

    job: Job
    now: datetime
    """By the clock of the storage."""
    activator: str | None
    """Where the activator is, ``module:name``, if an instance has to be made."""


class Cancel(msgspec.Struct, frozen=True, tag=True):
    """The job is not wanted any more."""


class Kept(msgspec.Struct, frozen=True, tag=True):
    """The answer to `Read`."""

    values: dict[str, str]
    problem: str | None = None
    """Why there is none."""


# -- from the child


class Began(msgspec.Struct, frozen=True, tag=True):
    """The function is called now."""


class Said(msgspec.Struct, frozen=True, tag=True):
    """A line that the job wrote with ``ctx.log``."""

    at: datetime
    level: int
    text: str


class Logged(msgspec.Struct, frozen=True, tag=True):
    """A record of the module ``logging``: the attributes that are plain."""

    attributes: dict[str, Any]


class Put(msgspec.Struct, frozen=True, tag=True):
    """A value to be kept with the job."""

    key: str
    value: str


class Read(msgspec.Struct, frozen=True, tag=True):
    """Asks what is kept with the job."""


class Returned(msgspec.Struct, frozen=True, tag=True):
    """The function has returned."""

    result_json: str | None


class Raised(msgspec.Struct, frozen=True, tag=True):
    """The function has raised an exception, or could not be called."""

    classes: list[tuple[str, str]]
    """The class of the exception and those that it inherits from, as module and name."""
    args: list[Any]
    attributes: dict[str, Any]
    record: ExceptionRecord


FromServer = Hello | Order | Cancel | Kept
FromChild = Began | Said | Logged | Put | Read | Returned | Raised


def _hook(kind: type, value: Any) -> Any:
    return JobId.of(value) if kind is JobId else value


encode = msgspec.msgpack.Encoder().encode
decode_from_server = msgspec.msgpack.Decoder[FromServer](FromServer, dec_hook=_hook).decode
decode_from_child = msgspec.msgpack.Decoder[FromChild](FromChild).decode

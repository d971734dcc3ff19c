"""What an endpoint is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum, auto

import msgspec
from starlette.responses import Response

from jobrunr.dashboard.access import Role
from jobrunr.dashboard.call import Call


class Kind(Enum):
    """What comes back, and so how to say no."""

    PAGE = auto()
    """HTML."""
    ACTION = auto()
    """A form was sent; the answer leads to a page."""
    API = auto()
    """JSON."""
    STREAM = auto()
    """Events, as they come."""
    FILE = auto()
    """A part of pages, the same for everybody."""


class Endpoint(msgspec.Struct, frozen=True):
    """One method of one address.

    Arguments:
        method: of HTTP; GET answers HEAD too.
        path: below the root, as Starlette writes it.
        role: who may.
        kind: what comes back.
        run: a plain function; it runs in a thread. That of a stream is a coroutine function.
    """

    method: str
    path: str
    role: Role
    kind: Kind
    run: Callable[[Call], Response | Awaitable[Response]]

"""Verbs of a sync object, awaited: one text and one signature for both."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from jobrunr.scheduler.in_transaction import InTransaction
from jobrunr.scheduler.threads import Threads

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R = TypeVar("R")


class Awaited:
    """Does what a sync object does, on threads or in a transaction of the loop.

    Arguments:
        sync: the object.
        runner: where its verbs wait for the database.
    """

    def __init__(self, sync: object, runner: Threads | InTransaction) -> None:
        self._sync_object = sync
        self._runner = runner


def awaited(verb: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]:
    """A verb of the sync object, as a method to be awaited. It runs in the context of the caller (`log_context`)."""

    @wraps(verb)
    async def call(self: Awaited, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await self._runner.run(verb, self._sync_object, *args, **kwargs)

    return call


def documented_by(verb: Callable[..., Any]) -> Callable[[F], F]:
    """Take the documentation of a sync verb."""

    def document(method: F) -> F:
        method.__doc__ = verb.__doc__
        return method

    return document

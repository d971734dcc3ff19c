"""The parameter in which a job gets the session of its own transaction."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, NamedTuple

from jobrunr.errors import OwnTransactionError
from jobrunr.job_transaction import JobTransaction
from jobrunr.parameters import type_of

HOLDS_UP = "a coroutine would hold up all others on its loop"


class SessionParameter(NamedTuple):
    """A parameter that says it wants a ``Session`` of SQLAlchemy. Nobody passes it; it is no argument, and not stored."""

    name: str
    place: int
    """How many parameters are before it."""
    is_keyword_only: bool
    sessions: type[Any]
    """What it says: ``Session``, or a class of the application below it."""

    def fill(self, function: Callable[..., Any], begin: Callable[[type[Any]], JobTransaction[Any]]) -> Callable[..., None]:
        """A function that is the whole of the transaction: what it returns is the result, and its end is the commit.

        Arguments:
            function: to be called with everything else by its caller.
            begin: begins the transaction of the job that runs.
        """

        def call(*args: Any, **kwargs: Any) -> None:
            with (transaction := begin(self.sessions)) as session:
                if self.is_keyword_only or len(args) < self.place:
                    kwargs[self.name] = session
                else:
                    args = (*args[: self.place], session, *args[self.place :])
                result = function(*args, **kwargs)
                if inspect.iscoroutine(result):
                    result.close()
                    raise OwnTransactionError(HOLDS_UP, "Make it a function, or leave out the parameter.")
                transaction.result = result

        return call


def session_parameter_of(function: Callable[..., Any], signature: Signature) -> SessionParameter | None:
    """The first parameter of a function that wants a session, if there is one.

    Arguments:
        signature: without the instance, if it is a method.
    """
    session = getattr(sys.modules.get("sqlalchemy.orm.session"), "Session", None)
    if session is None:  # it is not imported yet, so that no annotation can name it
        return None
    may_be_left_out = False
    for place, parameter in enumerate(signature.parameters.values()):
        wanted = type_of(parameter, function) if parameter.kind in _SINGLE else None
        is_reached = parameter.kind is not Parameter.POSITIONAL_ONLY or not may_be_left_out
        if isinstance(wanted, type) and issubclass(wanted, session) and is_reached:
            return SessionParameter(parameter.name, place, parameter.kind is Parameter.KEYWORD_ONLY, wanted)
        may_be_left_out |= parameter.default is not Parameter.empty
    return None


_SINGLE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)

"""Values that belong to what is being done (a request id, a tenant): set where it begins, there again in the job.

Whatever is set when a job is made is stored with it and is set again while it runs. `LogContextFilter` puts the values on
every log record.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_values: ContextVar[Mapping[str, Any]] = ContextVar("jobrunr_log_context", default=_EMPTY)


@contextmanager
def log_context(**values: Any) -> Iterator[Mapping[str, Any]]:
    """Add values for the duration of a block, in this thread or task.

    Arguments:
        values: plain data (texts, numbers, booleans); they must fit into JSON once a job is made inside the block.

    >>> with log_context(request="r-17"):
    ...     dict(current_log_context())
    {'request': 'r-17'}
    """
    merged = MappingProxyType({**_values.get(), **values})
    token = _values.set(merged)
    try:
        yield merged
    finally:
        _values.reset(token)


def enter_log_context(values: Mapping[str, Any]) -> None:
    """Set these values, and no others, until the surrounding `contextvars.Context` ends."""
    _values.set(MappingProxyType(dict(values)))


def current_log_context() -> Mapping[str, Any]:
    """The values that are set here."""
    return _values.get()


class LogContextFilter(logging.Filter):
    """Puts the values of the log context on log records, so that a format like ``%(request)s`` can show them.

    Arguments:
        defaults: values for records made where the context does not have them.

    >>> handler = logging.StreamHandler()
    >>> handler.addFilter(LogContextFilter(request="-"))
    """

    def __init__(self, **defaults: Any) -> None:
        super().__init__()
        self._defaults = defaults

    def filter(self, record: logging.LogRecord) -> bool:
        for key, value in {**self._defaults, **_values.get()}.items():
            if not hasattr(record, key):
                setattr(record, key, value)
        return True

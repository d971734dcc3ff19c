"""Exceptions on their way from a child process to its server: as text and plain values, never as pickles."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from jobrunr.json_values import NotStorableError, find_difference, to_strict_json
from jobrunr.module_places import name_of_main
from jobrunr.server.failure import record_exception
from jobrunr.server.processes.messages import Raised

MAX_ATTRIBUTE_SIZE = 2**14
"""Bytes of one value that goes along with an exception."""


def tell(error: BaseException, max_traceback_size: int) -> Raised:
    """An exception as a message."""
    record = record_exception(error, max_traceback_size)
    plain = [value for value in error.args if _is_plain(value)]
    return Raised(
        classes=[(cls.__module__, cls.__qualname__) for cls in type(error).__mro__ if issubclass(cls, BaseException)],
        args=plain if len(plain) == len(error.args) else [record.message],
        attributes={name: value for name, value in _attributes(error).items() if _is_plain(value)},
        record=record,
    )


def rebuild(raised: Raised) -> BaseException:
    """The exception, for filters and retry policies: of the same class, if that is imported here, otherwise of one with the
    same name and the same bases. It has those arguments and attributes that are plain values; ``__init__`` is not called.
    """
    missing: list[tuple[str, str]] = []
    base: type[BaseException] = Exception
    for module, name in raised.classes:
        found = _imported(module, name)
        if found is not None:
            base = found
            break
        missing.append((module, name))
    error = _made(base, missing, raised.args)
    error.__dict__.update(raised.attributes)
    error.add_note(f"It was raised in a process of its own:\n{raised.record.traceback}")
    return error


def _made(base: type[BaseException], missing: list[tuple[str, str]], args: list[Any]) -> BaseException:
    cls = base
    for module, name in reversed(missing):
        cls = type(name.rpartition(".")[2], (cls,), {"__module__": module, "__qualname__": name})
    try:
        return cls.__new__(cls, *args)
    except Exception:  # noqa: BLE001 - it wants to be made in a way of its own
        return _made(Exception, [*missing, (base.__module__, base.__qualname__)], args)


def _imported(module: str, name: str) -> type[BaseException] | None:
    """A class of a module that is imported already."""
    found: Any = sys.modules.get("__main__" if module == name_of_main() else module)
    for part in name.split("."):
        found = None if found is None else vars(found).get(part)
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _attributes(error: BaseException) -> dict[str, Any]:
    try:
        return dict(vars(error))
    except Exception:  # noqa: BLE001 - user code
        return {}


def _is_plain(value: object) -> bool:
    try:
        text = to_strict_json(value)
        return len(text) <= MAX_ATTRIBUTE_SIZE and find_difference(value, msgspec.json.decode(text)) is None
    except NotStorableError:
        return False

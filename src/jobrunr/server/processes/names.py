"""The names of objects of the application, by which a child process finds them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from jobrunr.errors import CannotRunError
from jobrunr.targets import true_name


def name_of_activator(activator: Callable[[type], Any]) -> str:
    """Where an activator is: ``module:name``.

    Raises:
        CannotRunError: another process cannot find it.
    """
    own: object = getattr(activator, "__module__", None)
    qualname: object = getattr(activator, "__qualname__", None)
    module = true_name(own) if isinstance(own, str) else None
    if module is not None and isinstance(qualname, str) and _find(sys.modules.get(str(own)), qualname) is activator:
        return f"{module}:{qualname}"
    raise CannotRunError(
        f"The class of this job needs an instance, and a process of its own cannot find the activator {activator!r:.200}, "
        f"which would make it. Let the activator be a function at the top level of a module, or the job a function."
    )


def object_named(name: str) -> Any:
    """The object of this name, its module imported."""
    module, _, qualname = name.partition(":")
    return _find(import_module(module), qualname)


def _find(module: object, qualname: str) -> Any:
    found = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found

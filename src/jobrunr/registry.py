"""What may run: the way from a callable to a target that may be stored, and from a stored target to what is called."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MethodType, ModuleType
from typing import Any

from jobrunr.errors import (
    CannotRunError,
    JobRefusedError,
    TargetForbiddenError,
    TargetNotFoundError,
    TargetNotImportableError,
    TargetNotOfferedError,
    WrongSettingError,
)
from jobrunr.module_places import ModulePlace, is_within, place_of
from jobrunr.options import JobOptions, options_of
from jobrunr.serialization import ArgumentCodec
from jobrunr.targets import (
    MAX_TARGET_LENGTH,
    Definition,
    DefinitionError,
    Target,
    check_dotted_name,
    find_definition,
    target_of,
    true_name,
    unbound,
)

JobActivator = Callable[[type], Any]
"""Turns a class into a ready instance: the application's dependency injection. A class without arguments is one itself."""


@dataclass(frozen=True, slots=True, eq=False)
class Runnable:
    """A target that was found, checked and made ready to call."""

    target: str
    function: Callable[..., Any]
    """The function behind the target, without an instance or a class bound to it."""
    owner: type | None
    """The class that an instance is made of when the job runs; None when none is needed."""
    is_coroutine: bool
    """Whether calling it makes a coroutine."""
    codec: ArgumentCodec
    options: JobOptions | None
    """What `@job` said on the function or, failing that, on its class."""
    call: Callable[..., Any] | None
    """What to call when no instance is needed."""

    def bind(self, activator: JobActivator) -> Callable[..., Any]:
        """What to call with the arguments. For a method of an instance, the activator makes the instance.

        The method is looked up on that very instance: a subclass or a stand-in that the activator returns is heeded.
        """
        if self.call is not None:
            return self.call
        assert self.owner is not None
        bound: Callable[..., Any] = getattr(activator(self.owner), self.target.rpartition(".")[2])
        return bound


class JobRegistry:
    """Knows which targets this application offers, and finds them.

    Offered are the application's own code, functions marked with `@job` in modules that are imported already, and what
    `allowed_targets` adds. Own code is what lies below `application`, or neither in the standard library nor in
    site-packages. Nothing else is imported, let alone called, whatever a row says.

    Arguments:
        application: the package (or module) that made the `JobRunr`; see `jobrunr.module_places.application_of`.
        allowed_targets: ``"package"`` or ``"package.module"`` (with all below it), or exactly ``"package.module:name"``.
        monotonic: seconds on a clock that never jumps.

    Raises:
        WrongSettingError: an entry of `allowed_targets` is neither.

    >>> JobRegistry("shop").resolve("os:system")
    Traceback (most recent call last):
        ...
    jobrunr.errors.TargetForbiddenError: 'os:system' is not offered by this application and was not touched: \
the module os belongs to the standard library. If it is yours, mark it with @job or add it to the setting \
allowed_targets; if not, find out who wrote this row.
    """

    def __init__(
        self,
        application: str | None,
        allowed_targets: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        for entry in allowed_targets:
            _check_entry(entry)
        self._application = application
        self._allowed_targets = frozenset(entry for entry in allowed_targets if ":" in entry)
        self._allowed_packages = tuple(entry for entry in allowed_targets if ":" not in entry)
        self._monotonic = monotonic
        # No lock: an import must not run under one (a module may enqueue while it is imported), and two threads that find
        # the same target at the same time find the same thing.
        self._resolved: dict[str, Runnable] = {}
        self._described: dict[tuple[int, int], Runnable] = {}
        self._failures: dict[str, tuple[float, type[_Failure], str]] = {}

    def describe(self, function: Callable[..., Any]) -> Runnable:
        """The target that a callable is, for `enqueue`. Checks what will be checked when the job runs.

        Raises:
            TargetNotImportableError: no other process could find it; or it finds something else under that name.
            TargetNotOfferedError: this application does not offer it; the message says what to add.
            JobRefusedError: calling it would do nothing.
        """
        # The ids stay taken: a runnable holds on to its function and its class.
        key = (id(function.__func__), id(_class_of(function))) if type(function) is MethodType else (id(function), 0)
        runnable = self._described.get(key)
        if runnable is None:
            runnable = self._described[key] = self._describe_anew(function)
        return runnable

    def resolve(self, target: str) -> Runnable:
        """What a stored target names, imported and ready to call.

        Failures are remembered for a few seconds: a flood of jobs of one kind must not import a broken module once each,
        and a module that a deployment brings back is found without a restart.

        Raises:
            TargetForbiddenError: this application does not offer it. Nothing was imported.
            TargetNotFoundError: it is not there, or its module cannot be imported.
        """
        runnable = self._resolved.get(target)
        if runnable is not None:
            return runnable
        self._raise_remembered(target)
        try:
            runnable = self._resolve_anew(target)
        except _Refused as refused:
            self._remember(target, refused)
            raise refused.failure(target, refused.why) from refused.__cause__
        return self._resolved.setdefault(target, runnable)

    # -- describing

    def _describe_anew(self, function: Callable[..., Any]) -> Runnable:
        target = target_of(function)
        why = self._why_not_offered(target)
        if why is not None:
            raise TargetNotOfferedError(str(target), why)
        try:
            runnable = next(
                (found for module in _modules(target.module) if (found := self._load(module, target)).function is unbound(function)),
                None,
            )
        ...

"""What may run: the way from a callable to a target that may be stored, and from a stored target to what is called."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType, ModuleType
from typing import Any

from jobrunr.errors import (
    JobRefusedError,
    TargetForbiddenError,
    TargetImportError,
    TargetNotFoundError,
    TargetNotImportableError,
    TargetNotOfferedError,
    WrongSettingError,
)
from jobrunr.job_transaction import JobTransaction
from jobrunr.module_places import ModulePlace, is_within, place_of
from jobrunr.options import JobOptions, options_of
from jobrunr.serialization import ArgumentCodec
from jobrunr.targets import (
    MAX_TARGET_LENGTH,
    OWN_FUNCTION,
    Definition,
    DefinitionError,
    Target,
    check_dotted_name,
    class_of,
    code_of,
    find_definition,
    target_of,
    true_name,
    unbound,
)

_OURS = __name__.partition(".")[0]

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
    """What `@job` said on the function and, where that says nothing, on its class."""
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

    def bind_in_job(
        self, activator: JobActivator, transaction: Callable[[type[Any]], JobTransaction[Any]]
    ) -> Callable[..., Any]:
        """The same in a job that runs: a function with a parameter for the session of the job's own transaction gets it.

        Arguments:
            transaction: begins it.
        """
        call = self.bind(activator)
        return call if self.codec.session is None else self.codec.session.fill(call, transaction)


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

    >>> JobRegistry("shop").resolve("os:system")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    jobrunr.errors.TargetForbiddenError: 'os:system' is not offered ...: the module os belongs to the standard library...
    """

    def __init__(
        self,
        application: str | None,
        allowed_targets: Sequence[str] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_entries(allowed_targets)
        self._application = application
        self._allowed_targets = frozenset(entry for entry in allowed_targets if ":" in entry)
        self._allowed_packages = tuple(entry for entry in allowed_targets if ":" not in entry)
        self._monotonic = monotonic
        # No lock: an import must not run under one (a module may enqueue while it is imported), and two threads that find
        # the same target at the same time find the same thing.
        self._resolved: dict[str, Runnable] = {}
        self._described: dict[tuple[int, int], Runnable] = {}
        self._failures: dict[str, _Failure] = {}

    @property
    def has_application(self) -> bool:
        """Whether there is an application whose code this is. What only looks at a storage has none."""
        return self._application not in (None, _OURS)

    def describe(self, function: Callable[..., Any]) -> Runnable:
        """The target that a callable is, for `enqueue`. Checks what will be checked when the job runs.

        Raises:
            TargetNotImportableError: no other process could find it, or would find something else under its name.
            TargetNotOfferedError: this application does not offer it; the message says what to add.
            JobRefusedError: calling it would do nothing.
        """
        # Ids are safe as keys: a runnable holds on to its function and its class, so they are not given to others.
        key = (id(function.__func__), id(class_of(function))) if isinstance(function, MethodType) else (id(function), 0)
        runnable = self._described.get(key)
        if runnable is None:
            runnable = self._describe_anew(function)
            self._described[key] = self._resolved[runnable.target] = runnable
        return runnable

    def resolve(self, target: str) -> Runnable:
        """What a stored target names, imported and ready to call.

        A failure is remembered for a few seconds: a thousand jobs of one kind must not import a broken module a thousand
        times, and what a deployment brings back must be found without a restart.

        Raises:
            TargetForbiddenError: this application does not offer it. Nothing was imported.
            TargetNotFoundError: it is not there.
            TargetImportError: its module raises while it is imported.
        """
        runnable = self._resolved.get(target)
        if runnable is not None:
            return runnable
        failure = self._failures.get(target)
        if failure is not None and self._monotonic() < failure.until:
            raise failure.error(_shown(target), failure.why)
        try:
            return self._resolved.setdefault(target, self._resolve_anew(target))
        except (_NotOfferedError, DefinitionError) as error:
            kind = _kind_of(error)
            self._remember(target, kind, str(error))
            raise kind(_shown(target), str(error)) from error.__cause__

    def resolve_class(self, target: str) -> type:
        """The class of a schedule, imported: offered as the targets of jobs are, and with a method ``next_run``.

        Arguments:
            target: ``package.module:Class``.

        Raises:
            TargetForbiddenError: this application does not offer it. Nothing was imported.
            TargetNotFoundError: it is not there, or no schedule.
            TargetImportError: its module raises while it is imported.
        """
        try:
            definition = self._definition_anew(f"{target}.next_run")
        except (_NotOfferedError, DefinitionError) as error:
            raise _kind_of(error)(_shown(target), str(error)) from error.__cause__
        if definition.holder is None:
            raise TargetNotFoundError(_shown(target), "it is no class")
        return definition.holder

    def known(self, target: str) -> Runnable | None:
        """The target, if it was found before; nothing is imported."""
        return self._resolved.get(target)

    def _remember(self, target: str, error: _KindOfFailure, why: str) -> None:
        if len(self._failures) >= _FAILURES_REMEMBERED:
            self._failures.clear()
        if len(target) <= MAX_TARGET_LENGTH:
            self._failures[target] = _Failure(self._monotonic() + _SECONDS_REMEMBERED, error, why)

    # -- from a callable

    def _describe_anew(self, function: Callable[..., Any]) -> Runnable:
        target = target_of(function)
        try:
            self._check_offered(target)
            definition = _definition_of(unbound(function), target)
            self._check_home(target, definition)
        except _NotOfferedError as error:
            raise TargetNotOfferedError(
                str(target), str(error), OWN_FUNCTION if inspect.isbuiltin(function) else None
            ) from None
        except DefinitionError as error:
            raise TargetNotImportableError(
                str(target),
                f"under this name a worker does not find the function that you passed ({error})",
                "If it is decorated, use functools.wraps in the decorator; if its name was assigned again, use another.",
            ) from None
        code = code_of(definition.function)
        if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
            raise JobRefusedError(
                f"{target} is a generator: calling it runs nothing of it. Enqueue a function that consumes it."
            )
        runnable = _runnable(target, definition)
        if runnable.is_coroutine and runnable.codec.session is not None:
            raise JobRefusedError(
                f"{target} is a coroutine function, and its parameter {runnable.codec.session.name!r} wants a session that "
                f"would hold up all other coroutines. Make it a function, or leave out the parameter."
            )
        return runnable

    # -- from a text

    def _resolve_anew(self, text: str) -> Runnable:
        definition = self._definition_anew(text)
        return _runnable(Target.parse(text), definition)

    def _definition_anew(self, text: str) -> Definition:
        try:
            target = Target.parse(text)
        except ValueError as error:
            raise _NotOfferedError(str(error)) from None
        self._check_offered(target)
        definition = find_definition(_modules_named(target.module)[0], target)
        self._check_home(target, definition)
        return definition

    # -- what is offered

    def _check_offered(self, target: Target) -> None:
        if self._is_allowed(target) or _is_marked(target):
            return
        place = place_of(target.module)
        if place is ModulePlace.MISSING:
            raise DefinitionError(f"there is no module {target.module}")
        if place is not ModulePlace.OWN:
            raise _NotOfferedError(f"the module {target.module} belongs to {place.value}")
        if is_within(target.module, "jobrunr"):
            raise _NotOfferedError(f"the module {target.module} belongs to JobRunr itself")

    def _is_allowed(self, target: Target) -> bool:
        return (
            (self._application is not None and is_within(target.module, self._application))
            or str(target) in self._allowed_targets
            or any(is_within(target.module, package) for package in self._allowed_packages)
        )

    def _check_home(self, target: Target, definition: Definition) -> None:
        """An inherited method, and the class of an object, must come from offered code too, or be allowed by full name."""
        home = definition.home
        if home is None or str(target) in self._allowed_targets:
            return
        module = true_name(home.__module__) or home.__module__
        if module != target.module:
            name = "__call__" if definition.holder is None else target.qualname.rpartition(".")[2]
            self._check_offered(Target(module, f"{home.__qualname__}.{name}"))


class _NotOfferedError(Exception):
    """The application does not offer a target; the message says why. Always translated."""


class _ImportFailedError(DefinitionError):
    """The module of a target is there, and is broken."""


_KindOfFailure = type[TargetForbiddenError | TargetNotFoundError | TargetImportError]


def _kind_of(error: _NotOfferedError | DefinitionError) -> _KindOfFailure:
    """As what a failure is raised."""
    if isinstance(error, _NotOfferedError):
        return TargetForbiddenError
    return TargetImportError if isinstance(error, _ImportFailedError) else TargetNotFoundError


@dataclass(frozen=True, slots=True)
class _Failure:
    until: float
    error: _KindOfFailure
    why: str


_SECONDS_REMEMBERED = 5.0
_FAILURES_REMEMBERED = 1000


def _check_entries(entries: Sequence[str]) -> None:
    allowed = "a list of texts such as 'package', 'package.module' or 'package.module:name'"
    if isinstance(entries, str):
        raise WrongSettingError("allowed_targets", entries, "the settings", allowed)
    for entry in entries:
        try:
            for name in entry.split(":", maxsplit=1):
                check_dotted_name(name)
        except ValueError:
            raise WrongSettingError("allowed_targets", entry, "the settings", allowed) from None


def _is_marked(target: Target) -> bool:
    """Whether this is a function with `@job` in a module that is imported already (or is being imported just now)."""
    if type(sys.modules.get(target.module)) is not ModuleType:  # a lazy one would be loaded by a look at it
        return False
    try:
        function = find_definition(_import(target.module), target).function
    except DefinitionError:
        return False
    return isinstance(function, FunctionType) and options_of(function) is not None


def _definition_of(function: Callable[..., Any], target: Target) -> Definition:
    """The definition by which a worker finds this very function."""
    found = [find_definition(module, target) for module in _modules_named(target.module)]
    for definition in found:
        if definition.function is function:
            return definition
    raise DefinitionError(f"it finds {found[0].function!r}")


def _modules_named(name: str) -> list[ModuleType]:
    """The module of this name, imported if need be.

    What runs as ``__main__`` is not imported a second time. If somebody did so already, there are two.
    """
    if true_name("__main__") != name:
        return [_import(name)]
    second = sys.modules.get(name)
    return [sys.modules["__main__"], *([second] if second else [])]


def _import(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and is_within(name, error.name):
            raise DefinitionError(f"there is no module {error.name}") from None
        raise _ImportFailedError(f"importing {name} failed: {error!r}") from error
    except (Exception, SystemExit) as error:  # a module can raise anything while it is imported
        raise _ImportFailedError(f"importing {name} failed: {error!r}") from error
    if not isinstance(module, ModuleType):
        raise _ImportFailedError(f"{name} has put something else than a module in its place")
    return module


def _runnable(target: Target, definition: Definition) -> Runnable:
    function, holder = definition.function, definition.holder
    return Runnable(
        target=str(target),
        function=function,
        owner=holder if definition.call is None else None,
        is_coroutine=inspect.iscoroutinefunction(code_of(definition.function)),
        codec=ArgumentCodec(str(target), definition.call or function, is_method=definition.call is None),
        options=_options_of(function, holder),
        call=definition.call,
    )


def _options_of(function: Any, holder: type | None) -> JobOptions | None:
    own, of_class = options_of(function), options_of(holder) if holder else None
    return own.over(of_class) if own and of_class else own or of_class


def _shown(target: str) -> str:
    return target if len(target) <= MAX_TARGET_LENGTH else target[:MAX_TARGET_LENGTH] + "…"

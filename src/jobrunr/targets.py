"""What a job calls, as text: ``package.module:function`` or ``package.module:Class.method``.

`target_of` goes from a callable to its text, `find_definition` from the text to what it names in a module. Neither runs
anything of the application's: names are looked up in namespaces, no attribute of any object is asked for.
"""

from __future__ import annotations

import functools
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

import msgspec

from jobrunr.errors import TargetNotImportableError
from jobrunr.module_places import name_of_main

MAX_TARGET_LENGTH = 500

OWN_FUNCTION = "Write a function of your own that calls it, and enqueue that."

_WRITTEN_IN_C = (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    MethodDescriptorType,
    MethodWrapperType,
    WrapperDescriptorType,
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAIN = ("__main__", "__mp_main__")  # the second: what multiprocessing calls it in its children


class Target(msgspec.Struct, frozen=True):
    """A module and the name of something in it.

    >>> Target.parse("shop.mail:MailService.send")
    Target(module='shop.mail', qualname='MailService.send')
    >>> str(Target("shop.jobs", "send_welcome"))
    'shop.jobs:send_welcome'
    """

    module: str
    qualname: str

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname}"

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read the text form, strictly: plain ASCII identifiers, none with two underscores in front.

        Raises:
            ValueError: this is no target; the message says why.
        """
        if len(text) > MAX_TARGET_LENGTH:
            raise ValueError(f"it is {len(text):,} characters long, the limit is {MAX_TARGET_LENGTH}")
        module, colon, qualname = text.partition(":")
        if not colon:
            raise ValueError("it does not have the form package.module:function or package.module:Class.method")
        check_dotted_name(module)
        check_dotted_name(qualname)
        return cls(module, qualname)


def check_dotted_name(name: str) -> None:
    """Hold a dotted name to what a target may consist of.

    Raises:
        ValueError: it holds something else; the message says what.
    """
    for segment in name.split("."):
        if not _IDENTIFIER.fullmatch(segment):
            raise ValueError(
                f"{segment!r} is not a name made of ASCII letters, digits and underscores (others can look alike)"
            )
        if segment.startswith("__"):
            raise ValueError(f"{segment!r} begins with two underscores, which no job may be called by")


# -- from a callable to its text


def target_of(function: Callable[..., Any]) -> Target:
    """By which text another process finds this callable.

    A function or a method of a class goes by its own name, so a method that was inherited is found in the class that
    defines it; a bound method goes by the class of its instance. An object with ``__call__`` goes by the name that it has in
    its module. A `functools.partial` is refused: its arguments belong behind the function.

    Raises:
        TargetNotImportableError: there is no such text; the message says what to write instead.
    """
    if isinstance(function, MethodType):
        return _target_of_bound(function)
    if isinstance(function, functools.partial):
        raise TargetNotImportableError(
            f"A partial of {function.func!r}",
            "a partial has no name",
            "Write the function first and then all arguments: enqueue(send, 1, 2).",
        )
    if isinstance(function, type):
        raise TargetNotImportableError(
            f"The class {function.__qualname__}",
            "it does not say what to do",
            f"Name a method: {function.__qualname__}.run.",
        )
    if not callable(function):
        raise TargetNotImportableError(
            f"{function!r}", "it cannot be called", "Pass a function or a method, without parentheses."
        )
    if isinstance(function, FunctionType):
        return _target(function.__module__, function.__qualname__, function)
    if inspect.isbuiltin(function) and isinstance(function.__self__, ModuleType):
        return _target(function.__self__.__name__, function.__qualname__, function)
    if isinstance(function, _WRITTEN_IN_C):
        raise TargetNotImportableError(f"{function!r}", "it is a method that is written in C", OWN_FUNCTION)
    return _target_of_object(function)


def unbound(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function behind a bound method; anything else as it is."""
    return function.__func__ if isinstance(function, MethodType) else function


def class_of(method: MethodType) -> type:
    """The class that a method is bound to, or whose instance it is bound to."""
    bound_to = method.__self__
    return bound_to if isinstance(bound_to, type) else type(bound_to)


def _target_of_bound(method: MethodType) -> Target:
    owner = class_of(method)
    name = getattr(method.__func__, "__name__", "")
    if name == "__call__":
        raise TargetNotImportableError(
            f"{method!r}", "it has no name of its own", "Pass the object itself: enqueue(handler, 1)."
        )
    return _target(owner.__module__, f"{owner.__qualname__}.{name}", method)


def _target_of_object(function: Callable[..., Any]) -> Target:
    own = _own_names(function)
    if own is not None:
        return _target(*own, function)
    module_name = type(function).__module__
    module = sys.modules.get(module_name)
    name = next((name for name, value in list(vars(module).items()) if value is function), None) if module else None
    if name is None:
        raise TargetNotImportableError(
            f"{function!r}",
            f"it is not to be found under a name in the module {module_name}",
            "Give it a name at the top level of the module that defines its class, or write a function that calls it.",
        )
    return _target(module_name, name, function)


def _target(module: str | None, qualname: str, function: object) -> Target:
    if "<lambda>" in qualname.split("."):
        raise TargetNotImportableError(
            f"{function!r}",
            "a lambda has no name",
            "Write the function and its arguments: enqueue(mail_service.send, user.id).",
        )
    if "<locals>" in qualname.split("."):
        raise TargetNotImportableError(
            qualname,
            "it is defined inside a function, where no other process can find it",
            "Move it to the top level of its module, and pass what it needs as arguments.",
        )
    try:
        return Target.parse(f"{_importable(module, qualname)}:{qualname}")
    except ValueError as error:
        raise TargetNotImportableError(
            f"{module}:{qualname}", str(error), "Give it a plain name, or call it from a function."
        ) from None


def _importable(module: str | None, qualname: str) -> str:
    """The name of the module as another process would import it."""
    if module not in _MAIN:
        if module is None or module not in sys.modules:
            raise TargetNotImportableError(qualname, f"its module {module} is not imported", "Define it in a module.")
        return module
    name = name_of_main()
    if name is not None:
        return name
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or not Path(file).exists():
        why, instead = (
            "it is defined in an interactive session",
            "Put it into a module (a .py file) and import it from there.",
        )
    elif main.__spec__ is not None:
        why, instead = f"importing {main.__spec__.name} would run the program", "Move it to another module of the package."
    else:
        why = f"it is defined in the script {file}, which a worker cannot import by its name"
        instead = "Move it to a module that is imported, or start the program with python -m package.module."
    raise TargetNotImportableError(qualname, why, instead)


# -- from the text to what it names


class DefinitionError(Exception):
    """What a target names is not there, or is no such thing; the message is a part of a sentence. Always translated."""


class Definition(msgspec.Struct, frozen=True):
    """What a target names in its module."""

    function: Any
    """The function itself: unbound, undecorated by ``staticmethod`` and ``classmethod``; or an object with ``__call__``."""
    holder: type | None
    """The class that the target names; None for what lies at the top level of the module."""
    home: type | None
    """The class whose code will run: an ancestor of the holder for an inherited method, the class of an object."""
    call: Callable[..., Any] | None
    """What to call; None when an instance of the holder has to be made first."""


def find_definition(module: ModuleType, target: Target) -> Definition:
    """What the target names in this module. It must also be *defined* there: names that were imported do not count.

    Raises:
        DefinitionError: there is no such thing.
    """
    *path, name = target.qualname.split(".")
    holder: type | None = None
    for depth, segment in enumerate(path, start=1):
        holder = _class_in(holder or module, segment, Target(target.module, ".".join(path[:depth])))
    if holder is not None:
        return _method_of(holder, name, target)
    found = vars(module).get(name, _NOTHING)
    if found is _NOTHING:
        raise DefinitionError(f"the module {target.module} has no {name!r}")
    if isinstance(found, type):
        raise DefinitionError(f"{name!r} is a class; a job names one of its methods")
    if not callable(found):
        raise DefinitionError(f"{name!r} is of type {type(found).__name__}, which cannot be called")
    if _is_defined_at(found, target):
        return Definition(found, None, None, found)
    home, code = _look_up(type(found), "__call__")
    if not isinstance(code, FunctionType):
        raise DefinitionError(f"{name!r} is not defined there, but is {_description(found)}")
    return Definition(found, None, home, found)


def code_of(function: Any) -> Any:
    """The function that runs when this is called: for an object, the ``__call__`` of its class."""
    if isinstance(function, FunctionType):
        return function
    _, code = _look_up(type(function), "__call__")
    return code if isinstance(code, FunctionType) else function


def true_name(module: str) -> str | None:
    """The name by which other processes know a module: the same, except for what runs as ``__main__``."""
    return name_of_main() if module in _MAIN else module


_NOTHING: Any = object()


def _class_in(holder: ModuleType | type, name: str, target: Target) -> type:
    found = vars(holder).get(name, _NOTHING)
    if found is _NOTHING:
        raise DefinitionError(f"there is no class {target.qualname!r} in the module {target.module}")
    if not isinstance(found, type):
        raise DefinitionError(f"{target.qualname!r} is of type {type(found).__name__}, and no class")
    if not _is_defined_at(found, target):
        raise DefinitionError(f"{target.qualname!r} is not defined there, but is {_description(found)}")
    return found


def _method_of(holder: type, name: str, target: Target) -> Definition:
    home, raw = _look_up(holder, name)
    if home is None:
        raise DefinitionError(f"the class {holder.__qualname__} has no {name!r}")
    function: Any = raw.__func__ if isinstance(raw, staticmethod | classmethod) else raw
    if isinstance(function, type) or not callable(function) or not hasattr(type(function), "__get__"):
        raise DefinitionError(f"{target.qualname!r} is of type {type(raw).__name__}, and no method")
    if not _is_defined_at(function, Target(true_name(home.__module__) or home.__module__, f"{home.__qualname__}.{name}")):
        raise DefinitionError(f"{target.qualname!r} is not defined there, but is {_description(function)}")
    if isinstance(raw, staticmethod):
        return Definition(function, holder, home, function)
    return Definition(function, holder, home, raw.__get__(None, holder) if isinstance(raw, classmethod) else None)


def _look_up(cls: type, name: str) -> tuple[type | None, Any]:
    """Where a class or an ancestor defines a name, and as what. Runs no descriptor."""
    return next(((base, vars(base)[name]) for base in cls.__mro__ if name in vars(base)), (None, None))


def _is_defined_at(found: Any, target: Target) -> bool:
    own = _own_names(found)
    return own is not None and own[1] == target.qualname and true_name(own[0]) == target.module


def _own_names(found: Any) -> tuple[str, str] | None:
    """The module and the qualified name that something has of itself.

    For objects in general this reads what `functools.update_wrapper` leaves in them, and nothing that they might compute.
    """
    read = getattr if isinstance(found, FunctionType | BuiltinFunctionType | type) else inspect.getattr_static
    module, qualname = read(found, "__module__", None), read(found, "__qualname__", None)
    return (module, qualname) if isinstance(module, str) and isinstance(qualname, str) else None


def _description(found: Any) -> str:
    own = _own_names(found)
    return f"{own[0]}:{own[1]}" if own else f"of type {type(found).__name__}"

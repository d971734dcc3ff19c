"""What a lambda calls, and with what: ``lambda: mail_service.send(user.id)`` is taken apart, and never stored.

The lambda's source is found by the positions in its code. Its body must be exactly one call. In a copy of the source,
``f(a, *b, c=d)`` becomes ``jobrunr_capture(f, a, *b, c=d)``, and that is run in place of the lambda, now, with the same
globals and the same closure: Python itself evaluates the arguments as it would have for the call.

This is the one place that compiles anything: source of the running program, of a function that the caller holds in hand.
Nothing that was ever stored comes here.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, Never, TypeGuard

from jobrunr.errors import TargetNotImportableError

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

_CAPTURE = "jobrunr_capture"
_FUTURE_FLAGS = functools.reduce(
    int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)
_NOT_ALLOWED = {
    ast.Call: "it makes more than one call",
    ast.Lambda: "it holds another lambda",
    ast.NamedExpr: "it assigns a name",
    ast.Await: "it awaits",
    ast.Yield: "it yields",
    ast.YieldFrom: "it yields",
}


def is_lambda(function: object) -> TypeGuard[FunctionType]:
    """Whether this is a lambda."""
    return isinstance(function, FunctionType) and function.__name__ == "<lambda>"


def unfold(function: FunctionType) -> Call:
    """What a lambda would call, and the arguments, evaluated now. The call itself is not made.

    Errors of evaluating the arguments are raised as they are.

    Returns:
        the callable, the arguments by position, and those by name.

    Raises:
        TargetNotImportableError: the lambda makes more or less than one call, wants arguments, or its source is not at hand.

    >>> basket = ["pen", "ink"]
    >>> unfold(lambda: print(*basket, sep=", "))
    (<built-in function print>, ('pen', 'ink'), {'sep': ', '})
    """
    code = function.__code__
    defaults, by_name = function.__defaults__ or (), function.__kwdefaults__ or {}
    if code.co_argcount > len(defaults) or code.co_kwonlyargcount > len(by_name):
        _refuse(code, "nobody passes it arguments", "Write enqueue(lambda: mail_service.send(user.id)), without parameters.")
    linecache.lazycache(code.co_filename, function.__globals__)  # for source that only the module's loader can get at
    captured = FunctionType(_capturing(code), function.__globals__, "<lambda>", defaults, function.__closure__)
    captured.__kwdefaults__ = {**by_name, _CAPTURE: _capture}
    call: Call = captured()
    return call


def _capture(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Call:
    return function, args, kwargs


@functools.lru_cache(maxsize=1000)
def _capturing(code: CodeType) -> CodeType:
    """The code of a lambda, changed so that it returns the parts of its call instead of making it."""
    statement, found = _source_of(code)
    if code not in _codes_in(_compile(statement, code)):
        _refuse(code, "its source has changed since it was imported")
    call = _the_call(found, code)
    call.args.insert(0, call.func)
    call.func = ast.Name(_CAPTURE, ast.Load())
    found.args.kwonlyargs.append(ast.arg(_CAPTURE))
    found.args.kw_defaults.append(None)
    changed = _compile(ast.fix_missing_locations(statement), code)
    return next(inner for inner in _codes_in(changed) if _CAPTURE in inner.co_varnames)


def _source_of(code: CodeType) -> tuple[ast.stmt, ast.Lambda]:
    """The lambda in the syntax tree, and the statement at the top level of the module that it is a part of."""
    linecache.checkcache(code.co_filename)
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        _refuse(code, "its source has changed since it was imported")
    found = [
        (statement, node)
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno and _may_be(node, code)
    ]
    if not found:
        _refuse(code, "its source is not at hand")
    if len(found) > 1:
        _refuse(code, "several lambdas stand on its line, and Python was told to forget which is which")
    return found[0]


def _may_be(node: ast.Lambda, code: CodeType) -> bool:
    """Whether the code has an instruction that stands for the whole body of the lambda, or knows no columns at all."""
    positions = set(code.co_positions())
    body = node.body
    exact = (body.lineno, body.end_lineno, body.col_offset, body.end_col_offset)
    return exact in positions or all(column is None for *_, column in positions)


def _the_call(node: ast.Lambda, code: CodeType) -> ast.Call:
    call = node.body
    if not isinstance(call, ast.Call):
        _refuse(code, "it makes no call")
    for part in (call.func, *call.args, *call.keywords):
        for inner in ast.walk(part):
            why = _NOT_ALLOWED.get(type(inner))
            if why is not None:
                plain = ", ".join(map(ast.unparse, (call.func, *call.args, *call.keywords)))
                _refuse(code, why, f"Write enqueue({plain}).")
    return call


def _compile(statement: ast.stmt, code: CodeType) -> CodeType:
    """Compile one statement as when its module was imported. It is never run; it holds the lambda's code."""
    module = ast.Module([statement], type_ignores=[])
    flags = code.co_flags & _FUTURE_FLAGS
    compiled: CodeType = compile(module, code.co_filename, "exec", flags=flags, dont_inherit=True)
    return compiled


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _refuse(code: CodeType, why: str, instead: str = "Write enqueue(mail_service.send, user.id).") -> Never:
    raise TargetNotImportableError(f"The lambda at {code.co_filename}:{code.co_firstlineno}", why, instead)

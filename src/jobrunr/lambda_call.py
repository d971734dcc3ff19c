"""What a lambda calls, and with what: ``lambda: mail_service.send(user.id)`` is taken apart, and never stored.

Its body must be exactly one call. In a copy of the module's source, ``f(a, *b, c=d)`` becomes
``jobrunr_capture(f, a, *b, c=d)``. The source is compiled with and without this change; where the lambda's own code is found
in the one, its changed code stands in the other. That is run in place of the lambda, now, with the same globals and the same
closure: Python itself evaluates the arguments as it would have for the call.

This is the one place that compiles anything: source of the running program, of a function that the caller holds in hand.
Nothing that was ever stored comes here.
"""

from __future__ import annotations
import __future__

import ast
import functools
import linecache
import threading
import warnings
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any, Never, TypeGuard

from jobrunr.errors import TargetNotImportableError

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]

Position = tuple[int | None, int | None, int | None, int | None]
"""Line, end line, column and end column, as in `CodeType.co_positions`."""

_CAPTURE = "jobrunr_capture"
_EXAMPLE = "Write the function and its arguments, as in enqueue(mail_service.send, user.id)."
_warnings_lock = threading.Lock()  # catch_warnings by two threads at a time can leave the filters of one behind
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
    source = _source_of(code)
    try:
        with _warnings_lock, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what there is to say about the module was said when it was imported
            changed = _capturing_all(source, code.co_filename, code.co_flags & _FUTURE_FLAGS).get(code)
    except SyntaxError:
        changed = None
    if changed is None:
        _refuse(code, "its source has changed since it was imported")
    if _CAPTURE not in changed.co_varnames:
        _refuse_call(source, code)
    return changed


def _source_of(code: CodeType) -> str:
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)
    if not lines:
        _refuse(code, "its source is not at hand")
    return "".join(lines)


@functools.lru_cache(maxsize=64)
def _capturing_all(source: str, filename: str, flags: int) -> dict[CodeType, CodeType]:
    """The codes of all lambdas in a module, as they are, and changed where that can be done.

    The module is compiled as when it was imported, and as a whole, because how a name is compiled can depend on an import
    at the other end of the file. It is never run. A code that is not found here belongs to another version of the source.
    """
    tree = ast.parse(source)
    before = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    for node in list(ast.walk(tree)):
        if isinstance(node, ast.Lambda) and isinstance(node.body, ast.Call) and _objection(node) is None:
            node.body.args.insert(0, node.body.func)
            node.body.func = ast.Name(_CAPTURE, ast.Load())
            node.args.kwonlyargs.append(ast.arg(_CAPTURE))
            node.args.kw_defaults.append(None)
    after = compile(ast.fix_missing_locations(tree), filename, "exec", flags=flags, dont_inherit=True)
    pairs = zip(_codes_in(before), _codes_in(after), strict=True)  # the changes add no code, and take none away
    return {old: new for old, new in pairs if old.co_name == "<lambda>"}


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _objection(node: ast.Lambda) -> str | None:
    """Why this lambda is not exactly one call."""
    if not isinstance(node.body, ast.Call):
        calls = len(_calls_in(node))
        return (
            "it makes no call" if calls == 0 else _NOT_ALLOWED[ast.Call] if calls > 1 else "it does more than its one call"
        )
    inside = (inner for part in ast.iter_child_nodes(node.body) for inner in ast.walk(part))
    return next((_NOT_ALLOWED[type(inner)] for inner in inside if type(inner) in _NOT_ALLOWED), None)


def _calls_in(node: ast.Lambda) -> list[ast.Call]:
    return [inner for inner in ast.walk(node.body) if isinstance(inner, ast.Call)]


def _refuse_call(source: str, code: CodeType) -> Never:
    """Say what is wrong with a lambda, and how to write the same without one."""
    lambdas = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Lambda))
    objections = [(node, why) for node in lambdas if node.lineno == code.co_firstlineno and (why := _objection(node))]
    # Several may stand on the line, side by side or one in the other. Where the instructions stand tells which it is, if
    # columns are known: most of them in its body, and of two bodies that hold as many, in the inner one.
    positions = list(code.co_positions())
    node, why = max(objections, key=lambda each: (_instructions_within(each[0].body, positions), each[0].col_offset))
    _refuse(code, why, _advice(node))


def _instructions_within(body: ast.expr, positions: list[Position]) -> int:
    first, last = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    return sum(
        first <= (line or 0, column or 0) and (end_line or 0, end_column or 0) <= last
        for line, end_line, column, end_column in positions
        if column is not None
    )


def _advice(node: ast.Lambda) -> str:
    """How to write it, in the names of the lambda itself."""
    calls = [node.body] if isinstance(node.body, ast.Call) else _calls_in(node)
    jobs = [f"enqueue({', '.join(map(ast.unparse, ast.iter_child_nodes(call)))})" for call in calls]
    if len(jobs) == 1:
        return f"Write {jobs[0]}."
    if jobs:
        return f"Write a function that does all of it and enqueue that, or make several jobs: {', '.join(jobs)}."
    if isinstance(node.body, ast.Name | ast.Attribute):
        return f"Write enqueue({ast.unparse(node.body)})."
    return _EXAMPLE


def _refuse(code: CodeType, why: str, instead: str = _EXAMPLE) -> Never:
    raise TargetNotImportableError(f"The lambda at {code.co_filename}:{code.co_firstlineno}", why, instead)

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "jobrunr"
MODULES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 40
NOT_USED = {"data", "handler", "helper", "helpers", "info", "manager", "steward", "util", "utils", "zookeeper"}

LONG_MODULES: dict[str, str] = {}
"""Modules that may be longer, each with the reason."""
LONG_FUNCTIONS: dict[str, str] = {}
"""Functions that may be longer, as ``module.py:name``, each with the reason."""
USED_AFTER_ALL = {
    "JobLogHandler": "it is a logging.Handler, and the standard library's word says so",
}
"""Names that may have one of the words, each with the reason."""


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{module}:{node.name}", node


def lines_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0)


def words(name: str) -> set[str]:
    """``JobLogHandler`` and ``job_log_handler`` are job, log and handler."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_no_module_is_long() -> None:
    lengths = {
        path.relative_to(SOURCE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }

    long = {module for module, lines in lengths.items() if lines > MOST_LINES_OF_A_MODULE}

    assert long == LONG_MODULES.keys()


def test_no_function_is_long() -> None:
    long = {name for name, function in functions() if lines_without_docstring(function) > MOST_LINES_OF_A_FUNCTION}

    assert long == LONG_FUNCTIONS.keys()


def test_words_that_say_nothing_name_nothing() -> None:
    modules = {part for module in MODULES for part in module.removesuffix(".py").split("/")}
    classes = {node.name for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    assert {name for name in modules | classes if words(name) & NOT_USED} == USED_AFTER_ALL.keys()


def test_the_measures_measure() -> None:
    function = ast.parse('def f() -> None:\n    """One.\n\n    Two.\n    """\n    return None\n').body[0]
    assert isinstance(function, ast.FunctionDef)

    assert lines_without_docstring(function) == 2
    assert words("JobLogHandler") == words("job_log_handler") == {"job", "log", "handler"}
    assert words("SQLData") == {"sql", "data"}

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "jobrunr"
MODULES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}

Function = ast.FunctionDef | ast.AsyncFunctionDef

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 40
NOT_USED = {"data", "handler", "helper", "helpers", "info", "manager", "steward", "util", "utils", "zookeeper"}

LONG_MODULES = {
    "errors.py": "one short class for each error",
}
"""Modules that may be longer, each with the reason."""
LONG_FUNCTIONS: dict[str, str] = {
    "declarations.py:recurring": "one line for each option",
    "scheduler/job_scheduler.py:JobScheduler.options": "one line for each option",
    "server/background_job_server.py:BackgroundJobServer.__init__": "one line for each part",
    "storage/sql/firing.py:FiringTables.__init__": "one statement after the other",
    "storage/sql/migrations/versions/0001_jobs_and_servers.py:_create_jobs": "one line for each column",
    "storage/sql/rows.py:job_of_typed": "one line for each column",
    "storage/sql/tables.py:Tables.__init__": "one line for each column",
    "storage/sql/updating.py:PostgresqlUpdating.__init__": "one statement that does everything",
}
"""Functions that may be longer, as ``module.py:name``, each with the reason."""
USED_AFTER_ALL = {
    "JobLogHandler": "it is a logging.Handler, and the standard library's word says so",
}
"""Names that may have one of the words, each with the reason."""


def functions() -> Iterator[tuple[str, Function]]:
    """All functions and methods, as ``module.py:Class.method``."""
    for module, tree in MODULES.items():
        within: list[tuple[str, ast.AST]] = [(f"{module}:", tree)]
        for path, node in within:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, Function):
                    yield path + child.name, child
                within.append((f"{path}{child.name}." if isinstance(child, Function | ast.ClassDef) else path, child))


def lines_without_docstring(function: Function) -> int:
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    lines = (function.end_lineno or 0) - function.lineno + 1
    return lines - ((docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0)


def words(name: str) -> set[str]:
    """``JobLogHandler`` and ``job_log_handler`` are job, log and handler."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def test_no_module_is_long() -> None:
    lengths = {module: len((SOURCE / module).read_text(encoding="utf-8").splitlines()) for module in MODULES}

    assert longer_than(MOST_LINES_OF_A_MODULE, lengths, LONG_MODULES) == {}


def test_no_function_is_long() -> None:
    lengths = {name: lines_without_docstring(function) for name, function in functions()}

    assert longer_than(MOST_LINES_OF_A_FUNCTION, lengths, LONG_FUNCTIONS) == {}


def longer_than(most: int, lengths: dict[str, int], excused: dict[str, str]) -> dict[str, int]:
    """What is too long without an excuse, or excused although it is not (any more)."""
    return {
        name: lengths.get(name, 0) for name in lengths.keys() | excused if (lengths.get(name, 0) > most) != (name in excused)
    }


def test_words_that_say_nothing_name_nothing() -> None:
    modules = {part for module in MODULES for part in module.removesuffix(".py").split("/")}
    classes = {node.name for tree in MODULES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}

    assert {name for name in modules | classes if words(name) & NOT_USED} == USED_AFTER_ALL.keys()


def test_the_measures_measure() -> None:
    function = ast.parse('def f() -> None:\n    """One.\n\n    Two.\n    """\n    return None\n').body[0]
    assert isinstance(function, Function)

    assert lines_without_docstring(function) == 2
    assert words("JobLogHandler") == words("job_log_handler") == {"job", "log", "handler"}
    assert longer_than(1, {"f": 2, "g": 1}, {}) == {"f": 2}
    assert longer_than(1, {"f": 2, "g": 1}, {"f": "because", "g": "no more"}) == {"g": 1}
    assert words("SQLData") == {"sql", "data"}

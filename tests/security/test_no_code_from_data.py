"""Nothing in the library can turn data into code. Whoever needs an exception names it here, with the reason."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "jobrunr"
FORBIDDEN_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
    "yaml",
    "code",
    "codeop",
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
MAKE_FUNCTIONS = {"FunctionType", "LambdaType", "CodeType"}
ALLOWED = {
    # Takes apart the live lambda that the caller of `enqueue` holds in hand; nothing that was stored comes there.
    ("lambda_call.py", "compile"),
    ("lambda_call.py", "FunctionType"),
}


def findings(source: str, file: str) -> list[str]:
    """What in a source could make code from data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                used = {alias.name.partition(".")[0] for alias in names} & FORBIDDEN_MODULES
            case ast.ImportFrom(module=str(module), level=0):
                used = {module.partition(".")[0]} & FORBIDDEN_MODULES
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="builtins"), attr=name)):
                used = {name} & (FORBIDDEN_CALLS | MAKE_FUNCTIONS)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="types"), attr=name)):
                used = {name} & MAKE_FUNCTIONS
            case ast.Name(id=name, ctx=ast.Load()):
                used = {name} & FORBIDDEN_CALLS  # also not under another name
            case _:
                used = set()
        found += [f"{file}:{getattr(node, 'lineno', 0)} {name}" for name in used if (file, name) not in ALLOWED]
    return found


@pytest.mark.parametrize("file", sorted(SOURCE.rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_file_makes_code_from_data(file: Path) -> None:
    assert findings(file.read_text(encoding="utf-8"), str(file.relative_to(SOURCE))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import os, marshal as m",
        "from pickle import loads",
        "from yaml import safe_load",
        "eval('1')",
        "exec(text)",
        "run = eval",
        "map(exec, texts)",
        "compile(text, '', 'exec')",
        "import builtins; builtins.eval('1')",
        "__import__('os')",
        "import types; types.FunctionType(code, {})",
        "def f():\n    import shelve",
    ],
)
def test_the_check_finds_what_it_looks_for(source: str) -> None:
    assert findings(source, "some.py") != []


def test_the_exceptions_are_needed() -> None:
    used = {(file, name) for file, name in ALLOWED if name in (SOURCE / file).read_text(encoding="utf-8")}
    assert used == ALLOWED

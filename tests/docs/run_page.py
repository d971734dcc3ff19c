"""Runs the examples of a page in the working directory: ``python run_page.py PAGE``. Ends with 1 at the first that fails."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
import types
from pathlib import Path

sys.path[0] = str(Path.cwd())  # what the examples write is to be found, and nothing of ours

from tests.docs.pages import Block, blocks_of  # noqa: E402 - found by PYTHONPATH

MATCHING = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PATIENCE = 120
"""Seconds for one command."""


class ExampleError(Exception):
    """An example does not do what the page says."""


def run(block: Block, page: types.ModuleType) -> None:
    if block.file is not None:
        path = Path(block.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    elif block.language == "python":
        # Line numbers in a traceback are those of the page.
        code = compile("\n" * (block.line - 1) + block.text, block.page, "exec", dont_inherit=True)
        exec(code, vars(page))
    elif block.language == "pycon":
        run_session(block, page)
    elif block.language == "console":
        run_commands(block)


def run_session(block: Block, page: types.ModuleType) -> None:
    test = doctest.DocTestParser().get_doctest(block.text, vars(page), block.page, block.page, block.line - 1)
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=MATCHING)
    runner.run(test, out=report.append, clear_globs=False)
    vars(page).update(test.globs)
    if runner.failures:
        raise ExampleError("".join(report))


def run_commands(block: Block) -> None:
    command: str | None = None
    expected: list[str] = []
    for line in [*block.text.splitlines(), "$ "]:
        if line.startswith("$ "):
            if command:
                run_command(command, "\n".join(expected))
            command, expected = line[2:], []
        else:
            expected.append(line)


def run_command(command: str, expected: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False
    )
    got = done.stdout
    if not doctest.OutputChecker().check_output(f"{expected}\n", f"{got.strip()}\n", MATCHING) and expected.strip():
        raise ExampleError(f"$ {command}\nThe page says:\n{expected}\nIt printed:\n{got}")
    if done.returncode and not expected.strip():
        raise ExampleError(f"$ {command}\nended with {done.returncode}:\n{got}")


def main() -> None:
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    page = types.ModuleType("page")
    sys.modules["page"] = page
    for block in blocks_of(Path(sys.argv[1])):
        if block.reason is None:
            try:
                run(block, page)
            except ExampleError as error:
                sys.exit(f"{block.page}:{block.line}:\n{error}")


if __name__ == "__main__":
    main()

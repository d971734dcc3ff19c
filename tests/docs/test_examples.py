"""The examples in README and docs do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, RUN, Block, blocks_of

RUNNER = Path(__file__).with_name("run_page.py")
WITH_EXAMPLES = [page for page in PAGES if any(block.language in RUN and not block.reason for block in blocks_of(page))]


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """In a process, a folder and an environment of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNR_")}
    return subprocess.run(
        [sys.executable, str(RUNNER), str(page)],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


@pytest.mark.timeout(180)  # a dozen processes one after the other, on a machine that may be busy
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    outcome = run_page(page, tmp_path)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(
    ("example", "complaint"),
    [
        ("```python\nraise ValueError('no')\n```", "page.md"),
        ("```pycon\n>>> 1 + 1\n3\n```", "Expected:\n    3\nGot:\n    2"),
        ("```console\n$ echo hello\ngoodbye\n```", "The page says:\ngoodbye"),
        ("```console\n$ exit 3\n```", "ended with 3"),
        ("```python\n# shop.py\nprice = 1\n```\n\n```python\nimport shop\nassert shop.price == 2\n```", "AssertionError"),
    ],
)
def test_an_example_that_is_wrong_is_found(example: str, complaint: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{example}\n")

    outcome = run_page(page, tmp_path)

    assert outcome.returncode == 1
    assert complaint in outcome.stdout + outcome.stderr


def test_an_example_that_is_right_passes_and_one_that_is_not_run_is_not_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\n# shop/jobs.py\nprice = 1\n```\n\n"
        "```pycon\n>>> from shop.jobs import price\n>>> price, object()\n(1, <object ...>)\n```\n\n"
        "<!-- not run: it is wrong -->\n```python\nraise SystemExit(1)\n```\n\n"
        "<!--\n```python\nassert price == 1\n```\n-->\n\n"
        "```console\n$ cat shop/jobs.py\n# shop/jobs.py\nprice = 1\n$ true\n```\n"
    )

    outcome = run_page(page, tmp_path)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def every_block() -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page)]


def test_every_block_says_what_language_it_is_in() -> None:
    fences = {str(page.relative_to(ROOT)): page.read_text().count("\n```") // 2 for page in PAGES}
    found = dict.fromkeys(fences, 0)
    for block in every_block():
        found[block.page] += 1

    assert found == fences


def test_python_that_is_not_run_is_python_at_least() -> None:
    for block in every_block():
        if block.language == "python":
            compile(block.text, f"{block.page}:{block.line}", "exec", dont_inherit=True)

"""The pages are all there, hang together, and agree with the code."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from jobrunr import errors
from jobrunr.context import JobContext, JobLog
from jobrunr.filters import JobFilter
from jobrunr.history import StateChange
from jobrunr.options import JobOptions
from jobrunr.states import MOVES, JobState
from jobrunr.storage.contract import Listener, StorageProvider
from jobrunr.storage.sql.tables import Tables
from tests.docs.pages import PAGES, ROOT

DOCS = ROOT / "docs"
ROW = re.compile(r"^\| (.+?) \|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def docs_tool() -> ModuleType:
    """What `make check` runs."""
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def rows(page: str, heading: str | None = None) -> list[list[str]]:
    """The cells of the tables on a page, or below one of its headings."""
    text = (DOCS / page).read_text(encoding="utf-8")
    if heading is not None:
        text = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [[cell.strip() for cell in row.split(" | ")] for row in ROW.findall(text)]


def names(page: str, heading: str | None = None) -> set[str]:
    """The names in the first column of the tables: what stands before brackets, behind dots."""
    return {
        re.split(r"[( ]", code)[0]
        for row in rows(page, heading)
        for code in CODE.findall(row[0])
        if not code.startswith("jobrunr_")
    }


def public_names(cls: type) -> set[str]:
    return {name for name in vars(cls) if not name.startswith("_")}


def test_links_lead_somewhere_and_generated_pages_are_up_to_date() -> None:
    assert docs_tool().check() == []


def test_every_page_can_be_reached_from_the_index() -> None:
    found, left = set(), [DOCS / "index.md"]
    while left:
        page = left.pop()
        if page in found or page.suffix != ".md" or not page.exists():
            continue
        found.add(page)
        links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        left.extend((page.parent / link).resolve() for link in links if "://" not in link)

    assert {page for page in PAGES if page.is_relative_to(DOCS)} <= found


def test_the_readme_leads_to_the_documentation() -> None:
    assert "](docs/index.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_moves_are_those_of_the_code() -> None:
    table = {row[0]: set(row[1].split()) for row in rows("reference/states.md", "Moves") if row[0] in JobState.__members__}

    assert table == {state.value: {move.value for move in moves} for state, moves in MOVES.items()}


def test_every_state_is_explained() -> None:
    first = {row[0] for row in rows("reference/states.md")}

    assert set(JobState.__members__) <= first


def test_every_field_of_the_history_is_explained() -> None:
    assert names("reference/states.md", "History") == set(StateChange.__struct_fields__)


def test_every_error_is_explained() -> None:
    ours = {
        name for name, error in vars(errors).items() if inspect.isclass(error) and issubclass(error, errors.JobRunrError)
    }

    assert names("reference/errors.md") == ours - {"JobRunrError"}


def test_everything_that_a_job_sees_of_itself_is_explained() -> None:
    explained = names("reference/job-context.md")
    assert {name.partition(".")[0] for name in explained} == public_names(JobContext) | {"log"}
    assert {name.partition(".")[2] for name in explained if name.startswith("log.")} == public_names(JobLog)


def test_every_method_of_the_storage_contract_is_explained() -> None:
    assert names("reference/storage-contract.md", "The methods") == public_names(StorageProvider)
    text = (DOCS / "reference" / "storage-contract.md").read_text(encoding="utf-8")
    assert all(f"`{name}(" in text for name in public_names(Listener))


def test_every_table_and_column_is_explained() -> None:
    tables = {
        table.name: {column.name for column in table.columns} for table in Tables("jobrunr_", None).metadata.tables.values()
    }
    text = (DOCS / "reference" / "tables.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## `(\w+)`$", text, re.MULTILINE)

    assert set(headings) == {*tables, "jobrunr_alembic_version"}
    for table, columns in tables.items():
        assert names("reference/tables.md", f"`{table}`") == columns, table


def test_every_option_of_a_job_is_explained() -> None:
    assert names("how-to/options.md", "All options") == set(JobOptions.__struct_fields__)


def test_every_hook_of_a_filter_is_explained() -> None:
    assert names("how-to/filters.md", "The hooks") == public_names(JobFilter)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_fit_to_be_read(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()

    assert sum(line.startswith("# ") for line in _without_code(lines)) == 1, "one title"
    assert not [line for line in lines if line != line.rstrip()], "no white space at the end of a line"
    if page.name == "CONTRIBUTING.md":
        assert len(lines) < 150


def _without_code(lines: list[str]) -> list[str]:
    inside, outside = False, []
    for line in lines:
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            outside.append(line)
    return outside

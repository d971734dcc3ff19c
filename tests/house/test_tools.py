from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tools import compat, docs, services


class TestLowestVersions:
    def test_they_are_exact_and_those_of_everything_that_users_install(self) -> None:
        versions = compat.lowest_versions()

        assert all("==" in version and ">=" not in version for version in versions)
        assert {version.split("=")[0].split("[")[0] for version in versions} == {
            *("sqlalchemy", "alembic", "msgspec", "click", "psycopg", "pymysql"),
            *("starlette", "uvicorn", "jinja2", "sse-starlette", "prometheus-client", "a2wsgi"),
            *("authlib", "joserfc", "httpx2"),
        }

    def test_a_python_that_does_not_run_has_no_version(self, tmp_path: Path) -> None:
        broken = tmp_path / "python3.12"
        broken.write_text("#!/bin/sh\necho Python 3.12.0; exit 127\n")
        broken.chmod(0o755)

        assert compat.version_of(str(broken)) is None
        assert compat.version_of(sys.executable) == compat.HERE


class TestLinks:
    @pytest.fixture
    def page(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setattr(docs, "ROOT", tmp_path)
        (tmp_path / "other.md").write_text("# Other page\n\n## `retry_base`: the wait\n\n```\n# no heading\n```\n")
        return tmp_path / "page.md"

    @pytest.mark.parametrize(
        "link",
        [
            "other.md",
            "other.md#other-page",
            "other.md#retry_base-the-wait",
            "#here",
            "https://example.org/x",
            "other.md 'A title'",
        ],
    )
    def test_that_lead_somewhere_are_fine(self, page: Path, link: str) -> None:
        page.write_text(f"# Here\n\n[text]({link})\n")

        assert list(docs.broken_links(page)) == []

    @pytest.mark.parametrize("link", ["another.md", "other.md#another", "other.md#no-heading", "#there"])
    def test_that_lead_nowhere_are_named(self, page: Path, link: str) -> None:
        page.write_text(f"# Here\n\n[text]({link})\n")

        assert list(docs.broken_links(page)) == [f"page.md: the link {link} leads nowhere"]

    def test_in_code_are_no_links(self, page: Path) -> None:
        page.write_text("# Here\n\n```python\njobs[0](another.md)\n```\n")

        assert list(docs.broken_links(page)) == []


def test_an_address_where_nothing_answers_is_no_service() -> None:
    with pytest.raises(services.UnavailableError, match="does not answer"):
        services.ask_version(make_url("mariadb+pymysql://root@127.0.0.1:1/mysql"))


@pytest.mark.parametrize("database", services.DATABASES, ids=lambda database: database.name)
def test_a_local_server_that_admits_too_few_is_left_alone(database: services.Database) -> None:
    if database.variable not in os.environ:
        pytest.skip(f"needs {database.name}")
    small = replace(database, local=(make_url(os.environ[database.variable]),), connections=1_000_000)

    with ExitStack() as stack, pytest.raises(services.UnavailableError, match="connections, and 1000000 are wanted"):
        services.at_local_address(small, stack)

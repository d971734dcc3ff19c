"""Where modules lie, found without importing anything."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from jobrunr.module_places import ModulePlace, application_of, find_spec, place_of

OWN, INSTALLED, STANDARD_LIBRARY, MISSING = (
    ModulePlace.OWN,
    ModulePlace.INSTALLED,
    ModulePlace.STANDARD_LIBRARY,
    ModulePlace.MISSING,
)
EXPLOSIVE = "raise AssertionError('this was imported')\n"


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory that is searched for modules. Nothing in it may be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    found = {name for name in set(sys.modules) - before if str(tmp_path) in str(sys.modules[name])}
    assert not found


def write(file: Path, source: str = EXPLOSIVE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    "module",
    [
        "os",
        "os.path",
        "builtins",
        "sys",
        "_thread",
        "subprocess",
        "xml.etree.ElementTree",
        "zipimport",
        "antigravity",
        "math",
    ],
)
def test_the_standard_library_is_known(module: str) -> None:
    assert place_of(module) is STANDARD_LIBRARY
    if module == "antigravity":
        assert module not in sys.modules


@pytest.mark.parametrize(
    "module", ["pytest", "msgspec.json", "sqlalchemy.dialects.postgresql.psycopg", "_pytest.monkeypatch"]
)
def test_installed_packages_are_known(module: str) -> None:
    assert place_of(module) is INSTALLED


def test_this_project_is_the_applications_own_although_it_is_installed_editable() -> None:
    assert place_of("jobrunr.registry") is OWN
    assert place_of("tests.samples.shop.mail") is OWN


@pytest.mark.parametrize(
    ("file", "module"),
    [("alone.py", "alone"), ("package/__init__.py", "package"), ("package/deep/module.py", "package.deep.module")],
)
def test_own_modules_are_found_and_not_imported(path: Path, file: str, module: str) -> None:
    write(path / file)
    assert place_of(module) is OWN


@pytest.mark.parametrize("directory", ["site-packages", "dist-packages"])
def test_a_directory_of_installed_packages_is_known_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, directory: str
) -> None:
    write(tmp_path / directory / "lib" / "__init__.py")
    write(tmp_path / directory / "lib" / "jobs.py")
    monkeypatch.syspath_prepend(tmp_path / directory)
    assert place_of("lib") is INSTALLED
    assert place_of("lib.jobs") is INSTALLED


def test_a_link_into_or_out_of_such_a_directory_counts_as_installed(
    path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    write(elsewhere / "site-packages" / "lib.py")
    (path / "linked.py").symlink_to(elsewhere / "site-packages" / "lib.py")
    (path / "site-packages").mkdir()
    (path / "site-packages" / "out.py").symlink_to(path / "own.py")
    write(path / "own.py")
    monkeypatch.syspath_prepend(path / "site-packages")
    assert [place_of(name) for name in ("linked", "out", "own")] == [INSTALLED, INSTALLED, OWN]


@pytest.mark.parametrize("module", ["gone", "gone.deeper", "alone.below", "package.gone", "package.gone.deeper"])
def test_missing_modules_are_missing(path: Path, module: str) -> None:
    write(path / "alone.py")
    write(path / "package" / "__init__.py")
    assert place_of(module) is MISSING


def test_namespace_packages_of_several_levels_are_walked_without_importing_them(path: Path) -> None:
    write(path / "company" / "team" / "product" / "jobs.py")
    assert place_of("company.team.product.jobs") is OWN
    assert place_of("company.team") is OWN
    assert "company" not in sys.modules


def test_a_namespace_package_with_an_installed_part_counts_as_installed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path / "company" / "own.py")
    write(path / "site-packages" / "company" / "theirs.py")
    monkeypatch.syspath_prepend(path / "site-packages")
    assert place_of("company") is INSTALLED
    assert place_of("company.own") is OWN
    assert place_of("company.theirs") is INSTALLED


def test_a_package_may_have_extended_its_path(path: Path) -> None:
    write(path / "extended" / "__init__.py", f"__path__ = [*__path__, {str(path / 'more')!r}]\n")
    write(path / "more" / "jobs.py")
    assert place_of("extended.jobs") is MISSING
    importlib.import_module("extended")
    try:
        assert place_of("extended.jobs") is OWN
    finally:
        del sys.modules["extended"]


def test_modules_in_a_zip_file_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "app.pyz", "w") as archive:
        archive.writestr("shop/__init__.py", EXPLOSIVE)
        archive.writestr("shop/jobs.py", EXPLOSIVE)
    monkeypatch.syspath_prepend(tmp_path / "app.pyz")
    assert place_of("shop.jobs") is OWN


def test_finders_of_editable_installations_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "src" / "shop" / "__init__.py")
    write(tmp_path / "src" / "shop" / "jobs.py")

    class EditableFinder:
        """As setuptools makes them: it maps the top-level name, and leaves what is below to the path."""

        def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return spec_from_file_location(name, tmp_path / "src" / "shop" / "__init__.py") if name == "shop" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, EditableFinder()])
    assert place_of("shop.jobs") is OWN
    assert "shop" not in sys.modules


def test_a_module_that_was_made_up_is_nowhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_spec(self, name: str, path: object) -> ModuleSpec | None:
            origins = {"virtual": None, "named": "a place of its own"}
            return ModuleSpec(name, None, origin=origins[name]) if name in origins else None

    write(path / "conftest.py")
    monkeypatch.setitem(sys.modules, "made_up", type(sys)("made_up"))
    monkeypatch.setitem(sys.modules, "math.conftest", type(sys)("math.conftest"))  # not the conftest.py that can be found
    monkeypatch.setitem(sys.modules, "odd", 42)  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "meta_path", [object(), Finder(), *sys.meta_path])
    assert [place_of(name) for name in ("made_up", "math.conftest", "odd", "virtual", "named")] == [MISSING] * 5


class TestTheApplication:
    def test_is_the_top_level_package(self) -> None:
        assert application_of("tests.samples.shop.jobs") == "tests"
        assert application_of("jobrunr.storage.contract") == "jobrunr"

    def test_may_be_a_single_module(self, path: Path) -> None:
        write(path / "app.py")
        assert application_of("app") == "app"

    def test_is_the_first_package_below_a_namespace(self, path: Path) -> None:
        write(path / "company" / "shop" / "__init__.py")
        write(path / "company" / "shop" / "jobs.py")
        assert application_of("company.shop.jobs") == "company.shop"

    def test_is_never_the_standard_library(self) -> None:
        assert application_of("concurrent.futures.thread") is None

    def test_is_unknown_where_nothing_can_be_imported(self) -> None:
        assert application_of("") is None
        assert application_of("made.up") is None


def test_the_import_system_itself_agrees(path: Path) -> None:
    write(path / "package" / "module.py", "")
    found = find_spec("package.module")
    assert found is not None
    assert found.origin == str(path / "package" / "module.py")

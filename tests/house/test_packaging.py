from __future__ import annotations

from collections.abc import Iterator
from email.parser import HeaderParser
from importlib.metadata import entry_points
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

import jobrunr

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    with ZipFile(path) as file:
        yield file


def metadata_file(wheel: ZipFile, name: str) -> str:
    return wheel.read(f"jobrunr-{jobrunr.__version__}.dist-info/{name}").decode()


def test_the_wheel_holds_every_file_of_the_package(wheel: ZipFile) -> None:
    source = {path.relative_to(SOURCE).as_posix() for path in (SOURCE / "jobrunr").rglob("*") if path.is_file()}

    assert {name for name in source if "__pycache__" not in name} <= set(wheel.namelist())


def test_the_wheel_holds_the_migrations_the_type_marker_and_the_licence(wheel: ZipFile) -> None:
    names = set(wheel.namelist())

    assert "jobrunr/py.typed" in names
    assert [name for name in names if name.startswith("jobrunr/storage/sql/migrations/versions/") and name.endswith(".py")]
    assert f"jobrunr-{jobrunr.__version__}.dist-info/licenses/LICENSE" in names


def test_the_wheel_holds_nothing_else(wheel: ZipFile) -> None:
    assert {name.split("/")[0] for name in wheel.namelist()} == {"jobrunr", f"jobrunr-{jobrunr.__version__}.dist-info"}
    assert not [name for name in wheel.namelist() if name.endswith((".pyc", ".db"))]


def test_the_metadata_say_what_users_need_to_know(wheel: ZipFile) -> None:
    metadata = HeaderParser().parsestr(metadata_file(wheel, "METADATA"))

    assert metadata["Name"] == "jobrunr"
    assert metadata["Version"] == jobrunr.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "MIT"
    assert {"postgresql", "mysql"} <= set(metadata.get_all("Provides-Extra", []))
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


def test_no_requirement_of_users_has_an_upper_bound(wheel: ZipFile) -> None:
    requirements = HeaderParser().parsestr(metadata_file(wheel, "METADATA")).get_all("Requires-Dist", [])
    of_users = [line for line in requirements if "extra == 'dev'" not in line and "extra == 'test'" not in line]

    assert of_users
    assert not [line for line in of_users if "<" in line or "==" in line.split(";")[0] or "~=" in line]


@pytest.mark.parametrize(("group", "name"), [("console_scripts", "jobrunr"), ("pytest11", "jobrunr")])
def test_an_entry_point_leads_to_something(group: str, name: str) -> None:
    (entry_point,) = entry_points(group=group, name=name)

    assert entry_point.load() is not None

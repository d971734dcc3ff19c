"""Run the unit tests and the storage tests on SQLite with the lowest versions of everything that pyproject.toml allows, and
the unit tests on every other Python from 3.11 up that is on this machine. Each has an environment of its own, `.venv-NAME`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYPROJECT = ROOT / "pyproject.toml"
HERE = (sys.version_info.major, sys.version_info.minor)
NEWEST_KNOWN = 16
UNIT_TESTS = ("src", "tests/unit")
TESTS = (*UNIT_TESTS, "tests/storage")
UV = (sys.executable, "-m", "uv")


class FailedError(Exception):
    """A command failed; the message holds what it said."""


@dataclass(frozen=True)
class Environment:
    """A Python, and the exact versions that it shall have of some packages."""

    name: str
    python: str
    versions: tuple[str, ...] = ()
    tests: tuple[str, ...] = TESTS

    @property
    def folder(self) -> Path:
        return ROOT / f".venv-{self.name}"

    def install(self) -> None:
        """Make the environment, unless it is there and pyproject.toml is still the same."""
        stamp, digest = self.folder / ".installed", sha256(PYPROJECT.read_bytes()).hexdigest()
        if stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
            return
        wanted = ["--editable", f"{ROOT}[test-units]", *self.versions]
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            run([*UV, "venv", "--quiet", "--python", self.python, str(self.folder)])
            run([*UV, "pip", "install", "--quiet", "--python", str(self.folder / "bin" / "python"), *wanted])
        except FailedError:  # there is no uv, or it does not find the packages where pip is told to look
            self._install_with_pip(wanted)
        stamp.write_text(digest, encoding="ascii")

    def _install_with_pip(self, wanted: list[str]) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        here = str(self.folder / "bin" / "python")
        try:
            run([self.python, "-m", "venv", str(self.folder)])
        except FailedError:  # Debian takes ensurepip out of Python; pip can be put into an environment from outside, too
            shutil.rmtree(self.folder, ignore_errors=True)
            run([self.python, "-m", "venv", "--without-pip", str(self.folder)])
            run([sys.executable, "-m", "pip", "--python", here, "install", "--quiet", "pip"])
        run([here, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-compile", *wanted])

    def test(self) -> bool:
        print(f"On {self.name}:", flush=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBRUNR_")}
        environ["JOBRUNR_TEST_BRIEFLY"] = "yes"
        command = [str(self.folder / "bin" / "python"), "-m", "pytest", "--quiet", "-n", "2", "-p", "no:cacheprovider"]
        command += ["-k", "not postgresql and not mariadb", *self.tests]
        return subprocess.run(command, check=False, cwd=ROOT, env=environ).returncode == 0


def lowest_versions() -> tuple[str, ...]:
    """The lower bounds of pyproject.toml for what users install, as exact versions."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for_users = extras.keys() - {"test-units", "test", "dev"}
    wanted = [*project["dependencies"], *(one for extra in sorted(for_users) for one in extras[extra])]
    return tuple(one.replace(">=", "==") for one in wanted if not one.startswith("jobrunr["))


def other_pythons() -> dict[str, str]:
    """Every other Python that we support and that runs, by version."""
    found = {}
    for minor in range(11, NEWEST_KNOWN):
        name = f"python3.{minor}"
        pyenv = sorted(Path("~/.pyenv/versions").expanduser().glob(f"3.{minor}.*/bin/{name}"))
        for candidate in (shutil.which(name), *map(str, pyenv)):
            if (3, minor) != HERE and candidate is not None and version_of(candidate) == (3, minor):
                found[f"3.{minor}"] = candidate
                break
    return found


def version_of(python: str) -> tuple[int, int] | None:
    """What a Python says of itself; None when it does not run (pyenv puts programs in the PATH that do not)."""
    answer = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"Python (\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match and answer.returncode == 0 else None


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FailedError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def main() -> int:
    environments = [Environment("lowest", sys.executable, lowest_versions())]
    environments += [Environment(version, python, tests=UNIT_TESTS) for version, python in other_pythons().items()]
    if len(environments) == 1:
        print(f"There is no Python besides {HERE[0]}.{HERE[1]} here to test on.")
    print(f"Preparing {', '.join(environment.name for environment in environments)} ...", flush=True)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(Environment.install, environments))
    except FailedError as error:
        sys.exit(str(error))
    failed = [environment.name for environment in environments if not environment.test()]
    print(f"Failed on: {', '.join(failed)}." if failed else "Passed on all of these.", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())

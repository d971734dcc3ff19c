"""How the application is found, as a user meets it: in a folder, from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def has_tables(run: Run) -> None:
    assert run("migrate", "--app", "shop.jobs:jobrunr").returncode == 0


@pytest.mark.usefixtures("has_tables")
class TestWhereItIsSaid:
    def test_an_option_says_it(self, run: Run) -> None:
        assert run("check", "--app", "shop.jobs:jobrunr").returncode == 0

    def test_the_environment_says_it(self, run: Run) -> None:
        assert run("check", JOBRUNR_APP="shop.jobs:jobrunr").returncode == 0

    def test_a_file_says_it(self, run: Run, shop: Path) -> None:
        (shop / "jobrunr.toml").write_text('app = "shop.jobs:jobrunr"\n')

        assert run("check").returncode == 0

    def test_the_option_goes_before_the_setting(self, run: Run) -> None:
        assert run("check", "--app", "shop.jobs:jobrunr", JOBRUNR_APP="nowhere:jobrunr").returncode == 0


def test_the_script_searches_the_working_directory_as_python_does(shop: Path) -> None:
    script = Path(sys.executable).with_name("jobrunr")

    done = subprocess.run(
        [script, "migrate", "--app", "shop.jobs:jobrunr"], cwd=shop, capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stdout) == (0, "The tables in sqlite:///shop.db are ready.\n"), done.stderr


def test_something_that_makes_an_application_is_called(run: Run, shop: Path) -> None:
    outcome = run("migrate", "--app", "shop.jobs:make")

    assert outcome.stdout == "The tables in sqlite:///made.db are ready.\n"
    assert (shop / "made.db").exists()


@pytest.mark.parametrize(
    ("app", "complaint"),
    [
        ("shop.jobs", "--app shop.jobs cannot be read. Write module:name, such as shop.jobs:jobrunr."),
        ("shpo.jobs:jobrunr", "there is no module shpo in {folder}, nor is one installed."),
        ("shop.job:jobrunr", "the package shop (from {folder}/shop) has no module job. Correct the name."),
        ("shop.jobs:jobs", "--app shop.jobs:jobs: the module shop.jobs has no 'jobs'."),
        (
            "shop.broken:jobrunr",
            "importing shop.broken failed: ZeroDivisionError: division by zero in {folder}/shop/broken.py, line 2",
        ),
        ("shop.needy:jobrunr", "importing shop.needy failed: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("shop.typo:jobrunr", "importing shop.typo failed: SyntaxError"),
        ("shop.exits:jobrunr", "importing shop.exits failed: SystemExit: 0"),
        ("shop.misset:jobrunr", "importing shop.misset failed: UnknownSettingError: Unknown setting 'wrokers' in code"),
        ("shop.jobs:make_nothing", "is a str. Name a JobRunr, or something that makes one"),
        ("shop.jobs:cannot_make", "could not be called: RuntimeError: no way in {folder}/shop/jobs.py"),
        ("shop.jobs:send_welcome", "could not be called: TypeError: send_welcome() missing 1 required positional argument"),
    ],
)
def test_a_wrong_application_is_named_in_one_sentence_and_is_exit_code_2(
    run: Run, shop: Path, app: str, complaint: str
) -> None:
    for name, code in {
        "broken": "def f() -> None:\n    1 / 0\nf()\n",
        "needy": "import no_such_thing\n",
        "typo": "jobrunr =\n",
        "exits": "raise SystemExit(0)\n",
        "misset": "from jobrunr import JobRunr\njobrunr = JobRunr('memory://', wrokers=3)\n",
    }.items():
        (shop / "shop" / f"{name}.py").write_text(code)

    outcome = run("worker", "--app", app)

    assert outcome.returncode == 2
    assert complaint.format(folder=shop) in outcome.stderr
    assert outcome.stderr.startswith("Error: --app")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("app", ["shop.eager:jobrunr", "shop.eager:make"])
def test_an_application_that_connects_at_once_and_cannot_is_exit_code_3(run: Run, shop: Path, app: str) -> None:
    (shop / "shop" / "eager.py").write_text(
        "from shop.jobs import make_remote\n\ndef make():\n    return make_remote().storage\n\n"
        + ("jobrunr = make()\n" if app.endswith(":jobrunr") else "")
    )

    outcome = run("worker", "--app", app)

    assert outcome.returncode == 3
    assert outcome.stderr.startswith("Error: The storage postgresql://127.0.0.1:1/shop is not available")


@pytest.mark.parametrize("verb", ["worker", "check"])
def test_without_an_application_a_verb_that_needs_one_says_how_to_name_it(run: Run, verb: str) -> None:
    outcome = run(verb)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("Error: Which application? Say --app module:name")


def test_debug_shows_the_traceback_and_keeps_the_exit_code(run: Run, shop: Path) -> None:
    (shop / "shop" / "broken.py").write_text("1 / 0\n")

    outcome = run("worker", "--app", "shop.broken:jobrunr", "--debug")

    assert outcome.returncode == 2
    assert "ZeroDivisionError" in outcome.stderr
    assert "Traceback (most recent call last)" in outcome.stderr


def test_a_verb_that_needs_no_code_looks_at_the_storage_of_the_settings(run: Run, shop: Path) -> None:
    assert run("migrate", JOBRUNR_URL="sqlite:///other.db").stdout == "The tables in sqlite:///other.db are ready.\n"
    assert (shop / "other.db").exists()


def test_an_application_and_a_url_at_once_are_refused(run: Run) -> None:
    outcome = run("status", "--app", "shop.jobs:jobrunr", "--url", "sqlite:///shop.db")

    assert outcome.returncode == 2
    assert "Give --app or --url, not both" in outcome.stderr

"""What holds for every verb: help that teaches, a version, exit codes, colours where they belong, a quick start."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys

import click
import pytest

from jobrunr import __version__
from jobrunr.cli.root import VERBS, root
from jobrunr.cli.verb import ApplicationError, ExitCode, Verb, exit_code_of
from jobrunr.errors import (
    JobNotFoundError,
    JobRunrError,
    MissingDriverError,
    OptionError,
    SchemaNewerError,
    StorageUnavailableError,
    UnknownSettingError,
)
from jobrunr.testing import factories
from tests.cli.conftest import COMMAND, all_verbs, invoke

EVERY_VERB = dict(all_verbs())


def examples() -> list[str]:
    return [example for verb in EVERY_VERB.values() if isinstance(verb, Verb) for _, example in verb.examples]


@pytest.mark.parametrize("name", EVERY_VERB)
def test_the_help_of_every_verb_fits_80_columns_and_has_an_example(name: str) -> None:
    result = invoke(*name.split(), "--help")

    assert result.exit_code == 0
    assert f"jobrunr {name}" in result.stdout.split("Examples:")[1]
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("example", examples())
def test_every_example_is_understood(example: str) -> None:
    """It is parsed, not run. What stands behind a pipe is not ours."""
    words = shlex.split(example.removeprefix('eval "$(').removesuffix(')"'))
    words = words[: next((index for index, word in enumerate(words) if word in ("|", ">")), None)]
    assert words.pop(0) == "jobrunr"

    command: click.Command = root
    context = click.Context(root)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
    command.make_context("jobrunr", words)


def test_the_overall_help_lists_every_verb_and_every_exit_code() -> None:
    text = invoke("--help").stdout

    for verb in VERBS:
        assert f"\n  {verb} " in text
    for code in ExitCode:
        assert f"\n  {code.value} " in text
    assert not [line for line in text.splitlines()[1:] if line.endswith("...")]  # no sentence is cut


def test_the_version_is_that_of_the_library() -> None:
    assert invoke("--version").stdout == f"jobrunr {__version__}\n"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["statsu"], "There is no 'statsu'. Did you mean 'status'?"),
        (["job", "delte"], "There is no 'delte'. Did you mean 'delete'?"),
        (["xyz"], "There is no 'xyz'. There is worker, enqueue, job,"),
        (["status", "--jsn"], "No such option"),
    ],
)
def test_a_mistyped_word_is_exit_code_2_and_a_hint(words: list[str], complaint: str) -> None:
    result = invoke(*words)

    assert result.exit_code == 2
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (JobNotFoundError(factories.a_job().id), 1),
        (OptionError("no"), 1),
        (JobRunrError("whatever"), 1),
        (ApplicationError("no"), 2),
        (UnknownSettingError("a", "b", "c"), 2),
        (StorageUnavailableError("here", "gone"), 3),
        (SchemaNewerError("here", "2", "1"), 4),
        (MissingDriverError("postgresql", "postgresql"), 4),
    ],
)
def test_every_kind_of_error_has_its_exit_code(error: JobRunrError, code: int) -> None:
    assert exit_code_of(error) == code


def test_colours_are_for_terminals_and_not_for_those_who_do_not_want_them() -> None:
    def seen(**environ: str) -> bytes:
        ours, theirs = pty.openpty()
        try:
            subprocess.run([*COMMAND, "status"], stderr=theirs, env=os.environ | environ, timeout=30, check=False)
            return os.read(ours, 10_000)
        finally:
            os.close(ours)
            os.close(theirs)

    assert b"\x1b[31mError:" in seen()
    assert b"\x1b[" not in seen(NO_COLOR="1")
    assert "\x1b[" not in invoke("status", "--url", "dbase://x").stderr


def test_a_terminal_that_lacks_a_character_stops_nobody(jobrunr: object, url: str) -> None:
    factories.enqueued(jobrunr.storage, name="größer ☃")  # type: ignore[attr-defined]
    outcome = subprocess.run(
        [*COMMAND, "job", "list", "--url", url],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "iso-8859-1"},
        timeout=30,
        check=True,
    )

    assert b"gr\xf6\xdfer \\u2603" in outcome.stdout


def test_nothing_slow_is_imported_before_it_is_needed() -> None:
    slow = ("sqlalchemy", "alembic", "jobrunr.cli.worker", "jobrunr.cli.status", "jobrunr.bench", "jobrunr.demo", "psycopg")
    code = f"import sys, jobrunr.cli; print(*sorted(set({slow}) & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True).stdout

    assert printed == "\n"

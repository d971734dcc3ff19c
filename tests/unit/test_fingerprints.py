"""Which failures are alike, and where an exception was raised."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import FunctionType, ModuleType

import pytest

from jobrunr import transitions
from jobrunr.fingerprints import fingerprint_of
from jobrunr.history import ExceptionRecord
from jobrunr.server.failure import record_exception
from jobrunr.states import JobState
from jobrunr.testing.factories import a_stored_job, an_exception

NOW = datetime(2026, 1, 2, tzinfo=UTC)
AT_42 = ExceptionRecord("builtins.OSError", "disk full", "", "shop/mail.py:42 in send")


def of(exception: ExceptionRecord | None, target: str = "shop.mail:send", reason: str = "no retry is left") -> str:
    return fingerprint_of(target, reason, exception)


def test_a_fingerprint_is_sixteen_hexadecimal_digits() -> None:
    assert len(of(AT_42)) == len(of(None)) == 16
    assert int(of(AT_42), 16) != int(of(None), 16)


@pytest.mark.parametrize(
    "alike",
    [
        ExceptionRecord("builtins.OSError", "another disk", "another traceback", "shop/mail.py:42 in send"),
        ExceptionRecord("builtins.OSError", "disk full", "", "shop/mail.py:43 in send"),
    ],
)
def test_message_and_line_make_no_difference(alike: ExceptionRecord) -> None:
    assert of(alike) == of(AT_42)
    assert of(alike, reason="retry 3 of 10") == of(AT_42)


@pytest.mark.parametrize(
    "other",
    [
        ExceptionRecord("builtins.ValueError", "disk full", "", "shop/mail.py:42 in send"),
        ExceptionRecord("builtins.OSError", "disk full", "", "shop/bills.py:42 in send"),
        ExceptionRecord("builtins.OSError", "disk full", "", "shop/mail.py:42 in receive"),
        None,
    ],
)
def test_type_and_place_make_a_difference(other: ExceptionRecord | None) -> None:
    assert of(other) != of(AT_42)


def test_the_target_makes_a_difference() -> None:
    assert of(AT_42, target="shop.bills:send") != of(AT_42)


def test_without_an_exception_the_reason_counts_but_for_its_numbers() -> None:
    assert of(None, reason="gone after 17 s") == of(None, reason="gone after 4 s") != of(None, reason="lost")


def test_each_failure_has_a_fingerprint_and_nothing_else_has() -> None:
    job = a_stored_job(JobState.PROCESSING)
    failed = transitions.fail(job, NOW, "it failed", an_exception())
    again = transitions.fail_and_retry(
        job, NOW, "it failed", an_exception(), delay=timedelta(1), retry_reason="retry 1 of 10"
    )
    assert failed.fingerprint == again.fingerprint == fingerprint_of(job.target, "it failed", an_exception())
    assert transitions.succeed(job, NOW).fingerprint is None
    assert transitions.hand_back(job, NOW, "the server stops", begun=True).fingerprint is None


# -- places


def caught(code: object, *arguments: object) -> BaseException:
    try:
        code(*arguments)  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fails_in_the_library() -> None:
    json.loads("{")


def function_of(module: str, file: str) -> FunctionType:
    """A function that fails, as if it stood in line 3 of a module."""
    namespace = vars(ModuleType(module))
    exec(compile("\n\ndef send(): raise ValueError", file, "exec"), namespace)
    function: FunctionType = namespace["send"]
    return function


def test_the_place_is_the_innermost_frame_of_the_application() -> None:
    place = record_exception(caught(fails_in_the_library), 1000).place
    assert place.endswith(" in fails_in_the_library")
    assert "test_fingerprints.py:" in place


def test_without_a_frame_of_the_application_it_is_the_innermost() -> None:
    error = caught(json.loads, "{")
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next  # without this file
    place = record_exception(error, 1000).place
    assert place.startswith("json/decoder.py:")


@pytest.mark.parametrize(
    ("module", "file", "place"),
    [
        ("shop.mail", "/srv/a/shop/mail.py", "shop/mail.py:3 in send"),
        ("shop", "/srv/a/shop/__init__.py", "shop/__init__.py:3 in send"),
        ("__main__", "/srv/a/shop.py", "shop.py:3 in send"),
    ],
)
def test_a_place_is_called_the_same_wherever_the_application_lies(module: str, file: str, place: str) -> None:
    assert record_exception(caught(function_of(module, file)), 1000).place == place


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert record_exception(ValueError("x"), 1000).place == ""

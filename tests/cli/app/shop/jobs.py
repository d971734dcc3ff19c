"""Jobs that tell by files what they do, because the test is in another process."""

from __future__ import annotations

import time
from pathlib import Path

from jobrunr import JobRunr, current_job

jobrunr = JobRunr("sqlite:///shop.db", poll_interval="100ms", heartbeat_interval="500ms", server_timeout="5s")


def make() -> JobRunr:
    return JobRunr("sqlite:///made.db")


def make_remote() -> JobRunr:
    return JobRunr("postgresql://127.0.0.1:1/shop")


def make_forgetful() -> JobRunr:
    return JobRunr("memory://")


def make_nothing() -> str:
    return "nothing"


def cannot_make() -> JobRunr:
    raise RuntimeError("no way")


def send_welcome(email: str, copies: int = 1) -> str:
    if "@" not in email:
        raise ValueError(f"{email!r} is no address")
    return f"{copies} to {email}"


def say(text: str) -> None:
    current_job().log.info("said %s", text)


def wait(began: str, go: str) -> str:
    """Run until a file is there, whoever says what."""
    Path(began).touch()
    deadline = time.monotonic() + 60
    while not Path(go).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return "waited"


def wait_politely(began: str) -> None:
    """Run until somebody says that it is no longer wanted."""
    Path(began).touch()
    current_job().wait_cancelled(60)
    current_job().raise_if_cancelled()


def end_early(began: str) -> str:
    """Run until somebody says that it is no longer wanted, and then be content with what there is."""
    Path(began).touch()
    current_job().wait_cancelled(60)
    return "half of it"

"""A second server in a process of its own: Python runs one thread at a time, and most machines have more than one core.

It is the same application on the same database, which is all that servers need to share work.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from jobrunr.demo.application import make_application

_PATIENCE = 20.0


@contextmanager
def second_server(url: str) -> Iterator[None]:
    """Have it run for the duration of a block. It ends when our end of the pipe is closed, so it cannot outlive us."""
    command = [sys.executable, "-W", "ignore", "-m", __name__, url]
    # A session of its own: Ctrl-C is for us, and we tell it.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:  # noqa: S603 - our own module
        assert process.stdin is not None
        try:
            yield
        finally:
            process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    with make_application(sys.argv[1]) as jobrunr, jobrunr.server():
        sys.stdin.read()

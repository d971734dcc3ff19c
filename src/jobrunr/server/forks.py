"""Jobs that fork."""

from __future__ import annotations

import os
from types import TracebackType

from jobrunr.forks import generation


class EndingForks:
    """A job that forks returns twice: the second time in a process that is no server, and must not go on as one."""

    __slots__ = ("_generation",)

    def __enter__(self) -> None:
        self._generation = generation()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if generation() != self._generation:
            os._exit(0)

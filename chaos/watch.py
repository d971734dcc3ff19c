"""Looks at the tables while a trial goes on, for how long jobs stay in the hands of servers that are gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import URL, NullPool, create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from jobrunr import JobState
from jobrunr.storage.sql.tables import Tables

LOOK = 0.2
"""Seconds between two looks."""

Hold = tuple[str, str, str]
"""A job, the token under which it is held, and the name of the server that holds it."""


class Watch:
    """A thread with a connection of its own.

    Arguments:
        url: the database, by a way that no fault is on.
        gone_since: since when the server of this name is gone, in seconds of the clock of this machine; None if it lives.
        healed_at: when the last fault of the storage was over. What is recovered is counted from there on.
    """

    def __init__(self, url: URL, gone_since: Callable[[str], float | None], healed_at: Callable[[], float | None]) -> None:
        jobs = Tables().jobs.c
        self._held = select(jobs.id, jobs.claim_token, jobs.server_name).where(jobs.state == JobState.PROCESSING.value)
        self._engine = create_engine(url, poolclass=NullPool)
        self._gone_since = gone_since
        self._healed_at = healed_at
        self._orphaned: dict[Hold, float] = {}
        self._failed_at = 0.0
        self.recoveries: list[float] = []
        """For how many seconds jobs were in the hands of servers that were gone, outages included."""
        self.longest: tuple[float, Hold] | None = None
        """For how many seconds at most, from when the storage was well again, and which job it was."""
        self._error: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def _run(self) -> None:
        try:
            while not self._stopping.wait(LOOK):
                with suppress(SQLAlchemyError):
                    self._look()
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody watches from here on
            self._error = error

    def _look(self) -> None:
        began = time.time()
        self._failed_at, before = began, self._failed_at  # until we know better
        with self._engine.connect() as connection:
            held = {(str(job), str(token), str(name)) for job, token, name in connection.execute(self._held)}
        self._failed_at = before
        now = time.time()
        for hold in [hold for hold in self._orphaned if hold not in held]:
            self.recoveries.append(now - self._orphaned.pop(hold))
        for hold in held:
            gone_since = self._gone_since(hold[2])
            if gone_since is None:
                self._orphaned.pop(hold, None)
            elif gone_since < began:
                self._orphaned[hold] = gone_since
                well_since = max(gone_since, self._failed_at, self._healed_at() or now)
                self.longest = max(self.longest or (0.0, hold), (now - well_since, hold))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

"""A steady stream of jobs of several kinds, asked for by somebody to whom faults happen, too."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from chaos import jobs
from chaos.trial import Trial
from jobrunr import JobId, JobRunr
from jobrunr.errors import StorageUnavailableError

MIX: list[tuple[int, Callable[..., Any], tuple[object, ...], dict[str, Any]]] = [
    (80, jobs.take_effect, (), {}),
    (8, jobs.take_effect_awaiting, (0.05,), {}),
    (6, jobs.take_effect, (0.2,), {}),
    (4, jobs.take_effect_in_transaction, (), {}),
    (1, jobs.take_effect_in_transaction, (0.2,), {}),
    (1, jobs.take_effect, (3.0,), {}),
    (3, jobs.fail_once, (), {}),
    (1, jobs.fail_for_good, (), {"retries": 1}),
]
"""What is asked for: how often in relation to the others, what, with which arguments and options."""


class Stream:
    """A thread that asks for jobs, for the duration of a block.

    Arguments:
        app: the way to the storage, through all faults.
        rate: jobs per second.
    """

    def __init__(self, trial: Trial, app: JobRunr, rate: float, seed: int) -> None:
        self._trial = trial
        self._app = app
        self._rate = rate
        self._dice = random.Random(seed)
        self.refused = 0
        """How often nobody knew whether a job was stored."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def _run(self) -> None:
        began, asked = time.monotonic(), 0
        while not self._stopping.is_set():
            due = int((time.monotonic() - began) * self._rate) - asked
            if due > self._rate:  # an outage is not made up for
                began, asked, due = time.monotonic(), 0, 1
            for _ in range(due):
                if self._stopping.is_set():
                    return
                self._ask()
            asked += due
            self._stopping.wait(0.02)

    def _ask(self) -> None:
        ((_, function, args, options),) = self._dice.choices(MIX, [often for often, *_ in MIX])
        job_id = JobId.new()
        for _ in range(2):  # who does not know whether it worked asks again under the same id
            try:
                self._trial.ask(function, *args, app=self._app, id=job_id, **options)
            except StorageUnavailableError:
                self.refused += 1
            else:
                return
            self._stopping.wait(0.05)

    def __enter__(self) -> Self:
        options = self._trial.app.scheduler.options(max_concurrent=100)
        for name in ("tick", "tock"):
            options.options(id=name).schedule_recurrently(timedelta(seconds=1), jobs.tick)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        with suppress(StorageUnavailableError):
            for name in ("tick", "tock"):
                self._trial.app.scheduler.recurring.delete(name)

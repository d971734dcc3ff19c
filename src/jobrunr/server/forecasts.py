"""The forecast that is known, and a newer one about once a day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from jobrunr.carbon import (
    FORECAST,
    PROBLEM,
    CarbonForecast,
    Forecast,
    KeptForecast,
    Known,
    check_is_of_use,
    checked,
    known_at,
    read_kept,
)
from jobrunr.errors import ForecastError
from jobrunr.storage.contract import StorageProvider
from jobrunr.texts import message_of, storable

_log = logging.getLogger("jobrunr.server")

SLOW = timedelta(minutes=1)
"""An answer that takes longer is a failure; nobody waits for it any more, and if it comes after all it is welcome."""

InBackground = Callable[[Callable[[], None]], None]
"""Calls something soon, on a thread of its own."""


def _in_a_thread(ask: Callable[[], None]) -> None:
    threading.Thread(target=ask, name="jobrunr-forecast", daemon=True).start()


class Forecasts:
    """Asks for forecasts, and keeps them in the storage. For one thread, which never waits for a source.

    Arguments:
        storage: keeps them.
        source: where to ask; None when nobody was named.
        in_background: where the source is called.
    """

    def __init__(
        self, storage: StorageProvider, source: CarbonForecast | None, in_background: InBackground = _in_a_thread
    ) -> None:
        self._storage = storage
        self._source = source
        self._in_background = in_background
        self._question: _Question | None = None
        self.answered: Callable[[], None] = lambda: None
        """Is called, on another thread, when there is an answer to look at."""

    def look(self, now: datetime) -> Known:
        """What is known. Takes the answer that has come since the last look, and asks when it is time."""
        kept = read_kept(self._storage.get_metadata(FORECAST))
        if self._source is None:
            return Known() if kept is None else Known(kept.forecast)
        if self._question is not None:
            kept = self._take(self._question, kept, now)
        known = known_at(now, kept)
        if self._question is None and known.ask_at is not None and known.ask_at <= now:
            self._question = _Question(self._source, now)
            self._begin(self._question)
        return known

    def _begin(self, question: _Question) -> None:
        def ask() -> None:
            question.ask()
            self.answered()

        try:
            self._in_background(ask)
        except RuntimeError as error:  # the system gives no more threads
            question.answer = error

    def _take(self, question: _Question, kept: KeptForecast | None, now: datetime) -> KeptForecast | None:
        """What is kept after a look at what has become of a question."""
        answer = question.answer
        another_was_faster = kept is not None and kept.got_at is not None and question.asked_at < kept.got_at <= now
        if not another_was_faster:
            kept = self._looked_at(answer, question.asked_at, kept, now)
        if answer is not None:
            self._question = None
        return kept

    def _looked_at(
        self, answer: Forecast | BaseException | None, asked_at: datetime, kept: KeptForecast | None, now: datetime
    ) -> KeptForecast | None:
        match answer:
            case None:
                is_noted = kept is not None and kept.tried_at > asked_at and kept.ask_at > now
                return kept if is_noted or now - asked_at < SLOW else self._failed(kept, now, "there is no answer yet")
            case Forecast() as forecast:
                try:
                    check_is_of_use(forecast, now)
                except ForecastError as error:
                    return self._failed(kept, now, _words(error))
                return self._keep(KeptForecast(forecast=forecast, tried_at=asked_at, got_at=asked_at), "")
            case error:
                return self._failed(kept, now, _words(error))

    def _failed(self, kept: KeptForecast | None, now: datetime, why: str) -> KeptForecast:
        failed = (kept or KeptForecast(tried_at=now)).failed(now)
        problem = f"There is no new forecast of carbon intensity: {why.rstrip('.')}."
        _log.warning("%s It is asked for again at %s.", problem, failed.ask_at)
        return self._keep(failed, f"{problem} It is asked for again at {failed.ask_at:%Y-%m-%d %H:%M} UTC.")

    def _keep(self, kept: KeptForecast, problem: str) -> KeptForecast:
        self._storage.put_metadata(PROBLEM, problem)
        self._storage.put_metadata(FORECAST, kept.note)
        return kept


class _Question:
    """What a source was asked, and what it answers, whatever that is."""

    def __init__(self, source: CarbonForecast, asked_at: datetime) -> None:
        self._source = source
        self.asked_at = asked_at
        self.answer: Forecast | BaseException | None = None
        """None while there is none."""

    def ask(self) -> None:
        try:
            self.answer = checked(self._source.fetch())
        except BaseException as error:  # noqa: BLE001 - a source may be the application's, and its SystemExit nobody's
            self.answer = error


def _words(error: BaseException) -> str:
    """What is wrong; never nothing."""
    message = message_of(error).strip()
    if not isinstance(error, ForecastError) or not message:
        name = type(error).__name__
        message = f"{name}: {message}" if message else name
    return storable(message, 500)

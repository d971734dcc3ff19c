"""What the storage keeps of forecasts, for whoever is master next and for whoever makes a job."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec.structs import replace

from jobrunr.carbon.checking import checked
from jobrunr.carbon.choosing import Known
from jobrunr.carbon.forecast import Forecast
from jobrunr.errors import ForecastError

FORECAST, PROBLEM = "carbon-forecast", "problem-carbon-forecast"
"""The names of notes in the storage."""

FRESH = timedelta(hours=23, minutes=30)
"""How long a forecast is good for that does not say when there is a newer one: a day, but for what is made once a day to
find that it is time at the same hour."""

SHORTEST_REST = timedelta(hours=1)
"""Between two forecasts, whatever they say about the next one."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=15), timedelta(hours=4)
"""Before the first try after a failure, which doubles with each."""

_SKEW = timedelta(minutes=1)
"""So much further ahead than ours may the clock of a former master have been."""

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class KeptForecast(msgspec.Struct, frozen=True, kw_only=True):
    """The newest forecast, and how it is with the one to follow."""

    forecast: Forecast | None = None
    got_at: _Moment | None = None
    tried_at: _Moment
    failures: Annotated[int, msgspec.Meta(ge=0)] = 0
    """How many tries in a row have failed."""

    def failed(self, now: datetime) -> KeptForecast:
        """After one more try in vain."""
        return replace(self, tried_at=now, failures=self.failures + 1)

    @property
    def ask_at(self) -> datetime:
        """When to ask for a newer one."""
        if self.failures or self.got_at is None:
            return self.tried_at + min(FIRST_PAUSE * (1 << min(max(self.failures - 1, 0), 10)), LONGEST_PAUSE)
        if self.forecast is None or self.forecast.next_at is None:
            return self.got_at + FRESH
        return max(self.forecast.next_at, self.got_at + SHORTEST_REST)

    @property
    def note(self) -> str:
        """As text."""
        return msgspec.json.encode(self).decode()


_decoder = msgspec.json.Decoder(KeptForecast)


def read_kept(note: str | None) -> KeptForecast | None:
    """From a note; None when there is none, or a damaged one."""
    try:
        if note is None:
            return None
        kept = _decoder.decode(note)
        return kept if kept.forecast is None else replace(kept, forecast=checked(kept.forecast))
    except (msgspec.MsgspecError, ForecastError):
        return None


def known_at(now: datetime, kept: KeptForecast | None) -> Known:
    """What is known at a moment, to somebody who has a source."""
    if kept is None:
        return Known(ask_at=now)
    if kept.tried_at > now + _SKEW:  # the clock was put back
        return Known(kept.forecast, ask_at=now)
    return Known(kept.forecast, kept.ask_at)

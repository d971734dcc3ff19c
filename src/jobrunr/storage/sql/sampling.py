"""The totals of past minutes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, select

from jobrunr.storage.contract import Sample, Totals
from jobrunr.storage.overview import KEEP_SAMPLES, minute_of
from jobrunr.storage.sql.column_types import UtcTime
from jobrunr.storage.sql.counting import Counting
from jobrunr.storage.sql.dialects.base import Dialect


class Sampling:
    """The table of samples."""

    def __init__(self, dialect: Dialect, counting: Counting) -> None:
        samples = dialect.tables.samples
        moment = bindparam("moment", type_=UtcTime())
        self.dialect = dialect
        self._counting = counting
        self._since = (
            select(samples.c.at, samples.c.succeeded, samples.c.failed)
            .where(samples.c.at >= moment)
            .order_by(samples.c.minute)
        )
        self._forget = delete(samples).where(samples.c.minute <= moment)

    def take(self, connection: Connection) -> Sample:
        """The totals of now."""
        return Sample(self.dialect.now(connection), self._counting.totals(connection))

    def keep(self, connection: Connection, sample: Sample) -> None:
        """Keep the totals of a minute, unless some are kept."""
        totals = sample.totals
        row = {"minute": minute_of(sample.at), "at": sample.at, "succeeded": totals.succeeded, "failed": totals.failed}
        self.dialect.insert_missing(connection, self.dialect.tables.samples, [row])

    def since(self, connection: Connection, moment: datetime) -> list[Sample]:
        """What was kept from a moment on."""
        rows = connection.execute(self._since, {"moment": moment})
        return [Sample(at, Totals(succeeded, failed)) for at, succeeded, failed in rows]

    def forget(self, connection: Connection) -> None:
        """Remove what is old."""
        connection.execute(self._forget, {"moment": self.dialect.now(connection) - KEEP_SAMPLES})

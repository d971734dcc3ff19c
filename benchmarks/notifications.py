"""The least that a message takes on PostgreSQL, from one connection to another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from psycopg import Connection
from sqlalchemy import URL


def round_trips(url: URL, count: int, every: float) -> Iterator[float]:
    """Seconds from the call of NOTIFY to the moment at which the one who listens, a thread here, has it."""
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with Connection.connect(address, autocommit=True) as speaks, Connection.connect(address, autocommit=True) as hears:
        hears.execute("LISTEN raw")
        arrived: list[float] = []

        def listen() -> None:
            arrived.extend(time.monotonic() for _ in hears.notifies(stop_after=count))

        thread = threading.Thread(target=listen)
        thread.start()
        sent = []
        for _ in range(count):
            time.sleep(every)
            sent.append(time.monotonic())
            speaks.execute("NOTIFY raw")
        thread.join()
    yield from (there - here for here, there in zip(sent, arrived, strict=True))

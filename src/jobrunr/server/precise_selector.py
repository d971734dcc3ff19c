"""How the event loop of a server waits."""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

_LONG = 0.1
"""Seconds in which a millisecond does not count."""
_FILES_OF_SELECT = 1024
"""How many files `select` knows, whatever the system allows."""


def new_event_loop() -> asyncio.AbstractEventLoop:
    """An event loop of the kind that the application has chosen, as exact as it can be.

    >>> loop = new_event_loop()
    >>> loop.run_until_complete(asyncio.sleep(0.0001))
    >>> loop.close()
    """
    loop = asyncio.new_event_loop()
    if sys.platform == "linux" and type(loop) is asyncio.SelectorEventLoop:
        loop.close()
        loop = asyncio.SelectorEventLoop(PreciseSelector())
    return loop


if sys.platform == "linux":

    class PreciseSelector(selectors.EpollSelector):
        """Waits as long as it is told to.

        epoll counts in whole milliseconds, so an event loop on it lets all sleepers oversleep, and then wakes those of a
        whole millisecond together, one of which has to wait for the other. `select` is exact, and can wait for epoll.
        """

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            if timeout is not None and 0 < timeout < _LONG and self.fileno() < _FILES_OF_SELECT:
                select.select((self,), (), (), timeout)
                timeout = 0
            return super().select(timeout)

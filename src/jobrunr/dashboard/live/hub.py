"""The one reader."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

_log = logging.getLogger("jobrunr.dashboard")

Fragments = Mapping[str, str]
"""From the id of an element to its new HTML."""
Topic = Callable[[str], Fragments]
"""Reads what is to be shown about something; the argument is what stands behind the slash in the name of the topic."""

INTERVAL = 1.0
"""Seconds between two looks at the storage."""
HEARTBEAT = 10.0
"""Seconds after which those who watch hear something in any case."""
MOST_WATCHERS = 200


class Hub:
    """Looks at the storage on behalf of everybody who watches the same thing, and tells all of them what changed.

    Arguments:
        topics: by name; a page watches ``"counts"`` or ``"job/0198…"``.
    """

    def __init__(self, topics: Mapping[str, Topic]) -> None:
        self._topics = topics
        self._watched: dict[str, _Watched] = {}
        self._watchers: set[asyncio.Queue[Fragments]] = set()
        self._is_closed = False

    def knows(self, name: str) -> bool:
        """Whether there is such a topic."""
        return name.partition("/")[0] in self._topics

    @property
    def is_full(self) -> bool:
        """Whether nobody more can watch."""
        return len(self._watchers) >= MOST_WATCHERS

    async def watch(self, names: list[str]) -> AsyncIterator[Fragments]:
        """First everything about these topics, then what changes. Now and then nothing, so that whoever watches can look
        whether they still should."""
        news: asyncio.Queue[Fragments] = asyncio.Queue(maxsize=100)
        self._watchers.add(news)
        try:
            for name in names:
                self._join(name, news)
            while not self._is_closed:
                try:
                    fragments = await asyncio.wait_for(news.get(), HEARTBEAT)
                except TimeoutError:
                    fragments = {}
                yield fragments
        finally:
            self._watchers.discard(news)
            for name in names:
                self._leave(name, news)

    def read(self, names: list[str]) -> Fragments:
        """Everything about these topics, once."""
        fragments: dict[str, str] = {}
        for name in names:
            kind, _, argument = name.partition("/")
            fragments |= self._topics[kind](argument)
        return fragments

    def close(self) -> None:
        """Let nobody watch any longer: the server stops. To be called in its event loop."""
        self._is_closed = True
        for news in self._watchers:
            with suppress(asyncio.QueueFull):  # then there is something to wake up for already
                news.put_nowait({})

    def _join(self, name: str, news: asyncio.Queue[Fragments]) -> None:
        watched = self._watched.get(name)
        if watched is None:
            kind, _, argument = name.partition("/")
            watched = self._watched[name] = _Watched(self._topics[kind], argument)
        watched.join(news)

    def _leave(self, name: str, news: asyncio.Queue[Fragments]) -> None:
        watched = self._watched.get(name)
        if watched is not None and watched.leave(news):
            del self._watched[name]


class _Watched:
    """One topic that somebody watches."""

    def __init__(self, read: Topic, argument: str) -> None:
        self._read = read
        self._argument = argument
        self._shown: dict[str, str] = {}
        self._queues: set[asyncio.Queue[Fragments]] = set()
        self._task = asyncio.create_task(self._go_on_reading())

    def join(self, news: asyncio.Queue[Fragments]) -> None:
        self._queues.add(news)
        if self._shown:
            news.put_nowait(dict(self._shown))

    def leave(self, news: asyncio.Queue[Fragments]) -> bool:
        """Whether nobody is left."""
        self._queues.discard(news)
        if not self._queues:
            self._task.cancel()
        return not self._queues

    async def _go_on_reading(self) -> None:
        while True:
            try:
                fragments = await run_in_threadpool(self._read, self._argument)
            except Exception as error:  # noqa: BLE001 - the page says so by itself; the next look may go well
                _log.debug("a live page could not be read: %s", error)
            else:
                self._tell({name: html for name, html in fragments.items() if self._shown.get(name) != html})
            await asyncio.sleep(INTERVAL)

    def _tell(self, changed: dict[str, str]) -> None:
        if not changed:
            return
        self._shown |= changed
        for news in self._queues:
            with suppress(asyncio.QueueFull):  # somebody who reads too slowly misses something, and gets the next
                news.put_nowait(changed)

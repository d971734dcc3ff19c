"""How the event loop of a server waits."""

from __future__ import annotations

import asyncio
import os
import selectors
import sys
import time
from contextlib import closing

import pytest

from jobrunr.server import precise_selector

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others count in smaller units")


def waits(loop: asyncio.AbstractEventLoop) -> float:
    """Seconds that the shortest of many short waits takes."""

    async def wait() -> float:
        began = time.perf_counter()
        await asyncio.sleep(0.0001)
        return time.perf_counter() - began

    with closing(loop):
        return min(loop.run_until_complete(wait()) for _ in range(100))


def test_it_does_not_round_up_to_milliseconds() -> None:
    assert waits(precise_selector.new_event_loop()) < 0.001


def test_without_a_number_that_select_knows_it_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precise_selector, "_FILES_OF_SELECT", 0)
    monkeypatch.setattr(precise_selector, "select", None)
    with closing(precise_selector.PreciseSelector()) as selector:
        began = time.perf_counter()
        assert selector.select(0.0001) == []
        assert time.perf_counter() - began >= 0.0001


def test_a_file_that_is_ready_ends_a_wait() -> None:
    reader, writer = os.pipe()
    with closing(precise_selector.PreciseSelector()) as selector, os.fdopen(reader, "rb"), os.fdopen(writer, "wb") as end:
        selector.register(reader, selectors.EVENT_READ)
        assert selector.select(0.0001) == []
        end.write(b"x")
        end.flush()
        ((key, events),) = selector.select(0.09)
        assert (key.fd, events) == (reader, selectors.EVENT_READ)


def test_the_kind_of_loop_is_for_the_application_to_choose() -> None:
    class Chosen(asyncio.SelectorEventLoop):
        pass

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return Chosen()

    asyncio.set_event_loop_policy(Policy())
    try:
        with closing(precise_selector.new_event_loop()) as loop:
            assert type(loop) is Chosen
    finally:
        asyncio.set_event_loop_policy(None)

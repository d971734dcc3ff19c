"""The stream of events to one browser."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from jobrunr.dashboard.call import Call
from jobrunr.dashboard.live.hub import Hub
from jobrunr.dashboard.refusal import Refusal

MOST_TOPICS = 5
RECHECK = 30.0
"""Seconds after which somebody who watches has to be let in again."""


def stream(hub: Hub, call: Call) -> Response:
    """Tell a browser what changes.

    Raises:
        Refusal: there is no such topic, or too many watch already.
    """
    topics = _topics(hub, call)
    if hub.is_full:
        raise Refusal(503, "Too many pages are open; this one does not move. Reload it to see what is new.")

    async def events() -> AsyncIterator[dict[str, str]]:
        async with aclosing(hub.watch(topics)) as changes:  # type: ignore[type-var]
            checked = time.monotonic()
            async for fragments in changes:
                if time.monotonic() - checked > RECHECK:
                    if not await call.is_welcome():
                        return
                    checked = time.monotonic()
                if fragments:
                    yield {"event": "change", "data": msgspec.json.encode(fragments).decode()}

    return EventSourceResponse(events(), ping=15, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


def glance(hub: Hub, call: Call) -> Response:
    """What there is to see at this moment, to a browser that asks again soon: where a connection cannot stay open.

    Raises:
        Refusal: there is no such topic.
    """
    fragments = msgspec.json.encode(hub.read(_topics(hub, call))).decode()
    return Response(f"retry: 2000\nevent: change\ndata: {fragments}\n\n", media_type="text/event-stream")


def _topics(hub: Hub, call: Call) -> list[str]:
    topics = call.query.getlist("topic")
    if not topics or len(topics) > MOST_TOPICS or not all(map(hub.knows, topics)):
        raise Refusal(422, f"Watch one to {MOST_TOPICS} of the topics that pages have.", "topic")
    return topics

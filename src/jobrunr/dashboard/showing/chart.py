"""A chart of what was done: what succeeded stands on a line, what failed hangs below it."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from jobrunr.dashboard.throughput import Flow, Part
from jobrunr.durations import format_duration

WIDTH, HEIGHT = 600.0, 120.0
_GAP = 0.2
"""Which share of a column is empty."""
_LOWEST = 2.0
"""So high is a bar at least of which there is something to see."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One column."""

    part: Part
    x: float
    width: float
    up: float
    """How high what succeeded is."""
    down: float
    """How far what failed hangs down."""
    words: str


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is, in a box of `WIDTH` and `HEIGHT`."""

    flow: Flow
    line: float
    """The height at which the line is, from above."""
    bars: tuple[Bar, ...]
    most_succeeded: int
    most_failed: int
    part: str
    """How long a column is, behind "in"."""
    words: str
    width: float = WIDTH
    height: float = HEIGHT


def chart(flow: Flow) -> Chart:
    """Draw a flow. Both directions have the same scale."""
    done = [part.done for part in flow.parts if part.done is not None]
    most_succeeded = max((each.succeeded for each in done), default=0)
    most_failed = max((each.failed for each in done), default=0)
    scale = (HEIGHT - 2 * _LOWEST) / max(most_succeeded + most_failed, 1)
    below = most_failed * scale + _LOWEST
    column = WIDTH / len(flow.parts)
    return Chart(
        flow=flow,
        line=round(HEIGHT - below, 1),
        bars=tuple(
            _bar(part, index * column + column * _GAP / 2, column * (1 - _GAP), scale)
            for index, part in enumerate(flow.parts)
        ),
        most_succeeded=most_succeeded,
        most_failed=most_failed,
        part=in_words(flow.window.part),
        words=_words(flow, most_succeeded, most_failed),
    )


def _bar(part: Part, x: float, width: float, scale: float) -> Bar:
    up, down = (0, 0) if part.done is None else (part.done.succeeded, part.done.failed)
    return Bar(
        part=part,
        x=round(x, 1),
        width=round(width, 1),
        up=_length(up, scale),
        down=_length(down, scale),
        words=f"{part.since:%H:%M:%S} to {part.until:%H:%M:%S} UTC: "
        + ("nothing is known" if part.done is None else f"{up:,} succeeded, {down:,} failed"),
    )


def _length(count: int, scale: float) -> float:
    return round(max(count * scale, _LOWEST), 1) if count else 0.0


def _words(flow: Flow, most_succeeded: int, most_failed: int) -> str:
    said = f"In the last {flow.window.name}, {flow.done.succeeded:,} attempts succeeded and {flow.done.failed:,} failed."
    if flow.ended:
        said += f" In {in_words(flow.window.part)}, at most {most_succeeded:,} succeeded and {most_failed:,} failed."
    return said


def in_words(part: timedelta) -> str:
    """How long a part is, behind "in".

    >>> in_words(timedelta(minutes=1)), in_words(timedelta(seconds=10))
    ('a minute', '10 s')
    """
    return "a minute" if part == timedelta(minutes=1) else format_duration(part)

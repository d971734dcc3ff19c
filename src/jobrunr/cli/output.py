"""Text for a terminal: tables, moments, durations, and whatever strangers have written into the storage."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
import msgspec

from jobrunr.states import JobState

STATE_COLOURS = {
    JobState.AWAITING: "cyan",
    JobState.SCHEDULED: "cyan",
    JobState.ENQUEUED: "blue",
    JobState.PROCESSING: "yellow",
    JobState.PROCESSED: "yellow",
    JobState.SUCCEEDED: "green",
    JobState.FAILED: "red",
    JobState.DELETED: "bright_black",
}

_ENDLESS = 100_000


def columns() -> int:
    """How wide the output may be. Without end when it is not read in a terminal: whoever greps wants whole lines."""
    if sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return _ENDLESS


def print_json(value: Any) -> None:
    """Print a value as JSON, indented."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


# -- text


def printable(text: str) -> str:
    r"""Text from the storage on one line. Control characters are shown and not obeyed: a terminal does what it reads.

    >>> printable("50 %\x1b[2J\nof 10")
    '50 %\\x1b[2J\\nof 10'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def printable_lines(text: str) -> list[str]:
    """As `printable`, line by line."""
    return [printable(line.expandtabs()) for line in text.split("\n")]


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, width: int) -> str:
    """Text cut to a number of cells.

    >>> fit("send_welcome", 8)
    'send_we…'
    """
    if cells(text) <= width:
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width - 1:
            return text[:index] + "…"
    return text


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Text with spaces to a number of cells."""
    spaces = " " * (width - cells(text))
    return spaces + text if right else text + spaces


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> Iterator[str]:
    """Lines of a table; its last column is cut where the terminal ends.

    Arguments:
        numbers: indexes of the columns to align at the right.
    """
    all_rows = [tuple(head), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(cells(row[index]) for row in all_rows) for index in range(len(head))]
    for row in all_rows:
        parts = [pad(text, widths[index], right=index in numbers) for index, text in enumerate(row)]
        yield fit("  ".join(parts).rstrip(), columns())


def state_name(state: JobState, width: int = 0) -> str:
    """The name of a state in its colour."""
    return click.style(pad(state.value, width), fg=STATE_COLOURS[state])


# -- time


def moment(at: datetime) -> str:
    """A moment in the time zone of this machine, to the millisecond.

    >>> len(moment(datetime(2026, 11, 24, 2, 0, 0, 123456, tzinfo=UTC)))
    23
    """
    return f"{date(at)} {time(at)}"


def date(at: datetime) -> str:
    """The day of a moment, in the time zone of this machine."""
    return at.astimezone().date().isoformat()


def time(at: datetime) -> str:
    """The time of day of a moment, in the time zone of this machine, to the millisecond."""
    return at.astimezone().time().isoformat("milliseconds")


def zone(at: datetime) -> str:
    """The time zone in which `moment` shows this one.

    >>> zone(datetime.now(UTC)).startswith("UTC")
    True
    """
    name = at.astimezone().strftime("UTC%z")
    return "UTC" if name == "UTC+0000" else f"{name[:-2]}:{name[-2:]}"


def age(at: datetime | None, now: datetime) -> str:
    """How long ago something was, in one unit, for tables. Never less than nothing, although two clocks may differ a little.

    >>> age(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 4, 12, tzinfo=UTC))
    '4 min'
    """
    if at is None:
        return "-"
    seconds = max(0, int((now - at).total_seconds()))
    for unit, unit_seconds, least in (("d", 86_400, 2), ("h", 3600, 2), ("min", 60, 2)):
        if seconds >= least * unit_seconds:
            return f"{seconds // unit_seconds} {unit}"
    return f"{seconds} s"


def whole_seconds(duration: timedelta) -> timedelta:
    """Without what nobody wants to see change all the time."""
    return timedelta(seconds=round(duration.total_seconds())) if duration >= timedelta(seconds=1) else duration


def size(count: int) -> str:
    """Bytes, as a person reads them.

    >>> size(88_080_384)
    '84 MiB'
    """
    for unit, unit_size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= unit_size:
            amount = count / unit_size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"
    return f"{count} bytes"


def bar(share: float, width: int) -> str:
    """A bar of progress.

    >>> bar(0.5, 10)
    '█████░░░░░'
    """
    full = round(share * width)
    return "█" * full + "░" * (width - full)

"""The templates. Whatever is put into one is text, never markup."""

from __future__ import annotations

from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from jobrunr.dashboard.call import link
from jobrunr.durations import format_duration


def _when(moment: datetime | None) -> Markup | str:
    """A moment; a script writes it as the person likes it."""
    if moment is None:
        return "\N{EN DASH}"
    utc = moment.astimezone(UTC)
    text = utc.strftime("%Y-%m-%d %H:%M:%S")
    return Markup('<time datetime="{}" title="{} UTC">{} UTC</time>').format(utc.isoformat(), text, text)


def _in_code(text: str) -> Markup:
    """Text with words between backticks, which are code."""
    return Markup().join(
        Markup("<code>{}</code>").format(piece) if index % 2 else piece for index, piece in enumerate(text.split("`"))
    )


def size(amount: float) -> str:
    """Bytes for people.

    >>> [size(n) for n in (0, 999, 1500, 48_300_000)]
    ['0 B', '999 B', '1.5 kB', '48.3 MB']
    """
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.4g} TB"


def _clock(moment: datetime) -> Markup:
    """The time of day of a moment, to the millisecond."""
    utc = moment.astimezone(UTC)
    text = utc.isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")
    shown = text.partition(" ")[2]
    return Markup('<time datetime="{}" title="{} UTC" data-way="clock">{}</time>').format(utc.isoformat(), text, shown)


templates = Environment(
    loader=PackageLoader("jobrunr.dashboard"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
templates.filters["when"] = _when
templates.filters["clock"] = _clock
templates.filters["in_code"] = _in_code
templates.filters["duration"] = format_duration
templates.filters["number"] = "{:,}".format
templates.filters["size"] = size
templates.globals["link"] = link

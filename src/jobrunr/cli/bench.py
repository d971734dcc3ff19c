"""``jobrunr bench``: how fast a database of the user's own is, and what limits it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click
import msgspec

from jobrunr.bench import Figures, Rate, Spread, place_beside, run, what_limits
from jobrunr.cli.application import find_storage
from jobrunr.cli.options import app_option, json_option
from jobrunr.cli.output import columns, print_json, printable
from jobrunr.cli.verb import Verb

SECONDS = 5.0

_TITLES = {
    "round_trip": "Round trip",
    "commit": "Small commit",
    "start": "Start of a job",
    "enqueue": "Enqueue one by one",
    "bulk": "Enqueue in bulk",
    "drain": "Run",
}
_TEXT_WIDTH = 80

_EXAMPLES = (
    ("A database", "jobrunr bench postgresql://localhost/shop"),
    ("The one of an application, in ten seconds", "jobrunr bench --app shop.jobs:jobrunr --seconds 1"),
    ("How many jobs it runs in a second, for a script", "jobrunr bench --json | jq .figures.drain.per_second"),
)


class Outcome(msgspec.Struct, frozen=True):
    """The shape of ``--json``."""

    figures: Figures
    limits: list[str]
    """What limits it, in sentences."""


@click.command("bench", cls=Verb, examples=_EXAMPLES, short_help="Measure a database, and say what limits it.")
@click.argument("url", metavar="[URL]", required=False)
@app_option
@click.option(
    "--seconds",
    metavar="NUMBER",
    type=click.FloatRange(0.01, 600),
    default=SECONDS,
    show_default=True,
    help="How long each measure may take.",
)
@click.option(
    "--workers", metavar="NUMBER", type=click.IntRange(1, 10_000), help="How many jobs at a time. [setting: workers]"
)
@json_option
def verb(url: str | None, app: str | None, seconds: float, workers: int | None, as_json: bool) -> None:
    """Measure your database in half a minute, and say what limits it.

    Jobs that do nothing are enqueued one by one and in bulk, and run by one server in this process. They are kept in tables
    of their own (jobrunr_bench_…), or in a file of their own beside that of SQLite; these are gone afterwards, also after
    Ctrl-C. Your own tables are not touched, but the database has work to do: not at its busiest hour, please.
    """
    screen = _Screen(silent=as_json)
    with _interrupted_once(), find_storage(app, url) as jobrunr, place_beside(jobrunr) as place:
        screen.say(f"Measuring {printable(place.where)}\n")
        figures = run(place, seconds, workers, screen.show)
    limits = what_limits(figures)
    if as_json:
        print_json(Outcome(figures, limits))
        return
    screen.say("\n" + click.style("What limits it", bold=True))
    for sentence in limits:
        screen.say("\n" + click.wrap_text(sentence, min(columns(), _TEXT_WIDTH), "  ", "  "))


class _Screen:
    """Shows what is measured, line by line, and on a terminal what is being measured.

    Arguments:
        silent: shows nothing.
    """

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent
        self._is_terminal = sys.stdout.isatty()

    def say(self, text: str) -> None:
        """Print it."""
        if not self._silent:
            click.echo(text)

    def show(self, name: str, found: Spread | Rate | None) -> None:
        """Show a measure that begins, or what came of it."""
        title = f"  {_TITLES[name]:18}  "
        if found is not None:
            self.say(("\r\x1b[K" if self._is_terminal else "") + title + figure_as_text(found))
        elif self._is_terminal and not self._silent:
            click.echo(f"{title}…", nl=False)


def figure_as_text(found: Spread | Rate) -> str:
    """What came of a measure, in columns.

    >>> figure_as_text(Spread(p50=0.2134, p99=12.51, count=400))
    '   0.213 ms      99 of 100 within 12.5 ms'
    >>> figure_as_text(Rate(per_second=7302.4, busy=0.953, count=36_512))
    '   7,302 jobs/s  this process 95% busy'
    """
    if isinstance(found, Spread):
        return f"{_short(found.p50):>8} ms      99 of 100 within {_short(found.p99)} ms"
    return f"{found.per_second:8,.0f} jobs/s  this process {found.busy:.0%} busy"


def _short(milliseconds: float) -> str:
    return f"{milliseconds:,.0f}" if milliseconds >= 100 else f"{milliseconds:.3g}"


@contextmanager
def _interrupted_once() -> Iterator[None]:
    """Let the first signal that ends processes interrupt a block, and none the tidying up that follows.

    Who started us may have us ignore some of them, as nohup does; that stays so.
    """
    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _interrupt) for number in heard}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, signal.default_int_handler)
    hook = sys.unraisablehook

    def interrupt_again(lost: sys.UnraisableHookArgs) -> None:
        # Python drops what is raised in a finalizer, and a signal may come in the middle of one.
        if lost.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            hook(lost)

    sys.unraisablehook = interrupt_again
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    click.echo("\nInterrupted; removing what was made ...", err=True)
    raise KeyboardInterrupt


_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN = 0.01
"""Seconds until an interruption that was lost comes again."""

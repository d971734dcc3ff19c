"""``jobrunr demo``: real jobs on real input, and something to look at afterwards."""

from __future__ import annotations

import platform
import shlex
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import click

from jobrunr.cli.dashboard_options import HOST, PORT, dashboard_server
from jobrunr.cli.output import bar, columns, fit, printable
from jobrunr.cli.signals import listen_for_one
from jobrunr.cli.verb import Verb
from jobrunr.demo import Demo
from jobrunr.demo.run import Ending, Glance
from jobrunr.demo.sources import standard_library
from jobrunr.errors import DashboardAddressError, MissingExtraError
from jobrunr.jobrunr import JobRunr
from jobrunr.states import JobState

if TYPE_CHECKING:
    from jobrunr.dashboard.running import DashboardServer

_SHOWN = (JobState.SCHEDULED, JobState.ENQUEUED, JobState.PROCESSING, JobState.SUCCEEDED, JobState.FAILED)

_EXAMPLES = (
    ("Here", "jobrunr demo"),
    ("Keep the database somewhere else", "jobrunr demo --keep /tmp"),
    ("Read your own code", "jobrunr demo --source src"),
)


@click.command("demo", cls=Verb, examples=_EXAMPLES, short_help="Run two thousand real jobs on Python's own code.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    default=".",
    help="The folder for its database; here by default.",
)
@click.option(
    "--source",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder to read; the standard library of this Python by default.",
)
def verb(keep: Path, source: Path | None) -> None:
    """Read Python's own standard library with two thousand jobs, in less than a minute.

    A job for every file counts what is in it, a job for every package reads its documentation, and a last one reports. A
    dashboard shows them meanwhile. The jobs are kept in jobrunr-demo.db; a database of an earlier run is replaced.
    """
    interrupts = listen_for_one(signal.SIGINT)
    folder = (source or standard_library()).absolute()
    demo = Demo(folder, keep)
    click.echo(f"Python {platform.python_version()} reads {folder}:")
    click.echo(f"{len(demo.files):,} files and {len(demo.packages):,} packages become {demo.total:,} jobs.\n")
    screen = _Screen()
    ending = demo.run(screen.show, lambda: _wait(interrupts, screen.interval), beside=_dashboard)
    click.echo("\n".join(_report(demo, ending)))


def _wait(interrupts: SimpleQueue[int], seconds: float) -> None:
    """Wait, and be interrupted here and nowhere else: not in the middle of what has to be left in order."""
    try:
        interrupts.get(timeout=seconds)
    except Empty:
        return
    raise KeyboardInterrupt


@contextmanager
def _dashboard(jobrunr: JobRunr) -> Iterator[None]:
    """Let others watch: at the usual port, or at any other that is free."""
    try:
        server = _listening(jobrunr)
    except MissingExtraError as error:
        click.echo(f"{error}\n")
        yield
        return
    server.start()
    click.echo(f"Watch them in a browser: {server.address}\n")
    try:
        yield
    finally:
        server.stop()


def _listening(jobrunr: JobRunr) -> DashboardServer:
    try:
        return dashboard_server(jobrunr, HOST, PORT)
    except DashboardAddressError:
        return dashboard_server(jobrunr, HOST, 0)


class _Screen:
    """Shows how far it is: in place on a terminal, otherwise as a line now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._height = 0
        self.interval = 0.2 if self._is_terminal else 1.0

    def show(self, glance: Glance) -> None:
        """Draw, over what was drawn before."""
        share = glance.done / glance.total
        counts = "  ".join(f"{state.value.lower()} {glance.counts[state]:,}" for state in _SHOWN)
        if not self._is_terminal:
            click.echo(f"{share:4.0%}  {counts}")
            return
        lines = [f"{bar(share, 40)} {share:4.0%}", counts, ""]
        lines += [f"  {bar(p.share or 0, 20)} {p.share or 0:4.0%}  {printable(name)}" for name, p in glance.packages]
        back = f"\x1b[{self._height}A\x1b[J" if self._height else ""
        click.echo(back + "\n".join(fit(line, columns()) for line in lines))
        self._height = len(lines)


def _report(demo: Demo, ending: Ending) -> Iterator[str]:
    totals = ending.totals
    yield ""
    yield f"{demo.total:,} jobs in {ending.seconds:.1f} s, {len(totals.failures)} of them failed."
    yield ""
    texts = totals.documentation
    yield f"  {totals.lines:>9,}  lines in {totals.files:,} files"
    yield f"  {totals.functions:>9,}  functions"
    yield f"  {totals.classes:>9,}  classes"
    share = texts.documented / (texts.definitions or 1)
    yield f"  {texts.words:>9,}  words of documentation in {totals.packages:,} packages; {share:.0%} is documented"
    yield ""
    yield _heading("The longest functions")
    for function in totals.longest:
        yield fit(f"  {function.lines:>5,} lines  {function.name}  {function.file}:{function.line}", columns())
    yield ""
    yield _heading("What failed, and why")
    if not totals.failures:
        yield "  Nothing: every file parses."
    for failure in totals.failures:
        yield f"  {printable(failure.name)}, tried {failure.attempts} times"
        yield from textwrap.wrap(
            printable(failure.reason), min(columns(), 100), initial_indent="    ", subsequent_indent="    "
        )
    yield ""
    yield from _look_further(demo, ending)


def _look_further(demo: Demo, ending: Ending) -> Iterator[str]:
    command, on = _this_command(), f"--url {shlex.quote(demo.url)}"
    yield _heading("Look further")
    yield f"  {command} dashboard {on}"
    yield f"  {command} status {on}"
    if ending.a_failed_job is not None:
        yield f"  {command} job list {on} --state failed"
    ids = [job.id for job in (ending.a_failed_job, ending.a_succeeded_job, ending.report) if job is not None]
    for job_id in dict.fromkeys(ids):  # in a small folder, the report may be the only one that succeeded
        yield f"  {command} job show {on} {job_id}"


def _this_command() -> str:
    """What to type to get here again: also where the script is not in the PATH."""
    if shutil.which("jobrunr") is not None:
        return "jobrunr"
    script = Path(sys.argv[0])
    return shlex.quote(str(script)) if script.name == "jobrunr" else f"{shlex.quote(sys.executable)} -m jobrunr.cli"


def _heading(text: str) -> str:
    return click.style(text, bold=True)

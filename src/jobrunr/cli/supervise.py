"""``jobrunr worker --processes``: start servers as child processes, and look after them until a signal comes."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from multiprocessing.spawn import get_executable

import click
from click.core import ParameterSource

from jobrunr.cli.signals import Signals
from jobrunr.cli.verb import ApplicationError, ExitCode
from jobrunr.jobrunr import JobRunr
from jobrunr.server.supervisor.supervisor import Supervisor
from jobrunr.settings import Settings
from jobrunr.storage.memory import MemoryStorageProvider

_log = logging.getLogger("jobrunr.worker")

_NOT_FOR_SERVERS = {"processes", "supervised", "server_name"}
_FOR_THE_FIRST = {"dashboard", "dashboard_host", "dashboard_port"}


def supervise(jobrunr: JobRunr, settings: Settings, commands: Sequence[Sequence[str]]) -> int:
    """Run servers until a signal comes.

    Arguments:
        settings: those of the servers.
        commands: how to start each of them; see `server_commands`.

    Returns:
        the exit code.

    Raises:
        ApplicationError: its storage is one that other processes do not reach, or the system does not tell at once when a
            process has ended.
    """
    if not hasattr(os, "pidfd_open"):
        raise ApplicationError("--processes needs Linux. Elsewhere, start several workers without it.")
    if isinstance(jobrunr.provider, MemoryStorageProvider):
        raise ApplicationError("--processes needs a database: memory:// lives in one process. Leave it out, or set url.")
    supervisor = Supervisor(jobrunr.storage, commands, settings)
    signals = Signals(supervisor.hurry, supervisor.kill)
    signals.listen()
    _log.info("%d %s looked after", len(commands), "server is" if len(commands) == 1 else "servers are")
    supervisor.start(gave_up=partial(signals.begin, "the end of a server that could not start"))
    name = signals.wait_for_first()
    _log.info("stopping all servers, on %s", name)
    all_ended = supervisor.stop()
    _log.info("all servers have stopped%s", "" if all_ended else "; some jobs run again elsewhere")
    return supervisor.failed_with or (ExitCode.DONE if all_ended else ExitCode.GIVEN_BACK)


def server_commands(context: click.Context, settings: Settings, count: int) -> list[list[str]]:
    """How to start each server: the words with which this process was started, as far as they concern servers.

    Arguments:
        context: of the verb ``worker``.
        settings: the name of the servers stands there.
        count: how many servers.
    """
    # -P: a module in the working directory shall not stand for one of ours, as it does not when `jobrunr` is called.
    python = [get_executable(), *(f"-W{option}" for option in sys.warnoptions), "-P", "-m", "jobrunr.cli", "worker"]
    commands = []
    for number in range(1, count + 1):
        words = _words(context, _NOT_FOR_SERVERS if number == 1 else _NOT_FOR_SERVERS | _FOR_THE_FIRST)
        if settings.server_name is not None:
            words += ["--name", settings.server_name if count == 1 else f"{settings.server_name}-{number}"]
        commands.append([*python, *words, "--supervised"])
    return commands


def _words(context: click.Context, without: set[str]) -> list[str]:
    """The options that were given on the command line, as they could be given again."""
    words: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        if name in without or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params.get(name, True)  # a flag that is seen to elsewhere, such as --debug
        if value is True:
            words.append(option.opts[0])
        else:
            for each in value if isinstance(value, tuple) else (value,):
                words += [option.opts[0], _written(each)]
    return words


def _written(value: object) -> str:
    return f"{value.total_seconds()}s" if isinstance(value, timedelta) else str(value)

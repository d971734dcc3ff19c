"""What all verbs have in common: help with examples, errors as one sentence, and exit codes that scripts can use."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Sequence
from enum import IntEnum
from typing import Any, Self

import click

from jobrunr.errors import (
    JobRunrError,
    MissingDriverError,
    SettingsError,
    StorageError,
    StorageUnavailableError,
)


class ExitCode(IntEnum):
    """How a verb ends, for scripts."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "Done; a worker: stopped, and every job that it ran has ended."
    NO = 1, "The answer is no: a check found something, there is no such job, the job or the call was refused."
    USAGE = 2, "Wrong usage: an option, the application, or a setting."
    STORAGE_AWAY = 3, "The storage is not available; trying again can help."
    STORAGE_SETUP = (
        4,
        "The storage cannot be used as it is: no such database, no tables, tables of a newer version, no driver.",
    )
    GIVEN_BACK = 5, "A worker stopped, but gave back jobs that still ran; they run again elsewhere."
    INTERRUPTED = 130, "Interrupted with Ctrl-C."


class ApplicationError(JobRunrError):
    """There is no usable application where we were told to look."""


_CODES: tuple[tuple[type[JobRunrError], ExitCode], ...] = (
    (StorageUnavailableError, ExitCode.STORAGE_AWAY),
    (StorageError, ExitCode.STORAGE_SETUP),
    (MissingDriverError, ExitCode.STORAGE_SETUP),
    (SettingsError, ExitCode.USAGE),
    (ApplicationError, ExitCode.USAGE),
    (JobRunrError, ExitCode.NO),
)


def exit_code_of(error: JobRunrError) -> ExitCode:
    """How a verb ends that met this error."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


Examples = Sequence[tuple[str, str]]
"""What somebody wants, and what to type for it."""


class Verb(click.Command):
    """A verb of the command line.

    Arguments:
        examples: shown at the end of its help.
    """

    def __init__(self, *args: Any, examples: Examples = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params.append(
            click.Option(
                ["--debug"], is_flag=True, expose_value=False, callback=_remember, help="Show errors with a traceback."
            )
        )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for wanted, command in self.examples:
                formatter.write_text(f"{wanted}:")
                formatter.indent()
                formatter.write(" " * formatter.current_indent + command + "\n")
                formatter.dedent()

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except JobRunrError as error:
            if ctx.meta.get(_DEBUG):
                traceback.print_exc()
            else:
                click.echo(f"{click.style('Error:', fg='red')} {error}", err=True)
            raise click.exceptions.Exit(exit_code_of(error)) from error
        except KeyboardInterrupt:
            click.echo(err=True)  # the terminal shows ^C, and stays on that line
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


class VerbGroup(click.Group):
    """Verbs under a common name. A verb that is mistyped is answered with the one that was meant."""

    command_class = Verb

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order in which they are defined

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        verbs = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in verbs and not ctx.resilient_parsing:
            close = difflib.get_close_matches(args[0], verbs, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There is {', '.join(verbs)}."
            raise click.UsageError(f"There is no {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


_DEBUG = "jobrunr.cli.debug"


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    context.meta[_DEBUG] = value

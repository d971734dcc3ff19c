"""What somebody would type to do the same."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from jobrunr.job_texts import extras_of, labels_of, read
from jobrunr.jobs import DEFAULT_QUEUE, NO_EXTRAS, Job
from jobrunr.parameters import VAR_KEYWORD, VAR_POSITIONAL


def enqueue_line(job: Job, arguments: str) -> str | None:
    """The command that makes such a job again; None when its arguments cannot be read.

    Arguments:
        arguments: its arguments as they are shown.
    """
    values = read(arguments)
    if not isinstance(values, dict) or job.unreadable is not None:
        return None
    words = ["jobrunr", "enqueue"]
    if job.queue != DEFAULT_QUEUE:
        words += ["--queue", job.queue]
    if job.priority:
        words += ["--priority", str(job.priority)]
    words += [f"--label={label}" for label in labels_of(job)]
    extras = extras_of(job)
    if extras.timeout is not None:
        words += ["--timeout", f"{extras.timeout.total_seconds():f}".rstrip("0").rstrip(".") + "s"]
    if extras.execution != NO_EXTRAS.execution:
        words += ["--execution", extras.execution]
    call = [job.target, *_words(values)]
    dashes = ["--"] if any(word.startswith("-") for word in call) else []
    return shlex.join([*words, *dashes, *call])


def job_line(verb: str, job: Job) -> str:
    """The command that does something with this job."""
    return shlex.join(["jobrunr", "job", verb, str(job.id)])


def _words(arguments: dict[str, Any]) -> Iterator[str]:
    by_position = VAR_POSITIONAL in arguments
    for key, value in arguments.items():
        if key == VAR_POSITIONAL and isinstance(value, list):
            by_position = False
            yield from (_word(item, by_name=False) for item in value)
        elif key == VAR_KEYWORD and isinstance(value, dict):
            yield from (f"{name}={_word(item)}" for name, item in value.items())
        else:
            yield _word(value, by_name=False) if by_position else f"{key}={_word(value)}"


def _word(value: Any, *, by_name: bool = True) -> str:
    """A value as a word: a text as it is, unless it would be taken for something else."""
    if isinstance(value, str) and read(value) is value and (by_name or "=" not in value):
        return value
    return msgspec.json.encode(value).decode()

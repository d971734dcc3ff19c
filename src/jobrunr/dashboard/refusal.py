"""A request that is not carried out."""

from __future__ import annotations

from collections.abc import Mapping

from jobrunr.errors import (
    ConcurrentJobModificationError,
    IllegalJobStateChangeError,
    JobNotFoundError,
    JobRunrError,
    RecurringJobNotFoundError,
    StorageError,
)


class Refusal(Exception):  # noqa: N818 - nothing is wrong with us
    """Says no to a request, in words for the person who sent it.

    Arguments:
        status: of HTTP.
        message: a sentence.
        field: which part of the request it is about.
        headers: what else the answer says.
    """

    def __init__(
        self, status: int, message: str, field: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.headers = dict(headers or {})


def refusal_of(error: JobRunrError) -> Refusal:
    """What an error of ours means to somebody who asked for something."""
    match error:
        case JobNotFoundError() | RecurringJobNotFoundError():
            status = 404
        case IllegalJobStateChangeError() | ConcurrentJobModificationError():
            status = 409
        case StorageError():
            status = 503
        case _:
            status = 422
    return Refusal(status, str(error))

"""The transaction in which a job ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Generic, TypeVar

SessionT = TypeVar("SessionT")


class JobTransaction(ABC, Generic[SessionT]):
    """A block in which a job does the last of its work: what it writes there and its SUCCEEDED are one commit.

    Get it from `jobrunr.JobContext.transaction`.
    """

    result: Any = None
    """What is kept as the result of the job. Set it before the block ends; what the function returns comes too late."""

    @abstractmethod
    def __enter__(self) -> SessionT: ...

    @abstractmethod
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @abstractmethod
    def leave_behind(self) -> Exception | None:
        """The function has ended inside the block: roll back. Returns what to say about it. Called by the server."""

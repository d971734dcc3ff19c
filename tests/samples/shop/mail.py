"""Methods as jobs."""

from __future__ import annotations

import functools
import threading
from typing import Any, Self

from jobrunr import job


class Service:
    """What services have in common."""

    def ping(self) -> str:
        return f"{type(self).__name__} is here"

    @classmethod
    def of_class(cls) -> str:
        return cls.__name__


class MailService(Service):
    limit = 10

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send(self, user_id: int, subject: str = "Hello") -> str:
        self.sent.append(user_id)
        return f"{subject}, {user_id}"

    async def send_later(self, user_id: int) -> int:
        return user_id

    @job(queue="cached")
    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033 - as people write it
    def send_once(self, user_id: int) -> int:
        return user_id

    @staticmethod
    def valid(address: str) -> bool:
        return "@" in address

    @classmethod
    def purge(cls, days: int) -> str:
        return f"{cls.__name__} {days}"

    @property
    def backlog(self) -> int:
        raise AssertionError("nobody may look at a property")

    class Templates:
        def render(self, name: str) -> str:
            return name

    def __enter__(self) -> Self:
        return self


class LoudMailService(MailService):
    def send(self, user_id: int, subject: str = "Hello") -> str:
        return super().send(user_id, subject).upper()


class Importer(threading.Thread):
    """Inherits methods of the standard library."""


class Catalogue(dict[str, Any]):
    """The same, of a class written in C."""


@job(queue="slow", retries=1)
class ReportService:
    @job(queue="fast")
    def quick(self) -> None: ...

    def slow(self) -> None: ...

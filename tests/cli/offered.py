"""An application that runs within the process of the tests, on the database that JOBRUNR_URL names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from uuid import UUID

from jobrunr import JobRunr, job


def make() -> JobRunr:
    return JobRunr()


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Order:
    id: int
    lines: list[str]


def send_welcome(email: str, copies: int = 1) -> str:
    return f"{copies} to {email}"


def take_anything(value, *values, **named):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN002, ANN003, ANN201
    return value


def take_types(
    day: date | None = None,
    size: Size = Size.SMALL,
    share: float = 0,
    id: UUID | None = None,
    flag: bool = False,
    *numbers: int,
    order: Order | None = None,
    **flags: bool,
) -> None: ...


def take_position(number: int, /) -> None: ...


async def fetch(url: str) -> str:
    return url


class Mailer:
    @job(queue="mail")
    def send(self, to: str) -> str:
        return to

    @classmethod
    def purge(cls, days: int) -> int:
        return days

    @staticmethod
    def check(address: str) -> bool:
        return "@" in address


NUMBER = 42

"""Functions as jobs: good ones, and some that cannot be jobs."""

from __future__ import annotations

import functools
import os  # noqa: F401 - a row may try to reach through it
from collections.abc import AsyncIterator, Callable, Iterator
from os import system  # noqa: F401 - the same
from typing import ParamSpec, TypeVar

from jobrunr import job
from tests.samples.shop.mail import MailService

P = ParamSpec("P")
R = TypeVar("R")


def send_welcome(email: str, copies: int = 1) -> str:
    return f"sent {copies} to {email}"


@job(retries=3, queue="mail")
def send_reminder(email: str) -> None: ...


async def fetch_page(url: str) -> str:
    return f"<html>{url}</html>"


def logged(function: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return wrapper


def anonymous(function: Callable[P, R]) -> Callable[P, R]:
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    return wrapper


def keeping_only_the_name(function: Callable[P, R]) -> Callable[P, R]:
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    wrapper.__module__, wrapper.__qualname__ = __name__, "overwritten"
    return wrapper


@logged
def with_a_wrapper(order_id: int) -> int:
    return order_id


@anonymous
def with_an_anonymous_wrapper(order_id: int) -> int:
    return order_id


@functools.lru_cache
def cached(order_id: int) -> int:
    return order_id


def overwritten() -> None: ...


first_of_two = overwritten
overwritten = keeping_only_the_name(overwritten)

another_name = send_welcome
partial = functools.partial(send_welcome, "ada@example.org")
mail_service = MailService()


def lines(path: str) -> Iterator[str]:
    yield path


async def pages(url: str) -> AsyncIterator[str]:
    yield url


def größe() -> None: ...  # noqa: PLC2401 - as a few people write it


def __hidden() -> None: ...


hidden = __hidden


def make_closure() -> Callable[[], str]:
    text = "x"

    def closure() -> str:
        return text

    return closure


class Counter:
    """Calls are counted by an instance at the top level."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, step: int = 1) -> int:
        self.calls += step
        return self.calls


count = Counter()


class AsyncCounter(Counter):
    async def __call__(self, step: int = 1) -> int:  # type: ignore[override]
        return super().__call__(step)


count_async = AsyncCounter()


class Recorder:
    """A decorator that makes an object of a function."""

    def __init__(self, function: Callable[..., object]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self.function(*args, **kwargs)


@Recorder
def recorded(order_id: int) -> int:
    return order_id


NOT_CALLABLE = 42

"""Functions that end in a transaction of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session, sessionmaker

from jobrunr import DoNotRetry, JobRunr, current_job
from jobrunr.job_transaction import JobTransaction
from tests.storage.sql.on_each_database import order

looks: list[Callable[[], object]] = []
"""What to ask at the end of a block, before its commit."""
seen: list[object] = []
"""What the answers were."""
apps: list[JobRunr] = []
"""The application of the test."""


class OwnSession(Session):
    """An application may have one."""


def pay(number: int) -> None:
    with (transaction := current_job().transaction()) as session:
        order(session, number)
        current_job().log.info("paid %d", number)
        current_job().metadata["number"] = number
        session.flush()
        seen.extend(look() for look in looks)
        transaction.result = f"paid {number}"


async def pay_in_thread(number: int) -> None:
    await asyncio.to_thread(pay, number)


async def pay_on_loop(number: int) -> None:
    pay(number)


def pay_with_own_session(number: int, *, is_made: bool) -> None:
    context = current_job()
    block: JobTransaction[OwnSession]
    block = context.transaction(sessionmaker(class_=OwnSession)) if is_made else context.transaction(OwnSession)
    with block as session:
        seen.append(type(session).__mro__[-4:])
        assert isinstance(session, OwnSession)
        order(session, number)


def pay_and_fail(number: int) -> None:
    with current_job().transaction() as session:
        order(session, number)
        current_job().log.info("about to fail")
        apps[0].scheduler.bind(session).options(name="mail").enqueue(pay, number + 1)
        raise DoNotRetry("no money")


def pay_and_go_on(number: int) -> None:
    with current_job().transaction() as session:
        order(session, number)
        apps[0].scheduler.bind(session).options(name="mail").enqueue(pay, number + 1)


def commit_and_roll_back(number: int) -> None:
    with current_job().transaction() as session:
        order(session, number)
        session.commit()
        order(session, number + 1)
        session.rollback()
        seen.extend(look() for look in looks)
        order(session, number + 2)


def return_what_cannot_be_stored() -> None:
    with (transaction := current_job().transaction()) as session:
        order(session)
        transaction.result = object()


def pay_what_is_deleted(number: int) -> None:
    apps[0].scheduler.delete(current_job().id)
    with current_job().transaction() as session:
        order(session, number)
    raise AssertionError("never reached")


def pay_and_say_more(number: int) -> str:
    with current_job().transaction() as session:
        order(session, number)
    current_job().log.info("too late")
    current_job().metadata["late"] = True
    seen.append(current_job().wait_cancelled(1.0))
    return "too late"


def pay_and_raise(number: int) -> None:
    pay(number)
    raise ValueError("too late")


def pay_twice() -> None:
    pay(1)
    try:
        pay(2)
    except Exception as error:
        seen.append(error)


def pay_inside() -> None:
    with current_job().transaction() as session:
        order(session)
        try:
            pay(2)
        except Exception as error:
            seen.append(error)


def pay_and_never_leave(number: int, raises: bool) -> str:
    block = current_job().transaction()
    seen.append(block)  # kept: nobody but the server ends it
    order(block.__enter__(), number)
    if raises:
        raise DoNotRetry("no money")
    return "never left"


def pay_at_second_try() -> None:
    for number in (1, 1, 2):
        try:
            with current_job().transaction() as session:
                order(session, 3)
                order(session, number)
                if number == 1:
                    raise ArithmeticError
        except ArithmeticError:
            continue


def take_your_time(seconds: float) -> None:
    with current_job().transaction() as session:
        order(session)
        current_job().wait_cancelled(seconds)
        order(session, 2)


def last_seen() -> Any:
    return seen.pop()

"""Functions with a parameter for the session of their own transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from jobrunr import DoNotRetry, current_job
from tests.storage.sql.on_each_database import order

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as SomeSession

looks: list[Callable[[], object]] = []
"""What to ask while the function runs."""
seen: list[object] = []
"""What the answers were."""


class OwnSession(Session):
    """An application may have one."""


def pay(session: Session, number: int) -> str:
    order(session, number)
    current_job().log.info("paid %d", number)
    session.flush()
    seen.extend(look() for look in looks)
    return f"paid {number}"


def pay_and_fail(session: Session, number: int) -> None:
    order(session, number)
    raise DoNotRetry("no money")


def pay_and_give_what_cannot_be_stored(session: Session, number: int) -> object:
    order(session, number)
    return object()


def last(number: int, session: Session) -> str:
    return pay(session, number)


def by_name(number: int, *, session: Session) -> str:
    return pay(session, number)


def among_defaults(number: int, much: int = 0, session: Session | None = None, more: int = 0) -> str:
    assert session is None
    return f"{number} {much} {more}"


def behind_defaults(number: int = 7, *, session: OwnSession) -> str:
    assert isinstance(session, OwnSession)
    return pay(session, number)


def between(number: int, session: Session, much: int = 0, *more: int) -> str:
    pay(session, number)
    return f"{number} {much} {more}"


def behind_one_left_out(number: int, much: int = 0, session: Session = None, more: int = 0) -> str:  # type: ignore[assignment]
    pay(session, number)
    return f"{number} {much} {more}"


def with_others_by_name(number: int, session: Session, **others: int) -> str:
    pay(session, number)
    return f"{number} {others}"


def by_position_only(session: Session, /, number: int) -> str:
    return pay(session, number)


def many_by_name(number: int, **sessions: Session) -> int:
    return number


def many_by_position(number: int, *sessions: Session) -> int:
    return number


def without_one(number: int) -> int:
    return number


def breaks(session: Session, number: int) -> float:
    return number / 0


def becomes_a_coroutine(session: Session, number: int) -> object:
    return on_loop(session, number)


async def on_loop(session: Session, number: int) -> None:
    raise AssertionError("never reached")


def of_nobody_knows(session: SomeSession, number: int) -> None:
    raise AssertionError("never reached")


class Cashier:
    def pay(self, session: Session, number: int) -> str:
        return pay(session, number)

    @classmethod
    def pay_for_all(cls, session: Session, number: int) -> str:
        return pay(session, number)

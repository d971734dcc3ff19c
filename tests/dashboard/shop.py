"""The application whose jobs the dashboard shows."""

from __future__ import annotations

import json
from typing import Any


def send_welcome(email: str, copies: int = 1) -> str:
    return f"sent {copies} to {email}"


def import_orders(orders: list[int], *, dry: bool = False) -> dict[str, int]:
    return {"imported": len(orders)}


def remember(*words: str, **notes: Any) -> None:
    """Takes whatever it gets."""


def read_feed(text: str) -> Any:
    """Fails in the standard library, and again here."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConnectionError(f"the feed is broken: {text}") from error


def charge(order: int) -> None:
    raise PermissionError(f"card of order {order} was declined")

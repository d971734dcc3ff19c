"""What is sent."""

from __future__ import annotations


def send_welcome(email: str) -> str:
    return f"sent to {email}"


def send_invoice(order: int, *, to: str) -> str:
    return f"invoice of order {order} sent to {to}"


def send_newsletter(issue: str, *, country: str) -> int:
    return 0


def connect(server: str) -> None:
    raise ConnectionRefusedError(111, f"Connection refused by {server}:587")


def send_all(month: str) -> int:
    """Fails, as the mail server is down."""
    try:
        connect("smtp-2.shop.example")
    except OSError as error:
        raise RuntimeError(f"Invoices of {month} were not sent") from error
    return 0

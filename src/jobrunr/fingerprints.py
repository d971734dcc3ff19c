"""Which failures are alike: those of the same target, with the same kind of exception, raised at the same place."""

from __future__ import annotations

import hashlib
import re

from jobrunr.history import ExceptionRecord

_LINE_NUMBER = re.compile(r":\d+(?= in )")
_DIGITS = re.compile(r"\d+")


def fingerprint_of(target: str, reason: str, exception: ExceptionRecord | None) -> str:
    """16 hexadecimal digits that stand for a failure.

    The line of the place does not count, so that an edit further up in the file changes nothing. A failure without an
    exception is known by its reason; numbers in it do not count.

    >>> of_17, of_4 = (fingerprint_of("shop.mail:send", f"order {order} is gone", None) for order in (17, 4))
    >>> of_17 == of_4
    True
    """
    if exception is None:
        parts = [target, _DIGITS.sub("", reason)]
    else:
        parts = [target, exception.type, _LINE_NUMBER.sub("", exception.place)]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]

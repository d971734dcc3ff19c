"""Who may do what."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class Role(IntEnum):
    """What somebody may do; who may do more may do all that is below."""

    ANYBODY = 0
    """Not even signed in."""
    READER = 1
    """Sees everything, changes nothing."""
    OPERATOR = 2
    """Changes things, too."""


class User(msgspec.Struct, frozen=True):
    """Somebody who uses the dashboard. The name stands in histories and in the audit trail."""

    name: str
    role: Role

"""Who is let in: hosts, origins, users, sessions and tokens."""

from __future__ import annotations

from jobrunr.dashboard.guard.guard import Authorize, Guard, Visitor

__all__ = ["Authorize", "Guard", "Visitor"]

"""The dashboard for hosts that speak WSGI, such as Flask and Django."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from a2wsgi import ASGIMiddleware
from starlette.applications import Starlette


class WsgiDashboard:
    """A WSGI application.

    Its event loop begins in the process that answers, behind any fork.

    Arguments:
        dashboard: one without streams: each would hold a thread of the host.
    """

    def __init__(self, dashboard: Starlette) -> None:
        self._dashboard = dashboard
        self._lock = Lock()
        self._made: tuple[int, Any] | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("REMOTE_ADDR"):
            environ.setdefault("REMOTE_PORT", "0")  # not every server says it, and without one there would be no address
        answer: Iterable[bytes] = self._middleware()(environ, start_response)
        return answer

    def _middleware(self) -> Any:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = os.getpid(), ASGIMiddleware(self._dashboard)  # type: ignore[arg-type]
            return self._made[1]

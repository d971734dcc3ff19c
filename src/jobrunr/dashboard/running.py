"""Serves a dashboard from this process, in a thread."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Self

import uvicorn
from starlette.applications import Starlette

from jobrunr.dashboard.guard.guard import LARGEST_HEAD
from jobrunr.dashboard.slow_headers import PatientProtocol
from jobrunr.errors import DashboardAddressError

_log = logging.getLogger("jobrunr.dashboard")

_MOST_AT_A_TIME = 500
"""Connections; 200 of them may be streams of events."""
_GRACE = 2
"""Seconds that requests have to end when it stops."""


class DashboardServer:
    """Listens, and answers until it is stopped.

    Arguments:
        dashboard: made by `JobRunr.dashboard`.
        host: an address of this machine.
        port: 0 for any that is free.
        root_path: what a proxy in front of it takes off the path.
        proxies: the addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas; none to
            believe nobody.

    Raises:
        DashboardAddressError: it cannot listen there.
    """

    def __init__(
        self, dashboard: Starlette, host: str, port: int, *, root_path: str = "", proxies: str | None = None
    ) -> None:
        self._socket = _listen(host, port)
        self._root_path = root_path
        config = uvicorn.Config(
            dashboard,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            root_path=root_path,
            proxy_headers=proxies is not None,
            forwarded_allow_ips=proxies,
            server_header=False,
            limit_concurrency=_MOST_AT_A_TIME,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        self._server = _Server(config, dashboard)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="dashboard", daemon=True)

    @property
    def address(self) -> str:
        """Where to find it."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop. Streams of events end at once, other requests have a moment."""
        self._server.should_exit = True
        self._thread.join(_GRACE + 3)
        self._socket.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, dashboard: Starlette) -> None:
        super().__init__(config)
        self._dashboard = dashboard

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._dashboard.state.hub.close()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=100)
    except OSError as error:
        raise DashboardAddressError(host, port, error.strerror or str(error)) from error

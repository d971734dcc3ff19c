"""A network between a test and a server that can stop to carry anything, without a word."""

from __future__ import annotations

import selectors
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """Carries bytes between a port of this machine and a server.

    Arguments:
        host, port: where the server is.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._frozen: frozenset[socket.socket] = frozenset()
        self._closed = False
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where to connect to."""
        port: int = self._listening.getsockname()[1]
        return port

    def freeze(self) -> None:
        """From now on what is sent on open connections is acknowledged and lost. New connections work."""
        self._frozen = frozenset(self._pairs)

    def _carry(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listening, selectors.EVENT_READ)
            while not self._closed:
                for key, _ in selector.select(0.02):
                    if key.fileobj is self._listening:
                        client, server = self._listening.accept()[0], socket.create_connection(self._server)
                        self._pairs = self._pairs | {client: server, server: client}
                        for end in (client, server):
                            selector.register(end, selectors.EVENT_READ)
                        continue
                    end = key.fileobj
                    assert isinstance(end, socket.socket)
                    sent = _receive(end)
                    if not sent:
                        selector.unregister(end)
                    elif end not in self._frozen:
                        self._pairs[end].sendall(sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closed = True
        self._thread.join()
        for end in (self._listening, *self._pairs):
            end.close()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(65536)
    except OSError:
        return b""

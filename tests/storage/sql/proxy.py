"""A network between a program and a server that does what networks do: it is slow, cuts connections, stops to carry anything
without a word, and loses the answer to what was done."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

_RESET = struct.pack("ii", 1, 0)  # linger for no time: close() sends a reset in place of an end


_PACKET = 1400
"""Bytes that go through a thin line at a time."""


class _Line:
    """One way of a thin line. It is free for the next packet when the one before is through.

    Arguments:
        rate: bytes per second.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def carry(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        self._free_at = max(now, self._free_at) + size / self._rate
        await asyncio.sleep(self._free_at - now)


class Connection:
    """One connection of a client, and the one to the server that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.is_frozen = False
        """What is sent is acknowledged and lost, both ways."""
        self.loses_answer = False
        """The server has got something whose answer the client must not get."""

    @property
    def ends(self) -> list[asyncio.StreamWriter]:
        """Those that there are."""
        return [self.client] if self.server is None else [self.client, self.server]

    def reset(self) -> None:
        """Break it off, as a firewall does."""
        for end in self.ends:
            if not end.transport.is_closing():
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()


class Proxy:
    """Carries bytes between a port of this machine and a server.

    It runs on a thread of its own. What is asked of it has happened when the call returns.

    Arguments:
        host, port: where the server is.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        """And who carries them."""
        self._delay = 0.0
        self._thin: tuple[_Line, _Line] | None = None
        self._refuses = False
        self._swallows = False
        self._loses: Callable[[bytes], bool] | None = None
        self.lost_answers = 0
        """How many answers were lost on request so far."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where to connect to."""
        port: int = self._listening.getsockname()[1]
        return port

    # -- what it can do to those who connect

    def freeze(self) -> None:
        """From now on what is sent on open connections is acknowledged and lost. New connections work."""
        self._do(self._freeze)

    def swallow(self) -> None:
        """The same, and new connections are no better: they are taken, and nothing comes back."""
        self._do(self._freeze, swallows=True)

    def cut(self) -> None:
        """Reset all open connections. New ones work."""
        self._do(self._cut)

    def refuse(self) -> None:
        """Reset all connections, and every new one at once."""
        self._do(self._cut, refuses=True)

    def delay(self, seconds: float) -> None:
        """Carry everything so much later."""
        self._do(delay=seconds)

    def limit(self, rate: float) -> None:
        """Be a thin line: carry so many bytes a second each way, of all connections together and of each in turn."""
        self._do(thin=(_Line(rate), _Line(rate)))

    def lose_answers(self, to: bytes = b"", every: int = 1) -> None:
        """Hand requests on to the server, and when it answers, reset the connection in place of handing that on.

        Arguments:
            to: only when this is in the request.
            every: only each so many such requests.
        """
        seen = 0

        def is_next(request: bytes) -> bool:
            nonlocal seen
            seen += to in request
            return to in request and seen % every == 0

        self._do(loses=is_next)

    def heal(self) -> None:
        """Be a good network again. What was frozen stays as it is: the bytes are gone."""
        self._do()

    # -- how

    def _do(self, action: Callable[[], None] | None = None, **state: Any) -> None:
        async def change() -> None:
            self._delay = state.get("delay", 0.0)
            self._thin = state.get("thin")
            self._refuses = state.get("refuses", False)
            self._swallows = state.get("swallows", False)
            self._loses = state.get("loses")
            if action is not None:
                action()

        self._await(change())

    def _await(self, coroutine: Coroutine[Any, Any, None]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        done.result(timeout=10)

    def _freeze(self) -> None:
        for connection in self._connections:
            connection.is_frozen = True

    def _cut(self) -> None:
        for connection in self._connections:
            connection.reset()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._accept, sock=self._listening))
        self._loop.run_forever()

    def _accept(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        # At once, so that it is known before a task takes its first step, which one that is cancelled never does.
        connection = Connection(to_client)
        connection.is_frozen = self._swallows
        self._connections[connection] = self._loop.create_task(self._carry(connection, from_client))
        self._connections[connection].add_done_callback(lambda _: self._forget(connection))

    def _forget(self, connection: Connection) -> None:
        del self._connections[connection]
        connection.reset()

    async def _carry(self, connection: Connection, from_client: asyncio.StreamReader) -> None:
        if self._refuses:
            return
        with suppress(OSError):
            from_server, connection.server = await asyncio.open_connection(*self._server)
            await asyncio.gather(
                self._requests(connection.server, connection, from_client), self._answers(connection, from_server)
            )
            if not connection.is_frozen:
                await asyncio.gather(*(end.wait_closed() for end in connection.ends))

    async def _requests(self, server: asyncio.StreamWriter, connection: Connection, source: asyncio.StreamReader) -> None:
        async for sent in _pieces(source):
            if connection.is_frozen:
                continue
            await self._take_time(0, sent)
            if self._loses is not None and self._loses(sent):
                connection.loses_answer = True
            server.write(sent)
        if not connection.is_frozen:
            server.close()

    async def _answers(self, connection: Connection, source: asyncio.StreamReader) -> None:
        async for sent in _pieces(source):
            if connection.is_frozen:
                continue
            if connection.loses_answer:
                self.lost_answers += 1
                connection.reset()
                return
            await self._take_time(1, sent)
            connection.client.write(sent)
        if not connection.is_frozen:
            connection.client.close()

    async def _take_time(self, way: int, sent: bytes) -> None:
        await asyncio.sleep(self._delay)
        for start in range(0, len(sent), _PACKET):
            if self._thin is not None:
                await self._thin[way].carry(min(_PACKET, len(sent) - start))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._await(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listening.close()

    async def _end(self) -> None:
        self._loop.remove_reader(self._listening)
        self._refuses = True
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:  # some take in a connection just now
            for task in self._connections.values():
                task.cancel()
            await asyncio.wait(tasks)


async def _pieces(source: asyncio.StreamReader) -> Any:
    """What arrives, until the end or a reset."""
    with suppress(OSError):
        while sent := await source.read(65536):
            yield sent

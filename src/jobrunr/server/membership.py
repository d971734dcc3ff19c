"""A server among the others: it keeps itself registered and alive, and knows who is master."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from jobrunr.clock import SyncedClock
from jobrunr.ids import new_token
from jobrunr.server.silence import Silence
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import Presence, StorageProvider

_log = logging.getLogger("jobrunr.server")

SAFE_SHARE = 0.7
"""A server whose heartbeat is older than this share of the time-out claims nothing: it may be taken for dead soon."""


class Membership:
    """The service that sends the heartbeat, on a thread of its own that no job can block.

    Arguments:
        storage: where servers are registered.
        record: how this server presents itself; its id is replaced by a new one at every start.
        clock: is kept in step with the storage's.
        interval: between two heartbeats.
        timeout: a server is dead when its last heartbeat is longer ago.
        busy: how many jobs run here.
        evicted: is called when the others took this server for dead and gave its jobs away.
        elected: is called when this server becomes master.
        resumed: is called when this server was paused and may take jobs again.
    """

    def __init__(
        self,
        storage: StorageProvider,
        record: ServerRecord,
        clock: SyncedClock,
        *,
        interval: timedelta,
        timeout: timedelta,
        busy: Callable[[], int],
        evicted: Callable[[], None],
        elected: Callable[[], None],
        resumed: Callable[[], None],
    ) -> None:
        self._storage = storage
        self._record = record
        self._clock = clock
        self._interval = interval.total_seconds()
        self._timeout = timeout
        self._busy = busy
        self._evicted = evicted
        self._elected = elected
        self._resumed = resumed
        self._renewed_at = float("-inf")
        self._steady_since = float("inf")
        self._signed_off = False
        self._presence: Presence | None = None
        self._silence = Silence()
        self._lock = threading.Lock()
        self.beaten: Callable[[ServerRecord], None] = lambda record: None
        """Is called when the storage has taken a heartbeat, or the registration."""
        self.left: Callable[[], None] = lambda: None
        """Is called when this server has signed off."""
        self.is_master = False
        self.servers: tuple[ServerRecord, ...] = ()
        """All registered servers as of the last heartbeat."""
        self.dead: tuple[ServerRecord, ...] = ()
        """Those of them that said nothing for a whole time-out."""

    @property
    def id(self) -> UUID:
        """The id under which this server is registered; a new one after it was taken for dead."""
        return self._record.id

    @property
    def name(self) -> str:
        """Host and process, for people."""
        return self._record.name

    @property
    def may_claim(self) -> bool:
        """Whether the heartbeat is fresh enough to take on jobs."""
        return time.monotonic() - self._renewed_at < SAFE_SHARE * self._timeout.total_seconds()

    @property
    def is_paused(self) -> bool:
        """Whether people want this server to take no jobs for now, as of the last heartbeat."""
        return self._record.is_paused

    @property
    def is_steady(self) -> bool:
        """Whether this server has been heard for a whole time-out without a gap: only then may it call others dead.

        After an outage of the storage every heartbeat is old; those who come back first must not bury the rest."""
        return self.may_claim and time.monotonic() - self._steady_since >= self._timeout.total_seconds()

    @property
    def present_for(self) -> float:
        """For how many seconds without a gap this process has proved that it lives, other than by heartbeats."""
        return 0.0 if self._presence is None else self._presence.held_for

    def join(self) -> None:
        """Register under a new id."""
        self._clock.sync()
        self._vanish()
        record = msgspec.structs.replace(self._record, id=new_token(), has_presence=False)
        self._presence = self._storage.presence(record.id)
        self._record = self._with_presence(record)
        before = time.monotonic()
        self._storage.announce(self._record)
        self.beaten(self._record)
        self._renewed_at = self._steady_since = before
        self._look_around(self._storage.servers())
        _log.info("server %s (%s) is up with %d workers", self.name, self.id, self._record.workers)

    def tick(self) -> float:
        """Send a heartbeat, and join anew when the others took us for dead."""
        with self._lock:
            if self._signed_off:
                return self._interval
            before = time.monotonic()
            self._record = self._with_presence(self._record)
            present = msgspec.structs.replace(self._record, busy=self._busy(), **_load())
            servers = self._storage.heartbeat(present)
            stored = next((server for server in servers if server.id == self.id), None)
            if stored is not None:
                self.beaten(present)
                self._obey(stored)
                if not self.may_claim:
                    self._steady_since = before
                self._renewed_at = before
                if stored.last_heartbeat is not None:
                    self._clock.hear(stored.last_heartbeat, time.monotonic() - before)
                self._look_around(servers)
            else:
                _log.warning("server %s (%s) was taken for dead; it lets its jobs go and joins anew", self.name, self.id)
                self.is_master = False
                self._evicted()
                self.join()
        return max(0.0, self._interval - (time.monotonic() - before))

    def _obey(self, stored: ServerRecord) -> None:
        """Do as people want. Remembered here, so that a server that has to join anew stays as it is."""
        was_paused = self._record.is_paused
        self._record = msgspec.structs.replace(self._record, is_paused=stored.is_paused)
        if stored.is_paused != was_paused:
            _log.info("server %s (%s) is %s", self.name, self.id, "paused" if stored.is_paused else "resumed")
        if was_paused and not stored.is_paused:
            self._resumed()

    def sign_off(self) -> None:
        """Leave: from now on nobody waits for us."""
        with self._lock:
            self._signed_off = True
            self.is_master = False
            try:
                self._storage.sign_off(self.id)
                self.left()
            finally:
                self._vanish()

    def look_again(self) -> None:
        """See who is there, now that others are gone."""
        with self._lock:
            if not self._signed_off:
                self._look_around(self._storage.servers())

    def _with_presence(self, record: ServerRecord) -> ServerRecord:
        """Say that we hold the lock of our presence, once we had it: from then on it is missed when it is free."""
        return msgspec.structs.replace(record, has_presence=record.has_presence or self.present_for > 0)

    def _vanish(self) -> None:
        """Give up the lock of our presence."""
        if self._presence is not None:
            self._presence.close()
            self._presence = None

    def _look_around(self, servers: Iterable[ServerRecord]) -> None:
        self.servers = tuple(servers)
        self._silence.look(self.servers)
        now = next((s.last_heartbeat for s in self.servers if s.id == self.id), None) or self._clock.now()
        living = [s for s in self.servers if self._is_timely(s, now)]
        self.dead = tuple(s for s in self.servers if s not in living and self._is_silent(s))
        was_master, self.is_master = self.is_master, bool(living) and living[0].id == self.id
        if self.is_master and not was_master:
            _log.info("server %s (%s) is master now", self.name, self.id)
            self._elected()

    def _is_timely(self, server: ServerRecord, now: datetime) -> bool:
        """Whether a server was heard lately, by the clock of the database. One that was heard in the future was not: that
        clock was set back, and whoever lives is heard anew soon."""
        return server.last_heartbeat is not None and abs(now - server.last_heartbeat) <= self._timeout

    def _is_silent(self, server: ServerRecord) -> bool:
        """Whether a server was not heard for a whole time-out, whatever clocks say."""
        return self._silence.of(server) >= self._timeout.total_seconds()


def this_process(
    name: str | None, workers: int, queues: tuple[str, ...], tags: tuple[str, ...], version: str
) -> ServerRecord:
    """How a server in this process presents itself."""
    host, pid = socket.gethostname(), os.getpid()
    return ServerRecord(
        id=new_token(),
        name=name or f"{host}:{pid}",
        host=host,
        tags=tags,
        workers=workers,
        queues=queues,
        version=version,
        pid=pid,
    )


def _load() -> dict[str, float]:
    """What this process uses: resident memory in bytes, and seconds of CPU."""
    return {"memory": _resident_memory(), "cpu": round(time.process_time(), 3)}


def _resident_memory() -> int:
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):  # not Linux: a server without this figure is as good
        return 0

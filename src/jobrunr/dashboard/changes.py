"""Changes to many jobs at once. Each goes on in a thread of its own; how far it is, is kept in memory only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from uuid import uuid4

from jobrunr.dashboard.refusal import Refusal
from jobrunr.errors import JobRunrError
from jobrunr.storage.contract import JobCount

_log = logging.getLogger("jobrunr.dashboard")

MOST_AT_A_TIME = 4
MOST_KEPT = 200


class Change:
    """A change to many jobs that goes on, or went on until lately.

    Arguments:
        what: what is done to which jobs, for people.
        by: the name of the user who wanted it.
        total: how many jobs there are to change.
    """

    def __init__(self, what: str, by: str, total: JobCount) -> None:
        self.id = uuid4().hex
        self.what = what
        self.by = by
        self.total = total
        self.done = 0
        self.skipped = 0
        """Jobs that were gone, in a state that does not allow it or needs it no more, or being changed by somebody else."""
        self.is_over = False
        self.problem: str | None = None
        """Why it ended early."""
        self._is_stopped = False

    def set(self, done: int, skipped: int) -> None:
        """So far it has come.

        Raises:
            StoppedError: it is not wanted any more.
        """
        self.done, self.skipped = done, skipped
        if self._is_stopped:
            raise StoppedError

    def stop(self) -> None:
        """Do not go on. What is done stays done."""
        self._is_stopped = True


class StoppedError(Exception):
    """Somebody stopped a change."""


class Changes:
    """The changes of one dashboard. They end with its process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: dict[str, Change] = {}

    def get(self, change_id: str) -> Change | None:
        """One that goes on, or is not forgotten yet."""
        return self._changes.get(change_id)

    def begin(self, change: Change, run: Callable[[Change], None]) -> None:
        """Let a change go on by itself.

        Arguments:
            run: makes the change; calls `Change.set` now and then.

        Raises:
            Refusal: enough are going on.
        """
        with self._lock:
            if sum(not other.is_over for other in self._changes.values()) >= MOST_AT_A_TIME:
                raise Refusal(409, f"{MOST_AT_A_TIME} changes are going on already. Wait until one of them is over.")
            self._forget()
            self._changes[change.id] = change
        threading.Thread(target=_carry_out, args=(change, run), name="jobrunr-change", daemon=True).start()

    def _forget(self) -> None:
        over = [change_id for change_id, change in self._changes.items() if change.is_over]
        for change_id in over[: max(len(self._changes) - MOST_KEPT + 1, 0)]:
            del self._changes[change_id]


def _carry_out(change: Change, run: Callable[[Change], None]) -> None:
    try:
        run(change)
    except StoppedError:
        change.problem = "It was stopped."
    except JobRunrError as error:
        change.problem = str(error)
    except Exception:  # noqa: BLE001 - whoever watches the change shall see that it ended
        _log.exception("%s failed", change.what)
        change.problem = "Something went wrong; the log of the dashboard says more."
    finally:
        change.is_over = True

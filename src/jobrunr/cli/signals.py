"""What SIGTERM and SIGINT do to verbs that go on until somebody says stop.

They are taken whatever the process was started with: who starts it in the background of a script makes it ignore SIGINT.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from queue import SimpleQueue
from types import FrameType


class Signals:
    """The first one is waited for; the next ones do what is said here, and the one behind them ends the process.

    Arguments:
        later: what the second does, the third, and so on. With none of them, all but the first are ignored.
    """

    def __init__(self, *later: Callable[[], None]) -> None:
        self._later = list(later)
        # A handler interrupts the main thread wherever it is, so it may only touch what bears that: an Event does not.
        self._arrived: SimpleQueue[str] = SimpleQueue()
        self._is_stopping = False

    def listen(self) -> None:
        """Take the signals from now on."""
        for number in _SIGNALS:
            signal.signal(number, self._take)

    def wait_for_first(self) -> str:
        """Wait for the first one. Its name."""
        return self._arrived.get()

    def begin(self, reason: str) -> None:
        """Do as if the first had come, for a reason that stands in place of its name."""
        self._is_stopping = True
        self._arrived.put(reason)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if not self._is_stopping:
            self.begin(signal.Signals(number).name)
        elif self._later:
            next_step = self._later.pop(0)
            if not self._later:
                for each in _SIGNALS:
                    signal.signal(each, signal.SIG_DFL)
            next_step()


_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def listen_for_one(*numbers: signal.Signals) -> SimpleQueue[int]:
    """Take signals from now on: the first arrives in the queue, the second ends the process.

    Arguments:
        numbers: which; SIGTERM and SIGINT when none are given.
    """
    arrived: SimpleQueue[int] = SimpleQueue()
    taken = numbers or _SIGNALS

    def take(number: int, frame: FrameType | None) -> None:
        for each in taken:
            signal.signal(each, signal.SIG_DFL)
        arrived.put(number)

    for each in taken:
        signal.signal(each, take)
    return arrived

"""Children of others that the system has given to us, because their parents are gone.

Process 1 of a container is given every process that has lost its parent, and has to take note of its end: until then it is
a zombie, and takes a place among the processes that the container may have. Jobs leave such processes behind, and so do
servers that are killed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path


def see_off(ours: Collection[int]) -> None:
    """Take note of the ends of strays, if it is we who are given them.

    What this process has started itself is left to those who wait for it: they would not learn how it ended. All of it runs
    in our session, but for the servers, and strays come from theirs.

    Arguments:
        ours: the process ids of the servers.
    """
    if os.getpid() != 1 or not _has_anybody_ended():
        return
    session = os.getsid(0)
    for pid in _dead_children():
        if pid not in ours and os.getsid(pid) != session:
            os.waitpid(pid, os.WNOHANG)


def _has_anybody_ended() -> bool:
    """Whether there is anything to look for. It costs next to nothing, and is asked several times a second."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # there are no children
        return False


def _dead_children() -> Iterator[int]:
    """Those that nobody has taken note of yet. `waitid` would show us one of them, and always the same."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just gone
            state, parent = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
            if (state, parent) == ("Z", "1"):
                yield int(folder.name)

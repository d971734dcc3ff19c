"""How a process ended, in words."""

from __future__ import annotations

import signal
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def describe_end(code: int, *, out_of_memory: bool = False) -> str:
    """What an exit code, as `subprocess` has it, says.

    >>> describe_end(-11), describe_end(3), describe_end(-9, out_of_memory=True)
    ('killed by signal 11 (SIGSEGV)', 'exit code 3', 'killed by signal 9 (SIGKILL), out of memory')
    """
    if code >= 0:
        return f"exit code {code}"
    try:
        name = f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}" + (", out of memory" if out_of_memory else "")


def oom_kills(own: Path = OWN_CGROUP, cgroups: Path = CGROUPS) -> int | None:
    """How many processes of the control group of this one the kernel has killed for want of memory; None where it does not
    tell."""
    try:
        for line in own.read_text(encoding="utf-8").splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                return _count(cgroups, path, "memory.events")
            if "memory" in controllers.split(","):
                return _count(cgroups / "memory", path, "memory.oom_control")
    except (OSError, ValueError):  # not Linux, or not for us to read
        pass
    return None


def _count(root: Path, path: str, name: str) -> int | None:
    file = root / path.lstrip("/") / name
    if not file.exists():  # in a container, the group of the container is the root
        file = root / name
    counts = dict(line.split() for line in file.read_text(encoding="ascii").splitlines())
    return int(counts["oom_kill"]) if "oom_kill" in counts else None

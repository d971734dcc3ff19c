"""How many jobs run at a time, unless somebody says so."""

from __future__ import annotations

import os

WORKERS_PER_CPU = 8


def usual_workers() -> int:
    """The number of workers of a server that is told none."""
    return WORKERS_PER_CPU * usable_cpus()


def usable_cpus() -> int:
    """The CPUs that this process may use; those of the machine where the system, macOS for one, does not tell."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1

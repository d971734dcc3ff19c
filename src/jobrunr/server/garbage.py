"""Python's garbage collector, in a process that is a worker and nothing else."""

from __future__ import annotations

import gc


def spare_the_collector() -> None:
    """What is there by now, before any job is run, stays to the end of the process: modules, and the application. The
    collector need not look through all of it again and again, which takes a tenth of the processor while jobs that do
    nothing are run."""
    gc.collect()
    gc.freeze()

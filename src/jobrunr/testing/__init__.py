"""What tests of and with JobRunr need: ways to look at jobs and to run them without a server, a clock to turn, factories,
and the law that every storage provider is held to.

Nothing here needs pytest, except `jobrunr.testing.plugin` (its fixtures are there as soon as this library is installed) and
`jobrunr.testing.contract`.
"""

from jobrunr.testing.assertions import assert_enqueued, enqueued_jobs
from jobrunr.testing.clock import TestClock
from jobrunr.testing.draining import drain
from jobrunr.testing.inside import NotedJournal, job_context

__all__ = ["NotedJournal", "TestClock", "assert_enqueued", "drain", "enqueued_jobs", "job_context"]

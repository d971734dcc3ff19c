"""What tests of and with JobRunr need: a clock to turn, factories, and the law that every storage provider is held to."""

from jobrunr.testing.clock import TestClock

__all__ = ["TestClock"]

"""Cron expressions: at which moments they run, in a time zone, whatever its clocks do."""

from jobrunr.cron.expression import CronExpression
from jobrunr.cron.presets import Cron

__all__ = ["Cron", "CronExpression"]

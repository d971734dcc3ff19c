"""Schedules: when recurring jobs run, and what is to be done when their time has come. Pure functions of moments."""

from jobrunr.schedules.firing import FiringRules, Plan, plan
from jobrunr.schedules.reading import FindClass, ScheduleLike, parse_schedule, read_schedule, with_margin
from jobrunr.schedules.registering import Definition, paused, registered, resumed
from jobrunr.schedules.schedule import Schedule

__all__ = [
    "Definition",
    "FindClass",
    "FiringRules",
    "Plan",
    "Schedule",
    "ScheduleLike",
    "parse_schedule",
    "paused",
    "plan",
    "read_schedule",
    "registered",
    "resumed",
    "with_margin",
]

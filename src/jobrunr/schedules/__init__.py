"""Schedules: when recurring jobs run, and what is to be done when their time has come. Pure functions of moments."""

from jobrunr.schedules.firing import FiringRules, Plan, left_out, plan, problem_of
from jobrunr.schedules.reading import (
    FindClass,
    ScheduleLike,
    check_custom,
    is_custom,
    parse_schedule,
    read_schedule,
    with_margin,
)
from jobrunr.schedules.registering import Definition, halted, is_as_wanted, paused, registered, resumed
from jobrunr.schedules.schedule import Schedule, next_of

__all__ = [
    "Definition",
    "FindClass",
    "FiringRules",
    "Plan",
    "Schedule",
    "ScheduleLike",
    "check_custom",
    "halted",
    "is_as_wanted",
    "is_custom",
    "left_out",
    "next_of",
    "parse_schedule",
    "paused",
    "plan",
    "problem_of",
    "read_schedule",
    "registered",
    "resumed",
    "with_margin",
]

"""Durable, distributed background jobs: a plain function call, kept in the database that the application already has.

>>> from jobrunr import JobRunr
>>> jobrunr = JobRunr("memory://")
>>> job_id = jobrunr.scheduler.enqueue(print_report, 2026)
>>> with jobrunr.server():
...     pass  # your application, or wait for a signal
"""

import logging

from jobrunr.carbon import CarbonAware, CarbonForecast, Forecast, ForecastSlot
from jobrunr.context import JobContext, current_job
from jobrunr.cron import Cron, CronExpression
from jobrunr.declarations import recurring
from jobrunr.errors import DoNotRetry, JobRunrError
from jobrunr.filters import JobFilter
from jobrunr.history import ExceptionRecord, StateChange
from jobrunr.ids import JobId
from jobrunr.jobrunr import JobRunr
from jobrunr.jobs import Job, NewJob
from jobrunr.log_context import LogContextFilter, current_log_context, log_context
from jobrunr.options import job
from jobrunr.recurring_job import Misfire, RecurringJob, RecurringRun, SkipReason
from jobrunr.retries import ExponentialBackoff, FixedDelays, GiveUp, Retry, RetryDecision, RetryPolicy
from jobrunr.scheduler.async_job_scheduler import AsyncJobScheduler
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.scheduler.job_steering import BulkChange
from jobrunr.server.background_job_server import BackgroundJobServer
from jobrunr.server_record import ServerRecord
from jobrunr.settings import Settings
from jobrunr.states import JobState
from jobrunr.storage.contract import FailureGroup, JobCount, JobOrder, JobPage, JobQuery, LogLine, StorageProvider
from jobrunr.version import VERSION as __version__  # noqa: N811 - the name that everybody looks for

logging.getLogger("jobrunr").addHandler(logging.NullHandler())  # quiet until the application sets up its logging

__all__ = [
    "AsyncJobScheduler",
    "BackgroundJobServer",
    "BulkChange",
    "CarbonAware",
    "CarbonForecast",
    "Cron",
    "CronExpression",
    "DoNotRetry",
    "ExceptionRecord",
    "ExponentialBackoff",
    "FailureGroup",
    "FixedDelays",
    "Forecast",
    "ForecastSlot",
    "GiveUp",
    "Job",
    "JobContext",
    "JobCount",
    "JobFilter",
    "JobId",
    "JobOrder",
    "JobPage",
    "JobQuery",
    "JobRunr",
    "JobRunrError",
    "JobScheduler",
    "JobState",
    "LogContextFilter",
    "LogLine",
    "Misfire",
    "NewJob",
    "RecurringJob",
    "RecurringRun",
    "Retry",
    "RetryDecision",
    "RetryPolicy",
    "ServerRecord",
    "Settings",
    "SkipReason",
    "StateChange",
    "StorageProvider",
    "__version__",
    "current_job",
    "current_log_context",
    "job",
    "log_context",
    "recurring",
]

"""The composition root: from a URL and settings to objects. The one place that knows which storage providers there are."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from jobrunr.carbon import CarbonForecast
from jobrunr.clock import Clock, SyncedClock
from jobrunr.errors import MissingExtraError, NoInstanceError, UnknownSettingError, WrongSettingError
from jobrunr.filters import JobFilter, JobFilters
from jobrunr.module_places import application_of
from jobrunr.registry import JobActivator, JobRegistry
from jobrunr.retries import POLICIES, ExponentialBackoff, FixedDelays, RetryPolicy, can_be_called, is_policy
from jobrunr.run_figures import RunFigures
from jobrunr.scheduler.async_job_scheduler import AsyncJobScheduler
from jobrunr.scheduler.coalescing_writer import CoalescingWriter
from jobrunr.scheduler.job_builder import JobBuilder
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.scheduler.recurring_jobs import RecurringJobs
from jobrunr.scheduler.threads import Threads
from jobrunr.schedules import FiringRules
from jobrunr.server.background_job_server import BackgroundJobServer
from jobrunr.server.duties.fire import Fire
from jobrunr.server.forecasts import Forecasts
from jobrunr.server.performer import Performer
from jobrunr.settings import Settings, change_settings, load_settings
from jobrunr.settings_in_code import ApplicationSettings, ServerSettings
from jobrunr.storage.contract import StorageProvider
from jobrunr.version import VERSION

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.applications import Starlette

    from jobrunr.dashboard.guard import Authorize
    from jobrunr.dashboard.redaction import Redact
    from jobrunr.dashboard.wsgi import WsgiDashboard


class JobRunr:
    """Background jobs for one application: a storage, a scheduler that makes jobs, and servers that run them.

    Making one connects to nothing; the storage is opened, and its tables are created, at first use.

    Arguments:
        storage: where jobs are kept: a URL (``sqlite:///jobs.db``, ``postgresql://…``, ``mysql://…``, ``mariadb://…``,
            ``memory://``), a SQLAlchemy `Engine` of the application, or a `StorageProvider`. Default: the setting ``url``.
        activator: makes an instance of a class whose method is a job; by default the class is called without arguments.
        filters: `JobFilter`s for all jobs.
        retry: how long to wait before each retry; by default what the settings ``retry_…`` say.
        application: the top-level package whose functions may run as jobs; by default the one that makes this object.
        carbon_forecast: knows how clean electricity is going to be, for carbon-aware jobs; by default a service on the web
            if the setting ``carbon_forecast_url`` names one.
        settings: any setting by its name (see the page on settings); goes before environment and files.

    Raises:
        SettingsError: a setting has an unknown name or a wrong value, or `activator`, `filters` or `retry` are none; the
            message says what is allowed.

    >>> jobrunr = JobRunr("memory://", retries=3)
    >>> jobrunr.settings.retries
    3
    """

    def __init__(
        self,
        storage: str | Engine | StorageProvider | None = None,
        *,
        activator: JobActivator | None = None,
        filters: Iterable[JobFilter] = (),
        retry: RetryPolicy | None = None,
        application: str | None = None,
        carbon_forecast: CarbonForecast | None = None,
        **settings: Unpack[ApplicationSettings],
    ) -> None:
        filters = _checked(activator, filters, retry, application)
        if isinstance(storage, str):
            settings["url"] = storage
        if isinstance(retry, FixedDelays):
            settings.setdefault("retry_delays", retry.seconds)  # as many retries as delays, unless said otherwise
        self.settings = load_settings(settings, os.environ, Path.cwd())
        self._given = None if isinstance(storage, str) else storage
        self._storage: StorageProvider | None = None
        self._is_set_up = False
        self._lock = threading.RLock()
        self._activator = _instance_without_arguments if activator is None else activator
        self.filters = JobFilters(filters)
        """The filters of the application, as one."""
        self._retry = _retry_of(self.settings) if retry is None else retry
        self.registry = JobRegistry(application or _application_of_caller(), self.settings.allowed_targets)
        """Which functions are offered as jobs."""
        self._run_figures = RunFigures()
        self._carbon_forecast = carbon_forecast or _forecast_of(self.settings)
        builder = JobBuilder(self.registry, self.settings, self.filters)
        recurring = RecurringJobs(lambda: self.storage, builder, self.registry, self.filters, self.settings.zone)
        self.scheduler = JobScheduler(
            lambda: self.storage, builder, self.filters, recurring, has_forecast=self._carbon_forecast is not None
        )
        """Makes jobs and steers them."""
        self._threads = Threads()
        self._writer = CoalescingWriter(lambda: self.storage, self._threads)
        self.async_scheduler = AsyncJobScheduler(self.scheduler, self._writer, self._threads)
        """The same, awaited."""

    @property
    def storage(self) -> StorageProvider:
        """The storage, ready for use: the first access connects and creates or checks the tables.

        Raises:
            StorageUnavailableError: it cannot be reached. The next access tries again.
            StorageSetupError: it cannot be used as it is set up.
        """
        if not self._is_set_up:
            with self._lock:
                if not self._is_set_up:
                    self.provider.set_up(migrate=self.settings.migrate)
                    self._is_set_up = True
        return self.provider

    @property
    def provider(self) -> StorageProvider:
        """The storage as it is, tables or no tables: for migrations."""
        with self._lock:
            if self._storage is None:
                self._storage = _storage_provider(self._given, self.settings)
            return self._storage

    @property
    def url(self) -> str | None:
        """The URL of the storage, with the password; None where the application handed over an `Engine` or a provider."""
        return self.settings.url if self._given is None else None

    def server(self, **settings: Unpack[ServerSettings]) -> BackgroundJobServer:
        """A server for this process; start it with ``with``, or by hand.

        Arguments:
            settings: any setting that concerns servers: ``workers``, ``queues``, ``server_name``, ``poll_interval`` ...

        Raises:
            SettingsError: a setting has an unknown name, a wrong value, or concerns more than one server.

        >>> with JobRunr("memory://").server(workers=2) as server:
        ...     server.is_master
        True
        """
        strange = settings.keys() - ServerSettings.__annotations__.keys()
        if strange:
            raise UnknownSettingError(min(strange), "server(...)", ServerSettings.__annotations__)
        own = change_settings(self.settings, settings)
        storage = self.storage.for_servers()
        clock = SyncedClock(storage.now)
        return BackgroundJobServer(
            storage,
            self.performer(clock, own),
            clock,
            self.filters,
            own,
            recurring=self.scheduler.recurring,
            fire=self.fire(clock, own, storage),
            forecasts=Forecasts(storage, self._carbon_forecast),
            figures=self._run_figures,
            version=VERSION,
        )

    def dashboard(
        self,
        *,
        authorize: Authorize | None = None,
        insecure: bool = False,
        redact: Redact | None = None,
        hosts: Iterable[str] = (),
    ) -> Starlette:
        """The dashboard as an ASGI application, to be mounted at any path.

        Arguments:
            authorize: looks at a request and says who may do what: None for nobody, ``"reader"``, ``"operator"``, or a
                `jobrunr.dashboard.access.User`, whose name then stands in histories. May be a coroutine function. Without
                it, people sign in as the settings ``dashboard_users`` and ``dashboard_openid_…`` say.
            insecure: whoever reaches it may do everything.
            redact: takes ``"arguments"``, ``"result"``, ``"log"``, ``"exception"`` or ``"metadata"`` and a text, and returns
                what may be shown of it. If it fails, nothing is.
            hosts: the names under which browsers reach it, besides localhost and those of the setting ``dashboard_hosts``.

        Raises:
            DashboardAccessError: nobody said who may use it.
            MissingExtraError: what it takes is not installed.

        >>> dashboard = jobrunr.dashboard(authorize=lambda request: "reader")
        """
        return self._dashboard(authorize, redact, hosts, insecure=insecure, streams=True)

    def dashboard_wsgi(
        self,
        *,
        authorize: Authorize | None = None,
        insecure: bool = False,
        redact: Redact | None = None,
        hosts: Iterable[str] = (),
    ) -> WsgiDashboard:
        """The dashboard as a WSGI application, to be mounted in Flask, Django and the like. Arguments and errors are those
        of `dashboard`.

        Pages move here, too, by asking again every other second: an open connection would hold a thread of the host.
        """
        application = self._dashboard(authorize, redact, hosts, insecure=insecure, streams=False)
        from jobrunr.dashboard.wsgi import WsgiDashboard  # noqa: PLC0415 - an extra

        return WsgiDashboard(application)

    def _dashboard(
        self, authorize: Authorize | None, redact: Redact | None, hosts: Iterable[str], *, insecure: bool, streams: bool
    ) -> Starlette:
        try:
            # An extra: whoever has no dashboard does not have what it needs.
            from jobrunr.dashboard.factory import make_dashboard  # noqa: PLC0415
            from jobrunr.dashboard.guard import Guard  # noqa: PLC0415
            from jobrunr.dashboard.site import Site  # noqa: PLC0415
        except ModuleNotFoundError as error:
            if error.name is not None and error.name.startswith("jobrunr"):
                raise
            raise MissingExtraError("The dashboard", error.name or "a package", "dashboard") from error

        def storage() -> StorageProvider:
            return self.storage

        settings = change_settings(self.settings, {"dashboard_hosts": (*self.settings.dashboard_hosts, *hosts)})
        guard = Guard(settings, storage, authorize=authorize, insecure=insecure)
        site = Site(
            storage, self.scheduler, self.registry, self.settings, VERSION, run_figures=self._run_figures, redact=redact
        )
        return make_dashboard(site, guard, streams=streams)

    def performer(self, clock: Clock, settings: Settings | None = None) -> Performer:
        """What runs single jobs: the heart of a server, and of `jobrunr.testing.drain`."""
        return Performer(self.registry, self._activator, self.filters, settings or self.settings, self._retry, clock)

    def fire(self, clock: Clock, settings: Settings | None = None, storage: StorageProvider | None = None) -> Fire:
        """What makes the jobs of recurring jobs: a duty of servers, and a part of `jobrunr.testing.drain`."""
        settings = settings or self.settings
        rules = FiringRules(
            misfire_grace=settings.misfire_grace,
            misfire_limit=settings.misfire_limit,
            retries_count_as_live=settings.retries_count_as_live,
        )
        recurring = self.scheduler.recurring
        has_forecast = self._carbon_forecast is not None
        storage = storage or self.storage
        return Fire(storage, clock, recurring.schedule_of, recurring.filters_of, rules, has_forecast=has_forecast)

    @contextmanager
    def using(self, storage: StorageProvider) -> Iterator[Self]:
        """Keep jobs somewhere else for the duration of a block: for tests.

        >>> from jobrunr.storage.memory import MemoryStorageProvider
        >>> with jobrunr.using(MemoryStorageProvider()):
        ...     sum(jobrunr.scheduler.counts().values())
        0
        """
        with self._lock:
            before = self._storage, self._is_set_up
            self._storage, self._is_set_up = storage, False
        try:
            yield self
        finally:
            with self._lock:
                self._storage, self._is_set_up = before

    def close(self) -> None:
        """Store what `async_scheduler` was given before, and give back the connections. An `Engine` of the application stays
        as it is."""
        self._writer.close()  # before anything is locked: it may be about to open the storage
        self._threads.close()
        with self._lock:
            if self._storage is not None:
                self._storage.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _application_of_caller() -> str | None:
    """The top-level package of whoever makes the `JobRunr`: what it calls its own may run as a job."""
    return application_of(sys._getframe(2).f_globals.get("__name__", ""))  # noqa: SLF001 - the one way to know who calls


def _checked(activator: object, filters: object, retry: object, application: object) -> tuple[JobFilter, ...]:
    """Refuse now what would otherwise fail every job later. Returns the filters."""
    if activator is not None and not can_be_called(activator, 1):
        raise WrongSettingError("activator", activator, "code", "a function that takes a class and returns an instance")
    if retry is not None and not is_policy(retry):
        raise WrongSettingError("retry", retry, "code", POLICIES)
    if application is not None and not (isinstance(application, str) and all(map(str.isidentifier, application.split(".")))):
        raise WrongSettingError("application", application, "code", "the name of a package, such as 'shop'")
    given = tuple(filters) if isinstance(filters, Iterable) else None
    if given is None or not all(isinstance(each, JobFilter) for each in given):
        raise WrongSettingError("filters", filters, "code", "a list of instances of JobFilter, such as [Audit()]")
    return given


def _instance_without_arguments(cls: type) -> Any:
    """The default activator."""
    try:
        return cls()
    except TypeError as error:
        if can_be_called(cls, 0):  # then it comes from within
            raise
        raise NoInstanceError(cls, str(error)) from None


def _forecast_of(settings: Settings) -> CarbonForecast | None:
    if settings.carbon_forecast_url is None:
        return None
    from jobrunr.carbon.http_forecast import HttpForecast  # noqa: PLC0415 - brings HTTP and TLS along: only who asks waits

    return HttpForecast(
        settings.carbon_forecast_url, settings.carbon_area, settings.carbon_provider, settings.carbon_timeout
    )


def _retry_of(settings: Settings) -> RetryPolicy:
    if settings.retry_delays is not None:
        return FixedDelays(*settings.retry_delays)
    return ExponentialBackoff(settings.retry_base, settings.retry_factor, settings.retry_maximum, settings.retry_jitter)


def _storage_provider(given: Engine | StorageProvider | None, settings: Settings) -> StorageProvider:
    if isinstance(given, StorageProvider):
        return given
    if given is None and settings.url == "memory://":
        from jobrunr.storage.memory import MemoryStorageProvider  # noqa: PLC0415 - each storage is imported by its users only

        return MemoryStorageProvider()
    from jobrunr.storage.sql import SqlStorageProvider  # noqa: PLC0415 - SQLAlchemy is slow to import

    return SqlStorageProvider(
        settings.url if given is None else given,
        table_prefix=settings.table_prefix,
        schema=settings.schema,
        timeout=settings.storage_timeout,
    )

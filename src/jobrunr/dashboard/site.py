"""What all pages of one dashboard share."""

from __future__ import annotations

from collections.abc import Callable

from jobrunr.dashboard.changes import Changes
from jobrunr.dashboard.kept import Kept, KeptEach
from jobrunr.dashboard.load import Load
from jobrunr.dashboard.lost import find_lost
from jobrunr.dashboard.pulse import Pulse
from jobrunr.dashboard.redaction import Redact, Redaction
from jobrunr.dashboard.waiting import look_at_waiting
from jobrunr.jobs import Job
from jobrunr.registry import JobRegistry
from jobrunr.run_figures import MOST_NAMES, RunFigures
from jobrunr.scheduler.job_scheduler import JobScheduler
from jobrunr.settings import Settings
from jobrunr.storage.contract import JobQuery, StorageProvider


class Site:
    """One dashboard.

    Arguments:
        storage: the storage, ready for use; may raise a `StorageUnavailableError`.
        scheduler: steers jobs, past the filters of the application.
        registry: which functions this code offers.
        settings: those of the application.
        version: ours, for people.
        run_figures: of the servers in this process.
        redact: of the application; see `jobrunr.dashboard.redaction`.
    """

    def __init__(
        self,
        storage: Callable[[], StorageProvider],
        scheduler: JobScheduler,
        registry: JobRegistry,
        settings: Settings,
        version: str,
        *,
        run_figures: RunFigures,
        redact: Redact | None = None,
    ) -> None:
        self._storage = storage
        self.scheduler = scheduler
        self.registry = registry
        self.settings = settings
        self.version = version
        self.run_figures = run_figures
        self.changes = Changes()
        """Changes to many jobs that go on."""
        self.pulse = Pulse()
        """How much was done lately."""
        self.load = Load()
        """How much CPU the servers use."""
        self.recurring = Kept(scheduler.recurring.list, seconds=10)
        """All recurring jobs, for those who look at them again and again."""
        self.last_jobs = KeptEach(self._last_job, seconds=5)
        """By the id of a recurring job, the job that was made for it last."""
        self.waiting = Kept(lambda: look_at_waiting(self.storage, self.registry), seconds=60)
        """What is the matter with the jobs that wait."""
        self.lost = Kept(lambda: find_lost(self.storage), seconds=60)
        """Jobs that lost their server lately."""
        self.failures = Kept(lambda: self.storage.failures(MOST_NAMES), seconds=60)
        """What failed, for those who only count it."""
        self.redact = Redaction(settings.dashboard_hidden_keys, redact)
        """Takes ``"arguments"``, ``"result"``, ``"log"``, ``"exception"`` or ``"metadata"`` and a text; returns what may be
        shown of it."""

    @property
    def storage(self) -> StorageProvider:
        """Where everything is."""
        return self._storage()

    def _last_job(self, recurring_job_id: str) -> Job | None:
        (last, *_) = self.storage.find(JobQuery(recurring_job_id=recurring_job_id, limit=1)).jobs or (None,)
        return last

"""The storage law, as tests: what every storage provider must do, whatever it stands on.

For the author of a provider. Make a test class, give it a fixture ``storage``, and pytest runs the law on your provider::

    from jobrunr.testing.contract import StorageContract

    class TestMyProvider(StorageContract):
        not_damageable = "the store checks every document itself"

        @pytest.fixture
        def storage(self, clock):
            with MyStorageProvider("my://localhost/test", clock=clock) as storage:
                storage.set_up()
                storage.remove_everything()
                yield storage

        def another(self, storage, clock):
            return MyStorageProvider("my://localhost/test", clock=clock)

The fixture gives a provider that is set up, empty, and tells the time by ``clock``, a `jobrunr.testing.TestClock`. What your
store cannot do at all is said in class attributes, each with the reason: ``one_provider_only``, ``takes_any_text``,
``not_damageable``, ``no_presence``. The tests that need it are then skipped with that reason, in plain sight. Everything
else must hold.

Each module is one chapter, and each test is a sentence of the law. The rules themselves are in the docstrings of
`jobrunr.storage.contract`.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"{__name__}.{chapter}"
        for chapter in (
            "base",
            "claiming",
            "crashes",
            "creating",
            "damaging",
            "duties",
            "firing",
            "guarding",
            "life",
            "looking",
            "overview",
            "races",
            "recurring",
            "runs",
            "searching",
            "servers",
            "updating",
            "waking",
        )
    )
)

from jobrunr.testing.contract.claiming import Claiming  # noqa: E402 - assertions are rewritten on import only
from jobrunr.testing.contract.crashes import Beginning, CountingCrashes  # noqa: E402
from jobrunr.testing.contract.creating import Creating  # noqa: E402
from jobrunr.testing.contract.damaging import Damaging  # noqa: E402
from jobrunr.testing.contract.duties import Awaiting, Expiring, Promoting, Rescuing, Tidying  # noqa: E402
from jobrunr.testing.contract.firing import DamagingRecurring, Firing, ForgettingRuns, WakingForTimes  # noqa: E402
from jobrunr.testing.contract.guarding import GuardingBatches, GuardingByToken, GuardingByVersion  # noqa: E402
from jobrunr.testing.contract.life import Living  # noqa: E402
from jobrunr.testing.contract.looking import Backlog, Counting, Finding, Getting  # noqa: E402
from jobrunr.testing.contract.overview import Auditing, GroupingFailures, KeepingTotals, SayingByWhom  # noqa: E402
from jobrunr.testing.contract.races import Racing  # noqa: E402
from jobrunr.testing.contract.recurring import Declaring, SavingRecurring  # noqa: E402
from jobrunr.testing.contract.runs import Appending, Holding  # noqa: E402
from jobrunr.testing.contract.searching import CountingMatches, Searching  # noqa: E402
from jobrunr.testing.contract.servers import BeingPresent, Noting, Pausing, Registering  # noqa: E402
from jobrunr.testing.contract.updating import Updating  # noqa: E402
from jobrunr.testing.contract.waking import Waking  # noqa: E402

__all__ = ["StorageContract"]


class StorageContract(
    Living,
    Creating,
    Claiming,
    Updating,
    GuardingByToken,
    GuardingByVersion,
    GuardingBatches,
    Appending,
    Holding,
    Beginning,
    CountingCrashes,
    Promoting,
    Awaiting,
    Rescuing,
    Expiring,
    Tidying,
    Getting,
    Finding,
    Counting,
    Backlog,
    Searching,
    CountingMatches,
    GroupingFailures,
    KeepingTotals,
    Auditing,
    SayingByWhom,
    Registering,
    BeingPresent,
    Pausing,
    Noting,
    Waking,
    SavingRecurring,
    Declaring,
    Firing,
    ForgettingRuns,
    WakingForTimes,
    Damaging,
    DamagingRecurring,
    Racing,
):
    """The whole law. Subclass it, and give it a fixture ``storage``."""

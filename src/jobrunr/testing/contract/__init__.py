"""The storage law."""

import pytest

_PARTS = ("base", "claiming", "creating", "guarding", "updating")
pytest.register_assert_rewrite(*(f"{__name__}.{part}" for part in _PARTS))

from jobrunr.testing.contract.claiming import Claiming
from jobrunr.testing.contract.creating import Creating
from jobrunr.testing.contract.guarding import GuardingBatches, GuardingByToken, GuardingByVersion
from jobrunr.testing.contract.updating import Updating


class StorageContract(Creating, Claiming, Updating, GuardingByToken, GuardingByVersion, GuardingBatches):
    """The whole law"""

"""Carbon-aware jobs: they wait, within a window, for the time when electricity is cleanest."""

from jobrunr.carbon.checking import check_is_of_use, checked
from jobrunr.carbon.choosing import LEAD, Known, Slot, choose_slot
from jobrunr.carbon.forecast import CarbonForecast, Forecast, ForecastSlot
from jobrunr.carbon.kept import FORECAST, PROBLEM, KeptForecast, known_at, read_kept
from jobrunr.carbon.windows import CarbonAware, Margin, read_margin

__all__ = [
    "FORECAST",
    "LEAD",
    "PROBLEM",
    "CarbonAware",
    "CarbonForecast",
    "Forecast",
    "ForecastSlot",
    "KeptForecast",
    "Known",
    "Margin",
    "Slot",
    "check_is_of_use",
    "checked",
    "choose_slot",
    "known_at",
    "read_kept",
    "read_margin",
]

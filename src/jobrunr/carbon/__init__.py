"""Carbon-aware jobs: they wait, within a window, for the time when electricity is cleanest."""

from jobrunr.carbon.choosing import Slot, choose_slot, is_worth_waiting
from jobrunr.carbon.forecast import CarbonForecast, Forecast, ForecastSlot
from jobrunr.carbon.http_forecast import HttpForecast
from jobrunr.carbon.windows import CarbonAware, Margin, read_margin

__all__ = [
    "CarbonAware",
    "CarbonForecast",
    "Forecast",
    "ForecastSlot",
    "HttpForecast",
    "Margin",
    "Slot",
    "choose_slot",
    "is_worth_waiting",
    "read_margin",
]

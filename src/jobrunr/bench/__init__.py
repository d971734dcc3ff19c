"""``jobrunr bench``: measures a database of the user's own, and says what limits it.

It uses tables of its own beside those of the application, or, for SQLite, a file of its own beside the application's; both
are gone afterwards.
"""

from jobrunr.bench.figures import Figures, Rate, Spread
from jobrunr.bench.limits import what_limits
from jobrunr.bench.place import BenchError, place_beside
from jobrunr.bench.run import run

__all__ = ["BenchError", "Figures", "Rate", "Spread", "place_beside", "run", "what_limits"]

"""The command line: ``jobrunr worker``, ``jobrunr status`` and so on. One file per verb; a verb is imported when it is used.

The application is found by ``--app module:name`` or the setting ``app``. See `jobrunr.cli.root`.
"""

from jobrunr.cli.root import main

__all__ = ["main"]

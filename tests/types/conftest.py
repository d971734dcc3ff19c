"""Keeps pytest from running what is only to be read."""

from __future__ import annotations

collect_ignore = ["right_and_wrong.py"]

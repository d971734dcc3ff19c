"""The version of this library."""

from __future__ import annotations

VERSION = "0.1.0"

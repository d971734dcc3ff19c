"""How things are shown: templates, and the words and drawings in them."""

from jobrunr.dashboard.showing.templates import templates

__all__ = ["templates"]

"""What moves on pages without a reload: one reader per process for everybody who watches, and none when nobody does."""

from jobrunr.dashboard.live.hub import Fragments, Hub, Topic
from jobrunr.dashboard.live.stream import glance, stream

__all__ = ["Fragments", "Hub", "Topic", "glance", "stream"]

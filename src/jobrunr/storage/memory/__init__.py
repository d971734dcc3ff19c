"""Jobs in the memory of this process: for tests, and for trying things out. Gone when the process ends."""

from jobrunr.storage.memory.provider import MemoryStorageProvider

__all__ = ["MemoryStorageProvider"]

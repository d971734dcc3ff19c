"""Jobs that go on when a test says so."""

from __future__ import annotations

from queue import SimpleQueue

from jobrunr import current_job

STEPS: SimpleQueue[str] = SimpleQueue()
"""What a running job says at its next step."""


def pack(boxes: int) -> str:
    progress = current_job().progress(total=boxes)
    for _ in range(boxes):
        current_job().log.info("%s", STEPS.get(timeout=30))
        progress.advance()
    return f"packed {boxes}"


def greet(name: str) -> str:
    return f"hello {name}"

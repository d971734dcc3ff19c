"""A program: resolves the targets that it is given, with an audit hook that notes whatever the interpreter does meanwhile.

Reads JSON from standard input: where to find modules, the application, what to import first, and the targets. Writes JSON:
for each target the class of the error (or null), its message, and the audit events.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from jobrunr.errors import JobRunrError
from jobrunr.registry import JobRegistry


class Watch:
    """Notes audit events while it is on. A hook cannot be taken away again."""

    def __init__(self) -> None:
        self.is_on = False
        self.events: list[str] = []
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_on:
            self.events.append(f"{event} {arguments!r:.200}")


def main() -> None:
    order = json.load(sys.stdin)
    sys.path[:0] = order["path"]
    registry = JobRegistry(order["application"])
    for module in order["imported"]:
        importlib.import_module(module)
    report = []
    watch = Watch()
    for target in order["targets"]:
        error: JobRunrError | None = None
        watch.events = []
        watch.is_on = True
        try:
            registry.resolve(target)
        except JobRunrError as raised:
            error = raised
        watch.is_on = False
        report.append([type(error).__name__ if error else None, str(error), watch.events])
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()

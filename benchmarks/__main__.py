"""The command: what to measure, where, and how to show it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.backlog import finished, waiting
from benchmarks.coroutines import from_coroutines
from benchmarks.databases import NAMES, Database, databases
from benchmarks.draining import drain_all, sleeping, two_processes
from benchmarks.looking import looking, watching
from benchmarks.measurements import FULL, QUICK, Sizes, bulk, enqueue, idle, latency, recurring
from benchmarks.report import Figure, as_table, surroundings, write_json

SHORT: dict[str, Callable[[Database, Sizes], Iterator[Figure]]] = {
    "enqueue": enqueue,
    "async": from_coroutines,
    "bulk": bulk,
    "drain": drain_all,
    "two": two_processes,
    "sleep": sleeping,
    "latency": latency,
    "idle": idle,
    "recurring": recurring,
}
LONG: dict[str, Callable[[Database, Sizes], Iterator[Figure]]] = {
    "waiting": waiting,
    "finished": finished,
    "looking": looking,
    "watching": watching,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure, beside the raw drivers in the same run."
    )
    parser.add_argument("--quick", action="store_true", help="do little of each: a first look, about a minute")
    parser.add_argument(
        "--large", action="store_true", help="also a million jobs waiting, ten million finished, and pages over five million"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        choices=[*SHORT, *LONG, *NAMES],
        help=f"only these measurements ({', '.join([*SHORT, *LONG])}) and databases ({', '.join(NAMES)})",
    )
    parser.add_argument("--url", action="append", default=[], help="where databases may be created; can be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    sizes = QUICK if given.quick else FULL
    chosen = [name for name in given.only if name not in NAMES] or [*SHORT, *(LONG if given.large else ())]
    kinds = [name for name in given.only if name in NAMES] or list(NAMES)
    places = [database for database in databases(given.url) if database.kind in kinds]
    figures: list[Figure] = []
    for database in places:
        for name in chosen:
            print(f"{database.name}: {name} ...", file=sys.stderr, flush=True)
            figures += (SHORT | LONG)[name](database, sizes)
    about = surroundings({database.name: database.version() for database in places})
    print(as_table(figures), "", *(f"{name} {value}" for name, value in about.items()), sep="\n")
    if given.json:
        write_json(given.json, about, figures)


if __name__ == "__main__":
    main()

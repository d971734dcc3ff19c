"""The command: how long, on what, and from which seed."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from sqlalchemy import URL

from chaos.report import as_text, report_on
from chaos.storm import RATE, Storm
from tests.storage.conftest import DROP_MARIADB, DROP_POSTGRESQL, new_database
from tools import services

CONNECTIONS = 100
"""Of the database; each of them is taken when nobody is to have one."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description="Try to break it, at random.")
    parser.add_argument("--storage", choices=["postgresql", "mariadb", "sqlite"], default="postgresql")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=RATE, help="jobs per second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="the same seed plans the same faults")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report to a file, too")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the ledger and the logs of the workers there")
    return parser.parse_args()


@contextmanager
def place(storage: str, folder: Path) -> Iterator[tuple[URL, services.OwnServer | None]]:
    """An empty database, on a server of our own if there is one to it."""
    if storage == "sqlite":
        yield URL.create("sqlite", database=str(folder / "jobs.db")), None
        return
    kind = next(database for database in services.DATABASES if database.service == storage)
    drop = DROP_POSTGRESQL if storage == "postgresql" else DROP_MARIADB
    with ExitStack() as stack:
        server = stack.enter_context(services.own_server(kind, CONNECTIONS))
        yield stack.enter_context(new_database(server.url.render_as_string(hide_password=False), drop)), server


def main() -> int:
    given = arguments()
    print(f"make chaos STORAGE={given.storage} MINUTES={given.minutes:g} SEED={given.seed}", flush=True)
    with ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(TemporaryDirectory(prefix="jobrunr-chaos-")))
        folder.mkdir(parents=True, exist_ok=True)
        url, server = stack.enter_context(place(given.storage, folder))
        storm = stack.enter_context(Storm(url, folder, given.seed, server))
        storm.rage(given.minutes * 60, given.rate)
        report = report_on(storm, given.minutes * 60)
    print(as_text(report))
    if given.json:
        given.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return int(bool(report.objections))


if __name__ == "__main__":
    sys.exit(main())

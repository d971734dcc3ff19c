"""Run a command with the databases that the test-suite wants, and say at the end which could not be had.

    python tools/services.py --connections 200 --with chromium --with spin python -m pytest

For each database, the first of these that works: the SQLAlchemy URL in JOBRUNR_TEST_POSTGRESQL or JOBRUNR_TEST_MARIADB;
the server at the usual local address, if it admits as many connections as --connections says; a server of our own, started
from the programs on this machine, which are installed with apt when we are root; a container of Docker Compose. The command
finds the URLs in these two variables. The database inside a local server is made for this run and dropped after it; what
was started is stopped. With CI=true, a missing database is a failure.

Programs that the command needs besides are named with --with: those of this machine, or installed with apt. The command
finds the path of the Chromium in JOBRUNR_TEST_BROWSER.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import NoReturn

from sqlalchemy import URL, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

IS_ROOT = os.geteuid() == 0
ON_CI = os.environ.get("CI") == "true"
COMPOSE = ["docker", "compose", "--file", str(Path(__file__).with_name("compose.yaml"))]
PATIENCE = 60.0
CONNECTIONS = 300
"""How many a server of our own admits, unless somebody says so."""
BROWSER_VARIABLE = "JOBRUNR_TEST_BROWSER"


class UnavailableError(Exception):
    """A way to a database does not lead there; the message says why."""


@dataclass(frozen=True)
class Database:
    """A kind of database server, and how to come by one."""

    name: str
    variable: str
    local: tuple[URL, ...]
    """Where one usually answers, as whom."""
    apt_package: str
    service: str
    """Its name in compose.yaml."""
    own_server: Callable[[Path, int, int], list[list[str]]]
    """The commands that prepare and run a server of our own in a folder, on a port and for so many connections; the last one
    stays."""
    connections: int = 0
    """How many one that answers locally must admit."""


# -- servers of our own


def postgresql_server(folder: Path, port: int, connections: int) -> list[list[str]]:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    postgres = shutil.which("postgres") or (str(programs[-1] / "postgres") if programs else None)
    if postgres is None:
        raise UnavailableError("its programs are not on this machine")
    initdb = str(Path(postgres).with_name("initdb"))
    settings = ["-F", "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-c", f"max_connections={connections}"]
    return [
        [initdb, "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
        [postgres, "-D", str(folder / "data"), *settings],
    ]


def mariadb_server(folder: Path, port: int, connections: int) -> list[list[str]]:
    sbin = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    mariadbd, install = shutil.which("mariadbd", path=sbin), shutil.which("mariadb-install-db", path=sbin)
    if mariadbd is None or install is None:
        raise UnavailableError("its programs are not on this machine")
    data = f"--datadir={folder / 'data'}"
    listen = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"]
    return [
        [install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"],
        [mariadbd, "--no-defaults", data, *listen, f"--max-connections={connections}"],
    ]


DATABASES = (
    Database(
        name="PostgreSQL",
        variable="JOBRUNR_TEST_POSTGRESQL",
        local=(
            make_url("postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
            make_url("postgresql+psycopg://postgres:postgres@127.0.0.1:5432/postgres"),
            make_url("postgresql+psycopg:///postgres"),
        ),
        apt_package="postgresql",
        service="postgresql",
        own_server=postgresql_server,
    ),
    Database(
        name="MariaDB",
        variable="JOBRUNR_TEST_MARIADB",
        local=(
            make_url("mariadb+pymysql://root@127.0.0.1:3306/mysql"),
            make_url("mariadb+pymysql://root:root@127.0.0.1:3306/mysql"),
            make_url("mariadb+pymysql://root@localhost/mysql?unix_socket=/run/mysqld/mysqld.sock"),
        ),
        apt_package="mariadb-server",
        service="mariadb",
        own_server=mariadb_server,
    ),
)


# -- the ways to a database; each gives the URL of an empty one, or raises UnavailableError


def from_variable(database: Database, stack: ExitStack) -> URL:
    url = make_url(os.environ[database.variable])
    ask_version(url)
    return url


def at_local_address(database: Database, stack: ExitStack) -> URL:
    nobody = f"nothing answers at {database.local[0].host}:{database.local[0].port} as one of the usual users"
    for url in database.local:
        try:
            admitted = int(ask(url, "SHOW max_connections" if is_postgresql(url) else "SELECT @@max_connections"))
            if admitted >= database.connections:
                return stack.enter_context(own_database(url))
        except UnavailableError:
            continue
        nobody = f"the one at {url.host}:{url.port} admits {admitted} connections, and {database.connections} are wanted"
    raise UnavailableError(nobody)


def on_our_own_server(database: Database, stack: ExitStack) -> URL:
    print(f"Starting {database.name} ...", flush=True)
    return stack.enter_context(own_database(stack.enter_context(own_server(database)).url))


def with_apt(database: Database, stack: ExitStack) -> URL:
    install(database.apt_package)
    return on_our_own_server(database, stack)


def with_docker(database: Database, stack: ExitStack) -> URL:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0
    ):
        raise UnavailableError("no Docker engine answers")
    print(f"Starting {database.name} with Docker Compose ...", flush=True)
    stack.callback(subprocess.run, [*COMPOSE, "rm", "--force", "--stop", database.service], capture_output=True, check=False)
    run([*COMPOSE, "up", "--detach", "--wait", database.service])
    usual = database.local[0]
    host, _, port = run([*COMPOSE, "port", database.service, str(usual.port)]).strip().rpartition(":")
    return stack.enter_context(own_database(usual.set(host=host, port=int(port))))


def install(apt_package: str) -> None:
    if not IS_ROOT or shutil.which("apt-get") is None:
        raise UnavailableError("it cannot be installed with apt, which needs root on Debian")
    print(f"Installing {apt_package} with apt ...", flush=True)
    with services_kept_from_starting():
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", apt_package]):
            run(["apt-get", "--quiet=2", *arguments], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})


WAYS = (at_local_address, on_our_own_server, with_apt, with_docker)


def find(database: Database, stack: ExitStack) -> URL:
    """The URL of a database to test on."""
    reasons = []
    for way in (from_variable,) if os.environ.get(database.variable) else WAYS:
        try:
            return way(database, stack)
        except UnavailableError as reason:
            reasons.append(str(reason))
    raise UnavailableError("; ".join(reasons))


# -- programs


def chromium() -> str | None:
    said = os.environ.get(BROWSER_VARIABLE)
    return shutil.which(said) if said else next(filter(None, map(shutil.which, BROWSERS)), None)


def libfaketime() -> str | None:
    return next(map(str, Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def spin() -> str | None:
    return shutil.which("spin")


def pgbouncer() -> str | None:
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PROGRAMS: dict[str, Callable[[], str | None]] = {
    "chromium": chromium,
    "libfaketime": libfaketime,
    "spin": spin,
    "pgbouncer": pgbouncer,
}
"""Where each is on this machine, by the name of its package."""


def find_program(package: str) -> str:
    """The path of a program, which is installed if need be."""
    find = PROGRAMS[package]
    found = find()
    if found is None:
        install(package)
        found = find()
    if found is None:
        raise UnavailableError("apt installed none")
    return found


# -- the parts of these ways


def ask_version(url: URL) -> str:
    return re.sub(r"-.*| .*", "", ask(url, "SHOW server_version" if is_postgresql(url) else "SELECT version()"))


def ask(url: URL, statement: str) -> str:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            return str(connection.scalar(text(statement)))
    except SQLAlchemyError as error:
        raise UnavailableError(f"{url} does not answer: {str(error.__cause__ or error).splitlines()[0]}") from error


@contextmanager
def own_database(url: URL) -> Iterator[URL]:
    """A database that is made now and dropped in the end. Reached through the server's database in `url`."""
    ask_version(url)
    name = f"jobrunr_test_{os.getpid()}"
    encoding = "" if is_postgresql(url) else " CHARACTER SET utf8mb4"
    execute(url, f"CREATE DATABASE {name}{encoding}")
    try:
        yield url.set(database=name)
    finally:
        execute(url, f"DROP DATABASE {name}{' WITH (FORCE)' if is_postgresql(url) else ''}")


def execute(url: URL, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    except SQLAlchemyError as error:
        raise UnavailableError(f"{url} refuses {statement}: {str(error.__cause__ or error).splitlines()[0]}") from error


def is_postgresql(url: URL) -> bool:
    return url.get_backend_name() == "postgresql"


@contextmanager
def own_server(database: Database, connections: int = CONNECTIONS) -> Iterator[OwnServer]:
    """A server that runs in a temporary folder, reachable from this machine only, until the end."""
    with TemporaryDirectory(prefix="jobrunr-test-") as folder:
        server = OwnServer(database, Path(folder), connections)
        server.prepare()
        try:
            server.start()
            yield server
        finally:
            server.stop()


class OwnServer:
    """A database server of our own, which can be stopped and started again.

    Arguments:
        database: which kind.
        folder: an empty folder for everything it keeps.
        connections: how many it admits.
    """

    def __init__(self, database: Database, folder: Path, connections: int = CONNECTIONS) -> None:
        self.name = database.name
        self._folder = folder
        port = free_port()
        *self._preparations, self._last = database.own_server(folder, port, connections)
        self._as_user = unprivileged(database.service, folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = database.local[0].set(port=port)

    def prepare(self) -> None:
        """Make its files."""
        for command in self._preparations:
            run([*self._as_user, *command])

    def start(self) -> None:
        """Start it; it answers when this returns."""
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._as_user, *self._last], stdout=output, stderr=output, start_new_session=True
            )
        wait_for(self.url, self._process, log)

    def stop(self, signum: signal.Signals | None = None) -> None:
        """Stop it, at once, but cleanly; or send it another signal. It is down when this returns."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signum or (signal.SIGINT if self.name == "PostgreSQL" else signal.SIGTERM))
        self._process.wait(PATIENCE)


def unprivileged(user: str, folder: Path) -> list[str]:
    """What goes before a command so that it does not run as root, which database servers refuse."""
    if not IS_ROOT:
        return []
    user = {"postgresql": "postgres", "mariadb": "mysql"}[user]
    shutil.chown(folder, user)
    return ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"]


def wait_for(url: URL, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            ask_version(url)
        except UnavailableError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"our own server does not start: {log.read_text(errors='replace')[-500:]}") from None
            time.sleep(0.1)
        else:
            return


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def services_kept_from_starting() -> Iterator[None]:
    """Debian starts a service as soon as it is installed; a policy says no, unless the machine has a policy of its own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def run(command: list[str], env: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd="/")
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command[:4])} failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return done.stdout


# -- the whole


def main(command: list[str]) -> int:
    programs, connections = [], 0
    while command[0] in ("--with", "--connections"):
        if command[0] == "--with":
            programs.append(command[1])
        else:
            connections = int(command[1])
        command = command[2:]
    found, missing, environ = ["memory", "SQLite"], [], dict(os.environ)
    with ExitStack() as stack:
        for database in DATABASES:
            try:
                url = find(replace(database, connections=connections), stack)
            except UnavailableError as reason:
                missing.append(f"{database.name} was NOT tested: {reason}. Set {database.variable} to a SQLAlchemy URL.")
                environ.pop(database.variable, None)
            else:
                environ[database.variable] = url.render_as_string(hide_password=False)
                name = "MySQL" if url.get_backend_name() == "mysql" else database.name
                found.append(f"{name} {ask_version(url)}")
        for program in programs:
            try:
                path = find_program(program)
            except UnavailableError as reason:
                missing.append(f"What needs {program} was NOT tested: {reason}.")
            else:
                found.append(program)
                if program == "chromium":
                    environ[BROWSER_VARIABLE] = path
        status = subprocess.run(command, env=environ, check=False).returncode
    print(f"Ran on {', '.join(found)}.", *missing, sep="\n", flush=True)
    return status or int(ON_CI and bool(missing))


def leave(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, leave)  # so that what was started is stopped
    sys.exit(main(sys.argv[1:]))

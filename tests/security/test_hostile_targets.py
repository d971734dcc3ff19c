"""Rows that name what they should not: nothing is imported, opened, compiled or run for them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("resolve_under_watch.py")

APP = {
    "app/__init__.py": "",
    "app/jobs.py": """
import builtins, os, subprocess
import threading
from os import system
from subprocess import run as run_program
from functools import partial
from bystander import harmless, Runner, Base
import bystander

def send(email): ...

shell = partial(os.system)
runner = Runner()
evaluate = eval

class Handler:
    attribute = os
    def __init__(self): ...
    def run(self): ...
    @property
    def secret(self): raise SystemExit("a property was looked at")

class Importer(threading.Thread): ...
class Popen(subprocess.Popen): ...
class Table(dict): ...
class Inherits(Base): ...
class Aliases:
    system = os.system
    static = staticmethod(os.system)
    bound = Runner().run
    Inner = subprocess.Popen

def __hidden(): ...

class Lazy:
    def __getattr__(self, name): raise SystemExit("an object was asked for an attribute")
    def __call__(self): ...

lazy = Lazy()

def __getattr__(name):
    raise SystemExit("the module was asked for an attribute")
""",
    "site-packages/bystander.py": """
def harmless(): ...
class Runner:
    def run(self): ...
    def __call__(self): ...
class Base:
    def inherited(self): ...
""",
    "site-packages/bomb/__init__.py": "raise SystemExit('the bomb was imported')",
    "site-packages/bomb/jobs.py": "raise SystemExit('the bomb was imported')",
    "site-packages/bomb_alone.py": "raise SystemExit('the bomb was imported')",
}

HOSTILE = [
    "os:system",
    "posix:system",
    "nt:system",
    "builtins:eval",
    "builtins:exec",
    "builtins:__import__",
    "subprocess:run",
    "subprocess:Popen",
    "subprocess:Popen.communicate",
    "importlib:import_module",
    "runpy:run_path",
    "pickle:loads",
    "shutil:rmtree",
    "code:interact",
    "webbrowser:open",
    "antigravity:fly",
    "this:anything",
    "sys:exit",
    "ctypes:CDLL",
    "os.path:join",
    "posixpath:join",
    "app.jobs:os.system",
    "app.jobs:system",
    "app.jobs:run_program",
    "app.jobs:shell",
    "app.jobs:evaluate",
    "app.jobs:builtins.eval",
    "app.jobs:subprocess.run",
    "app.jobs:subprocess.Popen.communicate",
    "app.jobs:partial",
    "app.jobs:runner",
    "app.jobs:harmless",
    "app.jobs:Runner.run",
    "app.jobs:bystander.harmless",
    "app.jobs:Importer.run",
    "app.jobs:Importer.start",
    "app.jobs:Popen.communicate",
    "app.jobs:Table.update",
    "app.jobs:Inherits.inherited",
    "app.jobs:Aliases.system",
    "app.jobs:Aliases.static",
    "app.jobs:Aliases.bound",
    "app.jobs:Aliases.Inner",
    "app.jobs:Aliases.Inner.communicate",
    "app.jobs:Handler",
    "app.jobs:Handler.mro",
    "app.jobs:Handler.attribute.system",
    "app.jobs:Handler.secret",
    "app.jobs:Handler.run.func_globals",
    "app.jobs:Handler.__init__",
    "app.jobs:Handler.__class__",
    "app.jobs:Handler.__init__.__globals__",
    "app.jobs:Handler.__init__.__globals__.os.system",
    "app.jobs:Handler.__subclasses__",
    "app.jobs:Handler.run.__globals__",
    "app.jobs:send.__globals__",
    "app.jobs:send.__code__.co_code",
    "app.jobs:__builtins__",
    "app.jobs:__builtins__.eval",
    "app.jobs:__hidden",
    "app.jobs:__getattr__",
    "app.jobs:__spec__.loader.load_module",
    "app.jobs:lazy.anything",
    "app.jobs:anything",
    "app.__init__:send",
    "app.__main__:send",
    "__main__:main",
    "app:jobs.send",
    "app:jobs.os.system",
    "jobrunr.cli:main",
    "jobrunr.lambda_call:unfold",
    "bystander:harmless",
    "bystander:Runner.run",
    "bomb:run",
    "bomb.jobs:run",
    "bomb.jobs.deeper:run",
    "bomb_alone:run",
    "bomb_alone.deeper:run",
    "no_such_module:run",
    "bomb.no_such_module:run",
    "os.no_such_module:run",
    "",
    ":",
    "::",
    "app",
    "app.jobs",
    "app.jobs:",
    ":send",
    "app.jobs:send:send",
    "app..jobs:send",
    ".app.jobs:send",
    "..app.jobs:send",
    "app.jobs:..send",
    "app.jobs:send ",
    " app.jobs:send",
    "app.jobs:send\n",
    "app.jobs:send\0",
    "app.jobs\n:send",
    "app/jobs:send",
    "../app/jobs:send",
    "/etc/passwd:send",
    "app.jobs:send()",
    "app.jobs:send('x')",
    "app.jobs:send;os.system",
    "app.jobs:<lambda>",
    "app.jobs:send.<locals>.inner",
    "app.jobs:0",
    "аpp.jobs:send",  # noqa: RUF001 - its a is Cyrillic
    "app.jobs:ѕend",  # noqa: RUF001 - the s is Cyrillic
    "app.jobs:ｓend",  # noqa: RUF001 - full width: Python's own parser would read an s
    "app․jobs:send",  # noqa: RUF001 - a one dot leader
    "app.jobs：send",  # noqa: RUF001 - a full width colon
    "ｏｓ:system",  # noqa: RUF001 - full width
    "app.jobs:send\u200b",
    "\u202eapp.jobs:send",
    "\ud800:send",
    "a" * 100_000,
    "app.jobs:" + "a" * 100_000,
    "app.jobs:" + "a." * 100 + "a",
    "app." * 100_000 + "jobs:send",
]
HARMLESS = ["app.jobs:send", "app.jobs:Handler.run"]
ONLY_LOOKED = ("os.listdir ", "os.scandir ")
"""What looking for a module does. Nothing else may happen."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str | None, str, list[str]]]:
    root = tmp_path_factory.mktemp("hostile")
    for name, source in APP.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(source)
    order: dict[str, Any] = {
        "path": [str(root), str(root / "site-packages")],
        "application": "app",
        "imported": ["app.jobs"],
        "targets": HOSTILE + HARMLESS,
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], input=json.dumps(order), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(HOSTILE + HARMLESS, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=lambda number: ascii(HOSTILE[number])[1:50])
def test_a_hostile_target_is_refused_and_nothing_happens(
    report: dict[str, tuple[str | None, str, list[str]]], number: int
) -> None:
    error, message, events = report[HOSTILE[number]]
    assert error in {"TargetForbiddenError", "TargetNotFoundError"}
    assert "cannot be run: " in message or "and was not touched: " in message
    assert len(message) < 2000
    assert [event for event in events if not event.startswith(ONLY_LOOKED)] == []


@pytest.mark.parametrize("target", HARMLESS)
def test_what_the_application_offers_is_found(report: dict[str, tuple[str | None, str, list[str]]], target: str) -> None:
    error, message, _ = report[target]
    assert error is None, message


def test_the_watch_sees_an_import(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def run(): ...\n")
    order = {"path": [str(tmp_path)], "application": "app", "imported": [], "targets": ["app:run"]}
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], input=json.dumps(order), capture_output=True, text=True, timeout=60, check=True
    )
    [(error, _, events)] = json.loads(done.stdout)
    assert error is None
    assert {"open", "exec", "compile"} <= {event.split()[0] for event in events}

"""Figures, the bars they are held against, and how both are shown."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import msgspec


class Bar(msgspec.Struct, frozen=True):
    """What a figure should be. Shown, never asserted: a shared machine has bad days."""

    limit: float
    is_least: bool

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.limit:g}"

    def is_met_by(self, value: float) -> bool:
        return value >= self.limit if self.is_least else value <= self.limit


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. A ratio is ours to raw, or many to few; the bar is for the ratio if there is one."""

    database: str
    name: str
    unit: str
    ours: float
    raw: float | None = None
    ratio: float | None = None
    bar: Bar | None = None

    @property
    def is_met(self) -> bool | None:
        judged = self.ours if self.ratio is None else self.ratio
        return None if self.bar is None else self.bar.is_met_by(judged)


def at_least(limit: float) -> Bar:
    return Bar(limit, is_least=True)


def at_most(limit: float) -> Bar:
    return Bar(limit, is_least=False)


BARS = {
    ("postgresql", "enqueue"): at_least(0.75),
    ("postgresql", "async"): at_least(8),
    ("postgresql", "bulk"): at_least(0.6),
    ("postgresql", "drain"): at_least(0.7),
    ("postgresql", "two"): at_least(1.3),
    ("postgresql", "sleep"): at_least(0.9),
    ("postgresql", "statements a job"): at_most(0.05),
    ("postgresql", "p50"): at_most(3),
    ("postgresql", "p99"): at_most(15),
    ("postgresql", "statements"): at_most(1),
    ("postgresql", "cpu"): at_most(0.3),
    ("postgresql", "memory"): at_most(80),
    ("postgresql", "backlog"): at_most(1.2),
    ("sqlite", "drain"): at_least(0.6),
    ("sqlite", "p50"): at_most(50),
    ("sqlite", "cpu"): at_most(1),
    ("sqlite", "backlog"): at_most(1.2),
}


def as_table(figures: Iterable[Figure]) -> str:
    """The figures for people, one block for each database."""
    lines: list[str] = []
    for database, block in groupby(figures, key=lambda figure: figure.database):
        lines += ["", f"{database:<44}{'ours':>10}{'raw':>10}  {'':<14}{'ratio':>6}  bar"]
        lines += map(_line, block)
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    verdict = "" if figure.bar is None else f"{figure.bar} {'met' if figure.is_met else 'MISSED'}"
    return (
        f"  {figure.name:<42}{_number(figure.ours):>10}{_number(figure.raw):>10}  {figure.unit:<14}"
        f"{_number(figure.ratio):>6}  {verdict}"
    ).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def surroundings(databases: dict[str, str]) -> dict[str, str]:
    """What the figures depend on besides our code: the machine and the versions."""
    packages = {name: version(name) for name in ("jobrunr", "SQLAlchemy", "psycopg", "PyMySQL", "msgspec")}
    machine = f"{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} CPUs"
    return {"machine": machine, "Python": platform.python_version()} | databases | packages


def write_json(path: Path, about: dict[str, str], figures: list[Figure]) -> None:
    """The figures for programs."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode({"about": about, "figures": figures})))

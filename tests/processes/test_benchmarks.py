"""The benchmarks run, on a very small scale: what nobody runs breaks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.__main__ import LONG, SHORT
from benchmarks.databases import databases
from benchmarks.measurements import Sizes
from benchmarks.report import Figure, as_table, at_least, at_most, write_json

TINY = Sizes(
    rounds=1,
    singles=5,
    bulk=1000,
    drained=500,
    slept=300,
    latency_seconds=1,
    idle_seconds=4,
    recurring_seconds=2,
    few=500,
    waiting=2000,
    finished=2000,
    looked_at={"postgresql": 2000, "sqlite": 2000},
)


@pytest.mark.parametrize("name", [*SHORT, *LONG])
def test_a_measurement_gives_figures(name: str) -> None:
    (sqlite,) = databases(["sqlite://"])

    figures = list((SHORT | LONG)[name](sqlite, TINY))

    assert figures
    assert all(figure.ours > 0 and figure.database == "SQLite" for figure in figures)


def test_a_figure_is_shown_with_its_bar_and_whether_it_is_met(tmp_path: Path) -> None:
    figures = [
        Figure(database="SQLite", name="drain", unit="jobs/s", ours=9_000, raw=20_000, ratio=0.45, bar=at_least(0.5)),
        Figure(database="SQLite", name="latency", unit="ms", ours=12.3, bar=at_most(50)),
    ]

    _, _, drain, latency = as_table(figures).splitlines()
    write_json(tmp_path / "figures.json", {"machine": "this one"}, figures)

    assert drain.split() == ["drain", "9,000", "20,000", "jobs/s", "0.45", "≥", "0.5", "MISSED"]
    assert latency.split() == ["latency", "12.3", "ms", "≤", "50", "met"]
    assert msgspec.json.decode((tmp_path / "figures.json").read_bytes())["about"] == {"machine": "this one"}

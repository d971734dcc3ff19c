"""The storm, on a small scale: what nobody runs breaks."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import URL

from chaos.jobs import Effect
from chaos.oracle import read_ledger
from chaos.plan import KINDS, plan
from chaos.report import as_text, report_on
from chaos.storm import SERVER_FAULTS, WORKER_FAULTS, Storm

SECONDS = 11


@pytest.mark.timeout(200)
@pytest.mark.parametrize("seed", [162])
def test_a_short_storm_loses_nothing(postgresql: URL, tmp_path: Path, seed: int) -> None:
    with Storm(postgresql, tmp_path, seed) as storm:
        storm.rage(SECONDS, rate=50)
        report = report_on(storm, SECONDS)

    assert report.objections == [], as_text(report)
    assert report.confirmed > 100
    assert report.recurring_runs > 5
    assert sum(report.faults.values()) >= 3


def test_the_same_seed_plans_the_same_faults() -> None:
    one, same, another = (list(islice(plan(seed, "postgresql"), 50)) for seed in (1, 1, 2))

    assert one == same != another
    assert {planned.kind for planned in islice(plan(1, "postgresql"), 1000)} == KINDS["postgresql"].keys()


def test_a_server_that_is_not_ours_is_not_restarted() -> None:
    kinds = {planned.kind for planned in islice(plan(1, "mariadb", with_server=False), 1000)}

    assert kinds.isdisjoint(SERVER_FAULTS)
    assert kinds >= WORKER_FAULTS.keys()


def test_a_line_of_the_ledger_that_is_still_being_written_is_none_yet(tmp_path: Path) -> None:
    effect = Effect(what="begin", job="1", attempt=1, token="a", server="one", at=0.0)
    line = msgspec.json.encode(effect)
    ledger = tmp_path / "ledger"
    ledger.write_bytes(line + b"\n" + line[:-5])

    assert read_ledger(ledger) == [effect]

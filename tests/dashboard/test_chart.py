"""The chart of what was done."""

from __future__ import annotations

from itertools import pairwise

import pytest

from jobrunr.dashboard.showing.chart import HEIGHT, WIDTH, Chart, chart
from jobrunr.dashboard.throughput import WINDOWS, flow
from jobrunr.storage.contract import Sample
from tests.dashboard.test_throughput import at


def drawn(*points: Sample) -> Chart:
    return chart(flow(points, WINDOWS[0]))


def test_bars_stand_side_by_side_in_the_box() -> None:
    bars = drawn(at(0, 0), at(300, 300)).bars
    assert all(left.x + left.width <= right.x for left, right in pairwise(bars))
    assert bars[0].x >= 0 and bars[-1].x + bars[-1].width <= WIDTH


@pytest.mark.parametrize(("succeeded", "failed"), [(0, 0), (1, 0), (0, 1), (1_000_000, 1), (1, 1_000_000), (7, 7)])
def test_no_bar_leaves_the_box(succeeded: int, failed: int) -> None:
    shown = drawn(at(0, 0), at(290, 0), at(300, succeeded, failed))
    for bar in shown.bars:
        assert shown.line - bar.up >= 0 and shown.line + bar.down <= HEIGHT


def test_the_highest_bar_fills_the_box_when_nothing_failed() -> None:
    shown = drawn(at(0, 0), at(290, 10), at(300, 1010))
    assert max(bar.up for bar in shown.bars) == pytest.approx(HEIGHT, abs=5)


def test_both_directions_have_the_same_scale() -> None:
    (*_, last) = drawn(at(0, 0), at(290, 0), at(300, 300, 100)).bars
    assert last.up == pytest.approx(3 * last.down, rel=0.01)


def test_one_failure_among_many_can_be_seen() -> None:
    (*_, last) = drawn(at(0, 0), at(290, 0), at(300, 1_000_000, 1)).bars
    assert last.down >= 2


def test_nothing_is_drawn_where_nothing_was_done_or_known() -> None:
    assert {(bar.up, bar.down) for bar in drawn(at(0, 0), at(60, 0)).bars} == {(0, 0)}


def test_it_says_in_words_what_it_shows() -> None:
    shown = drawn(at(0, 0), at(290, 0), at(300, 1200, 3))
    assert shown.words == (
        "In the last 5 minutes, 1,200 attempts succeeded and 3 failed. In 10 s, at most 1,200 succeeded and 3 failed."
    )
    assert shown.bars[-1].words == "03:04:50 to 03:05:00 UTC: 1,200 succeeded, 3 failed"
    assert "nothing is known" in drawn(at(0, 0), at(60, 0)).bars[0].words

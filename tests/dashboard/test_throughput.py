"""How much is done: arithmetic on totals that grow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunr.dashboard.throughput import WINDOWS, Flow, Window, finished_in, flow, merged, time_to_finish
from jobrunr.states import JobState
from jobrunr.storage.contract import Sample, Totals
from jobrunr.testing.factories import a_server

START = datetime(2026, 11, 24, 3, tzinfo=UTC)
MINUTES = WINDOWS[0]


def at(seconds: float, succeeded: int, failed: int = 0) -> Sample:
    return Sample(START + timedelta(seconds=seconds), Totals(succeeded, failed))


def done(shown: Flow) -> list[int | None]:
    return [None if part.done is None else part.done.succeeded for part in shown.parts]


class TestFlow:
    def test_counts_what_was_done_since_the_window_began(self) -> None:
        shown = flow([at(0, 100, 10), at(300, 160, 12), at(600, 400, 20)], MINUTES)
        assert shown.done == Totals(240, 8)
        assert (shown.ended, shown.per_minute, shown.is_whole) == (248, 49.6, True)

    def test_between_two_points_the_totals_grow_evenly(self) -> None:
        shown = flow([at(0, 0), at(300, 300)], MINUTES)
        assert done(shown) == [10] * 30

    def test_of_the_time_before_the_first_point_nothing_is_known(self) -> None:
        shown = flow([at(0, 7), at(60, 67)], MINUTES)
        assert done(shown) == [None] * 24 + [10] * 6
        assert (shown.since, shown.is_whole, shown.per_minute) == (START, False, 60)

    def test_what_was_done_before_the_first_point_does_not_count(self) -> None:
        assert flow([at(0, 1_000_000), at(10, 1_000_001)], MINUTES).done == Totals(1, 0)

    def test_one_point_says_nothing(self) -> None:
        shown = flow([at(3, 7)], MINUTES)
        assert (shown.ended, shown.per_minute, shown.failed_share) == (0, None, None)
        assert done(shown) == [None] * 30

    def test_the_last_part_is_the_one_that_goes_on(self) -> None:
        shown = flow([at(0, 0), at(303, 303)], MINUTES)
        assert len(shown.parts) == 30
        assert shown.parts[-1].since == START + timedelta(seconds=300)
        assert shown.parts[-1].until == START + timedelta(seconds=310)
        assert done(shown)[-1] == 3

    @pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.id)
    def test_parts_begin_at_round_times(self, window: Window) -> None:
        shown = flow([at(0, 0), at(100_000.5, 1)], window)
        midnight = datetime(2026, 11, 24, tzinfo=UTC)
        assert all((part.since - midnight) % window.part == timedelta(0) for part in shown.parts)
        assert len(shown.parts) == window.length // window.part

    @given(
        st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 1000), st.integers(0, 50)), max_size=40),
        st.sampled_from(WINDOWS),
    )
    def test_the_parts_are_together_what_was_done_in_them(self, steps: list[tuple[int, int, int]], window: Window) -> None:
        points = [at(0, 5, 5)]
        for seconds, succeeded, failed in steps:
            last = points[-1]
            totals = Totals(last.totals.succeeded + succeeded, last.totals.failed + failed)
            points.append(Sample(last.at + timedelta(seconds=seconds), totals))
        shown = flow(points, window)
        known = [part.done for part in shown.parts if part.done is not None]
        assert all(each.succeeded >= 0 and each.failed >= 0 for each in known)
        assert shown.done.succeeded >= 0 and shown.done.failed >= 0
        if not shown.is_whole and shown.parts[0].since <= points[0].at:
            assert sum(each.succeeded for each in known) == shown.done.succeeded
        everything = Totals(points[-1].totals.succeeded - 5, points[-1].totals.failed - 5)
        assert sum(each.succeeded for each in known) <= everything.succeeded
        if shown.until == points[-1].at and shown.parts[0].since <= points[0].at:
            assert sum(each.failed for each in known) == everything.failed


class TestTimeToFinish:
    def test_it_is_the_backlog_at_the_present_rate(self) -> None:
        assert time_to_finish(120, flow([at(0, 0), at(300, 590, 10)], MINUTES)) == timedelta(minutes=1)

    def test_it_is_not_known_while_nothing_ends(self) -> None:
        assert time_to_finish(1, flow([at(0, 5), at(300, 5)], MINUTES)) is None

    def test_it_is_not_known_while_no_server_takes_jobs(self) -> None:
        present = flow([at(0, 0), at(300, 590, 10)], MINUTES)
        counts = {JobState.ENQUEUED: 4, JobState.PROCESSING: 1}
        assert finished_in(counts, present, []) is None
        assert finished_in(counts, present, [a_server()]) == time_to_finish(5, present)
        assert finished_in({}, present, []) == timedelta()

    def test_nothing_to_do_takes_no_time(self) -> None:
        assert time_to_finish(0, flow([at(0, 5)], MINUTES)) == timedelta()


class TestMerged:
    def test_two_sources_come_in_order(self) -> None:
        assert merged([at(0, 1), at(60, 9)], [at(30, 5)]) == [at(0, 1), at(30, 5), at(60, 9)]

    def test_totals_that_were_read_late_never_let_them_shrink(self) -> None:
        assert merged([at(0, 10, 2)], [at(1, 8, 3)]) == [at(0, 10, 2), at(1, 10, 3)]

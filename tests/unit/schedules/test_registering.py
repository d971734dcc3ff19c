"""What becomes of a recurring job when it is registered, paused and resumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from jobrunr.errors import NoRunError
from jobrunr.jobs import JobDetails
from jobrunr.recurring_job import JobTemplate, Misfire, RecurringJob
from jobrunr.schedules import Definition, halted, parse_schedule, paused, registered, resumed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=7)
TEMPLATE = JobTemplate(details=JobDetails("shop.sync:inventory"), name="sync")


def wanted(**overrides: Any) -> Definition:
    values: dict[str, Any] = {
        "id": "sync",
        "schedule": "PT5M",
        "zone": "UTC",
        "template": TEMPLATE,
        "misfire": Misfire.SKIP,
        "max_concurrent": 1,
        "until": None,
        "is_paused": False,
        "is_declared": False,
    }
    return Definition(**(values | overrides))


def stored(**overrides: Any) -> RecurringJob:
    job = registered(None, wanted(**overrides), NOON, find_class=type)
    assert job is not None
    return job


def test_a_new_one_runs_a_period_from_now() -> None:
    job = stored()
    assert (job.anchor, job.next_run_at, job.look_at) == (NOON, NOON + timedelta(minutes=5), NOON + timedelta(minutes=5))
    assert (job.version, job.created_at, job.is_paused, job.is_declared) == (1, NOON, False, False)


def test_it_may_begin_paused_and_declared() -> None:
    job = stored(is_paused=True, is_declared=True)
    assert (job.paused_at, job.declared_at) == (NOON, NOON)


@pytest.mark.parametrize("is_paused", [False, True])
def test_the_same_again_changes_nothing_and_leaves_a_pause_alone(is_paused: bool) -> None:
    job = paused(stored(), NOON, "the disk is full")
    assert registered(job, wanted(is_paused=is_paused), LATER, find_class=type) is None


@pytest.mark.parametrize("change", [{"schedule": "PT1H"}, {"schedule": "0 3 * * *"}, {"zone": "Asia/Tokyo"}])
def test_another_schedule_counts_from_now(change: dict[str, Any]) -> None:
    job = registered(paused(stored(), NOON, "why"), wanted(**change), LATER, find_class=type)
    assert job is not None
    assert (job.anchor, job.changed_at, job.created_at, job.version) == (LATER, LATER, NOON, 3)
    expected = parse_schedule(job.schedule, job.zone, LATER, find_class=type).next_run(LATER)
    assert job.next_run_at == job.look_at == expected
    assert job.pause_reason == "why"


@pytest.mark.parametrize(
    "change",
    [
        {"template": replace(TEMPLATE, queue="slow")},
        {"misfire": Misfire.ALL},
        {"max_concurrent": 2},
        {"until": NOON + timedelta(days=1)},
        {"is_declared": True},
    ],
)
def test_other_changes_shift_nothing(change: dict[str, Any]) -> None:
    before = stored()
    job = registered(before, wanted(**change), LATER, find_class=type)
    assert job is not None
    assert (job.anchor, job.next_run_at, job.look_at) == (before.anchor, before.next_run_at, before.look_at)
    assert job.version == 2


def test_an_end_before_the_next_run_is_looked_at_at_once() -> None:
    job = registered(stored(schedule="PT1H"), wanted(schedule="PT1H", until=LATER), LATER, find_class=type)
    assert job is not None
    assert (job.until, job.look_at) == (LATER, LATER)


@pytest.mark.parametrize("is_made_again", [False, True])
def test_a_time_whose_job_was_made_ahead_is_decided_unless_the_job_is_withdrawn(is_made_again: bool) -> None:
    ahead = NOON + timedelta(hours=2)
    before = replace(stored(schedule="0 14 * * *"), last_run_at=ahead, next_run_at=ahead + timedelta(days=1))
    freed = [ahead] if is_made_again else []
    for change in ({"max_concurrent": 2}, {"schedule": "0 14 * * *", "zone": "Atlantic/Reykjavik"}):
        job = registered(before, wanted(**({"schedule": "0 14 * * *"} | change)), LATER, find_class=type, freed=freed)
        assert job is not None
        assert job.next_run_at == (ahead if is_made_again else ahead + timedelta(days=1))
    active = resumed(paused(before, NOON, "why"), parse_schedule("0 14 * * *", "UTC", NOON, find_class=type), LATER)
    assert active.next_run_at == ahead + timedelta(days=1)


def test_registering_again_ends_a_problem() -> None:
    halted = replace(stored(), problem="its class is gone", next_run_at=None, look_at=None)
    job = registered(halted, wanted(), LATER, find_class=type)
    assert job is not None
    assert (job.problem, job.next_run_at) == (None, LATER + timedelta(minutes=5))


@pytest.mark.parametrize("overrides", [{"until": NOON}, {"schedule": "0 0 1 1 *", "until": NOON + timedelta(days=1)}])
def test_one_without_a_run_to_come_is_refused(overrides: dict[str, Any]) -> None:
    with pytest.raises(NoRunError, match="no run to come"):
        stored(**overrides)


def test_one_that_cannot_say_when_it_runs_is_kept_with_its_problem() -> None:
    new = halted(None, wanted(), NOON, "the calendar is away")
    assert new is not None
    assert (new.problem, new.next_run_at, new.look_at, new.version) == ("the calendar is away", None, None, 1)
    assert halted(new, wanted(), LATER, "the calendar is away") is None
    changed = halted(stored(), wanted(schedule="PT1H"), LATER, "the calendar is away")
    assert changed is not None
    assert (changed.problem, changed.schedule, changed.version) == ("the calendar is away", "PT1H", 2)
    assert registered(changed, wanted(schedule="PT1H"), LATER, find_class=type) is not None


def test_resuming_goes_on_with_the_next_run_and_makes_up_for_nothing() -> None:
    job = paused(stored(), NOON, "why")
    active = resumed(job, parse_schedule("PT5M", "UTC", NOON, find_class=type), LATER)
    assert (active.paused_at, active.pause_reason, active.version) == (None, None, 3)
    assert active.next_run_at == NOON + timedelta(minutes=10)

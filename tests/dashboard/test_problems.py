"""What is wrong, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jobrunr import JobState
from jobrunr.dashboard.lost import Lost, find_lost
from jobrunr.dashboard.problems import MOST_NAMED, Facts, Problem, outage, problems
from jobrunr.dashboard.waiting import EACH, Waiting, look_at_waiting
from jobrunr.errors import SchemaNewerError, StorageUnavailableError
from jobrunr.jobs import JobDetails
from jobrunr.registry import JobRegistry
from jobrunr.server_record import ServerRecord
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing import factories
from jobrunr.transitions import leave
from tests.dashboard.populate import MODULE, populate

NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)


def a_server(silent_for: float = 1, **overrides: Any) -> ServerRecord:
    heard = NOW - timedelta(seconds=silent_for)
    return factories.a_server(**({"first_heartbeat": heard, "last_heartbeat": heard} | overrides))


def found(counts: Mapping[JobState, int] | None = None, **overrides: Any) -> dict[str, Problem]:
    """Problems by their ids. Nothing is wrong unless something is said."""
    facts: dict[str, Any] = {
        "now": NOW,
        "counts": counts or {},
        "servers": [a_server()],
        "server_timeout": timedelta(seconds=12),
        "recurring": [],
        "waiting": Waiting(looked_at=0, misfits=(), queues={}),
        "lost": Lost(since=NOW - timedelta(hours=1), jobs=()),
        "notes": [],
    }
    return {problem.id: problem for problem in problems(Facts(**(facts | overrides)))}


def test_nothing_is_wrong_when_nothing_is() -> None:
    assert found({JobState.ENQUEUED: 5, JobState.SUCCEEDED: 5}) == {}


class TestServers:
    def test_jobs_wait_and_no_server_is_running(self) -> None:
        problem = found({JobState.ENQUEUED: 3}, servers=[])["no-server"]
        assert problem.is_bad and problem.what == "No server is running, and 3 jobs wait."
        assert "jobrunr worker" in problem.todo

    def test_no_server_is_no_problem_while_nothing_waits(self) -> None:
        assert found({JobState.SUCCEEDED: 3}, servers=[]) == {}

    def test_jobs_cannot_be_stopped(self) -> None:
        problem = found(stuck=["1 job is over its time limit on zeus and cannot be stopped: shop.wait()"])["stuck-jobs"]
        assert problem.is_bad and problem.what.startswith("Jobs on 1 server are over their time limit")
        assert "zeus" in problem.details[0]

    def test_jobs_wait_and_all_servers_are_paused(self) -> None:
        servers = [a_server(is_paused=True), a_server(is_paused=True)]
        assert list(found({JobState.ENQUEUED: 1}, servers=servers)) == ["all-paused"]

    def test_a_paused_server_among_others_is_good_to_know(self) -> None:
        problem = found({JobState.ENQUEUED: 1}, servers=[a_server(), a_server(is_paused=True, name="shop-2")])[
            "paused-servers"
        ]
        assert not problem.is_bad and problem.details == ("shop-2",)

    def test_a_server_is_lost_when_it_is_silent_for_longer_than_the_timeout(self) -> None:
        assert found(servers=[a_server(12)]) == {}
        problem = found(servers=[a_server(12.1, name="shop-2")])["silent-servers"]
        assert problem.is_bad and problem.details == ("shop-2",)

    def test_jobs_wait_in_a_queue_that_nobody_serves(self) -> None:
        waiting = Waiting(looked_at=2, misfits=(), queues={"mail": 1, "slow": 1})
        problem = found(servers=[a_server(queues=("mail",))], waiting=waiting)["unserved-queues"]
        assert problem.is_bad and problem.details == ("slow",)

    def test_a_server_without_queues_serves_all(self) -> None:
        waiting = Waiting(looked_at=1, misfits=(), queues={"slow": 1})
        assert found(servers=[a_server(queues=("mail",)), a_server()], waiting=waiting) == {}


class TestRecurringJobs:
    def test_one_that_is_halted_is_bad(self) -> None:
        job = factories.a_recurring_job(NOW, id="nightly", problem="there is no module shop.days")
        problem = found(recurring=[job])["halted"]
        assert problem.is_bad and problem.details == ("nightly: there is no module shop.days",)
        assert problem.links == (("nightly", "recurring/job?id=nightly"),)

    def test_one_that_is_paused_is_good_to_know(self) -> None:
        job = factories.a_recurring_job(NOW, id="nightly", paused_at=NOW, pause_reason="the disk is full")
        problem = found(recurring=[job])["paused-recurring"]
        assert not problem.is_bad and problem.details == ("nightly: the disk is full",)

    def test_of_many_some_are_named(self) -> None:
        jobs = [factories.a_recurring_job(NOW, id=f"job {n}", problem="no") for n in range(MOST_NAMED + 3)]
        problem = found(recurring=jobs)["halted"]
        assert problem.what.startswith("8 recurring jobs") and problem.details[-1] == "and 3 more"
        assert len(problem.links) == MOST_NAMED


class TestJobs:
    def test_the_bad_comes_first(self) -> None:
        shown = found({JobState.FAILED: 2, JobState.ENQUEUED: 1}, servers=[])
        assert list(shown) == ["no-server", "failed"]

    def test_jobs_that_lost_their_server_lately(self, storage: StorageProvider) -> None:
        populate(storage, hostile=())
        lost = find_lost(storage)
        problem = found(lost=lost)["lost-jobs"]
        assert problem.is_bad and problem.what.startswith(f"{len(lost.jobs)} job")
        assert problem.links[0][1].startswith("jobs?text=ServerLostError&changed_from=")

    def test_waiting_jobs_that_this_code_cannot_run(self, storage: StorageProvider) -> None:
        populate(storage, hostile=())
        waiting = look_at_waiting(storage, JobRegistry("tests"))
        problem = found(waiting=waiting)["misfits"]
        assert problem.is_bad and f"{sum(misfit.count for misfit in waiting.misfits)} jobs" in problem.what
        assert any("send_welcome" in detail for detail in problem.details)

    def test_jobs_that_were_left_for_servers_that_know_them_are_among_them(self, storage: StorageProvider) -> None:
        job = factories.processing(storage, details=JobDetails(f"{MODULE}:not_written_yet"))
        left = factories.written(storage, leave(job, storage.now(), "it is unknown here", delay=timedelta(minutes=1)))
        (misfit,) = look_at_waiting(storage, JobRegistry("tests")).misfits
        assert (misfit.count, misfit.example) == (1, left.id)

    def test_there_are_no_misfits_where_there_is_no_application(self, storage: StorageProvider) -> None:
        populate(storage, hostile=())
        assert look_at_waiting(storage, JobRegistry("jobrunr")).misfits == ()

    def test_of_endless_many_waiting_jobs_only_some_are_looked_at(self, storage: StorageProvider) -> None:
        for number in range(5 * EACH):
            factories.enqueued(storage, details=JobDetails(f"{MODULE}:gone"), queue="a" if number else "first")
        waiting = look_at_waiting(storage, JobRegistry("tests"))
        assert waiting.looked_at == 2 * EACH
        assert waiting.queues == {"first": 1, "a": 2 * EACH - 1}

    def test_what_the_master_noted_is_shown(self) -> None:
        problem = found(notes=["There is no forecast of carbon intensity: it is silent"])["no-forecast"]
        assert problem.what.endswith("it is silent")


class TestStorage:
    def test_an_outage_says_that_nothing_is_lost(self) -> None:
        problem = outage(StorageUnavailableError("sqlite", "the connection was refused"))
        assert problem.what == "The storage does not answer." and "the connection was refused" in problem.details[0]

    def test_newer_tables_say_what_to_do(self) -> None:
        problem = outage(SchemaNewerError("sqlite", "0099", "0009"))
        assert problem.what == "The storage cannot be used." and "Upgrade jobrunr here" in problem.todo

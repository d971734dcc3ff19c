"""Taking jobs to run them: `claim`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from jobrunr.history import StateChange
from jobrunr.jobs import Job
from jobrunr.server_record import ServerRecord
from jobrunr.states import JobState
from jobrunr.storage.contract import StorageProvider
from jobrunr.testing.clock import TestClock
from jobrunr.testing.contract.base import MANY, Contract, Maker
from jobrunr.testing.contract.decisions import hand_back, requeue, retry_at_once
from jobrunr.testing.factories import (
    a_job,
    a_server,
    awaiting,
    deleted,
    enqueued,
    failed,
    present,
    processing,
    scheduled,
    succeeded,
    written,
)


def ids(jobs: list[Job]) -> list[object]:
    return [job.id for job in jobs]


class Claiming(Contract):
    """Which jobs `claim` takes, in which order, and what they are afterwards."""

    def test_claims_the_oldest_of_the_highest_priority_first(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        made = {}
        for name, priority in [("low", -1), ("old", 0), ("high and old", 9), ("high and new", 9), ("new", 0)]:
            made[name] = enqueued(storage, priority=priority).id
            clock.advance(microseconds=1)

        assert ids(storage.claim(server.id, server.name, MANY)) == [
            made["high and old"],
            made["high and new"],
            made["old"],
            made["new"],
            made["low"],
        ]

    def test_claims_by_id_what_was_enqueued_at_the_same_moment(self, storage: StorageProvider, server: ServerRecord) -> None:
        jobs = [a_job() for _ in range(20)]
        storage.insert(jobs[::-1])
        assert ids(storage.claim(server.id, server.name, MANY)) == sorted(job.id for job in jobs)

    def test_claims_by_the_moment_of_enqueueing_not_of_creation(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        made_first = scheduled(storage, clock.now() + timedelta(minutes=2))
        withdrawn = deleted(storage)
        clock.advance(minutes=1)
        made_later = enqueued(storage)
        clock.advance(minutes=1)
        storage.promote(MANY)
        clock.advance(minutes=1)
        written(storage, requeue(withdrawn, clock.now()))

        assert ids(storage.claim(server.id, server.name, MANY)) == [made_later.id, made_first.id, withdrawn.id]

    def test_claims_no_more_than_the_limit_and_then_the_rest(self, storage: StorageProvider, server: ServerRecord) -> None:
        jobs = [a_job() for _ in range(5)]
        storage.insert(jobs)

        assert ids(storage.claim(server.id, server.name, 2)) == [job.id for job in jobs[:2]]
        assert ids(storage.claim(server.id, server.name, 2)) == [job.id for job in jobs[2:4]]
        assert ids(storage.claim(server.id, server.name, 2)) == [jobs[4].id]
        assert storage.claim(server.id, server.name, 2) == []

    def test_a_limit_of_nothing_claims_nothing(self, storage: StorageProvider, server: ServerRecord) -> None:
        enqueued(storage)
        assert storage.claim(server.id, server.name, 0) == []

    def test_claims_from_the_named_queues_only(self, storage: StorageProvider, server: ServerRecord) -> None:
        mail, _, reports = enqueued(storage, queue="mail"), enqueued(storage), enqueued(storage, queue="reports")

        assert storage.claim(server.id, server.name, MANY, ["nobody's"]) == []
        assert ids(storage.claim(server.id, server.name, MANY, ["reports"])) == [reports.id]
        assert ids(storage.claim(server.id, server.name, MANY, {"mail", "reports"})) == [mail.id]

    def test_claims_from_all_queues_when_none_is_named(self, storage: StorageProvider, server: ServerRecord) -> None:
        jobs = [enqueued(storage, queue=queue) for queue in ("b", "a", "default")]
        assert ids(storage.claim(server.id, server.name, MANY)) == ids(jobs)

    def test_keeps_the_order_over_several_queues(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        made = []
        for queue, priority in [("b", 0), ("a", 0), ("b", 5), ("c", 9), ("a", 5), ("b", 0)]:
            made.append(enqueued(storage, queue=queue, priority=priority))
            clock.advance(microseconds=1)

        claimed = storage.claim(server.id, server.name, 4, ["a", "b"])

        assert ids(claimed) == ids([made[2], made[4], made[0], made[1]])

    @pytest.mark.parametrize("other", ["Mail", "mail ", " mail", "ma\u0131l", "máil", "mail%", "m_il", "mails", ""])
    def test_tells_names_of_queues_apart_exactly(self, storage: StorageProvider, server: ServerRecord, other: str) -> None:
        enqueued(storage, queue="mail")
        like_it = enqueued(storage, queue=other)

        assert ids(storage.claim(server.id, server.name, MANY, [other])) == [like_it.id]
        assert storage.claim(server.id, server.name, MANY, [other]) == []

    @pytest.mark.parametrize("make", [awaiting, scheduled, processing, succeeded, failed, deleted])
    def test_claims_nothing_that_is_not_enqueued(self, storage: StorageProvider, server: ServerRecord, make: Maker) -> None:
        before = make(storage)
        assert storage.claim(server.id, server.name, MANY) == []
        assert storage.get(before.id) == before

    def test_a_scheduled_job_that_is_overdue_is_not_claimed_before_it_is_promoted(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        scheduled(storage, clock.now() - timedelta(days=1))
        assert storage.claim(server.id, server.name, MANY) == []

    def test_a_server_that_nobody_knows_gets_nothing(self, storage: StorageProvider, server: ServerRecord) -> None:
        before = enqueued(storage)
        stranger = a_server()

        assert storage.claim(stranger.id, stranger.name, MANY) == []

        assert storage.get(before.id) == before
        assert ids(storage.claim(server.id, server.name, MANY)) == [before.id]

    def test_a_server_that_has_signed_off_gets_nothing(self, storage: StorageProvider, server: ServerRecord) -> None:
        before = enqueued(storage)
        storage.sign_off(server.id)

        assert storage.claim(server.id, server.name, MANY) == []

        assert storage.get(before.id) == before

    def test_a_server_that_was_taken_for_dead_gets_nothing_until_it_is_back(
        self, storage: StorageProvider, server: ServerRecord
    ) -> None:
        job = enqueued(storage)
        storage.remove_dead(storage.servers())

        assert storage.claim(server.id, server.name, MANY) == []
        storage.announce(server)
        assert ids(storage.claim(server.id, server.name, MANY)) == [job.id]

    def test_a_claimed_job_is_processing(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        before = enqueued(storage)
        clock.advance(seconds=1)

        (job,) = storage.claim(server.id, server.name, 1)

        assert job.claim_token is not None
        assert job.version > before.version
        assert job == replace(
            before,
            state=JobState.PROCESSING,
            version=job.version,
            claim_token=job.claim_token,
            attempts=1,
            state_at=clock.now(),
            started_at=clock.now(),
            server_id=server.id,
            server_name=server.name,
        )

    def test_what_a_claim_returns_is_what_is_stored(self, storage: StorageProvider, server: ServerRecord) -> None:
        for _ in range(3):
            enqueued(storage, labels=("a", "b"), reason="because")
        claimed = storage.claim(server.id, server.name, MANY)
        assert claimed == [storage.get(job.id) for job in claimed]

    def test_a_claimed_job_has_its_start_in_its_history(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        enqueued_at = enqueued(storage, reason="because").state_at
        clock.advance(seconds=1)

        (job,) = storage.claim(server.id, "shop-2:1", 1)

        assert job.history == (
            StateChange(state=JobState.ENQUEUED, at=enqueued_at, reason="because"),
            StateChange(state=JobState.PROCESSING, at=clock.now(), server_id=server.id, server_name="shop-2:1", attempt=1),
        )

    def test_no_two_claims_give_out_the_same_token(self, storage: StorageProvider, server: ServerRecord) -> None:
        storage.insert([a_job() for _ in range(50)])
        first, second = (storage.claim(server.id, server.name, 25) for _ in range(2))
        assert {job.claim_token for job in first}.isdisjoint(job.claim_token for job in second)

    def test_every_claim_gives_out_a_new_token(
        self, storage: StorageProvider, server: ServerRecord, clock: TestClock
    ) -> None:
        enqueued(storage)
        tokens = set()
        for _ in range(3):
            (job,) = storage.claim(server.id, server.name, 1)
            tokens.add(job.claim_token)
            storage.update([hand_back(job, clock.now())])
        assert len(tokens) == 3

    def test_every_claim_counts_an_attempt(self, storage: StorageProvider, server: ServerRecord, clock: TestClock) -> None:
        first = processing(storage, server)
        storage.update([retry_at_once(first, clock.now())])

        (second,) = storage.claim(server.id, server.name, 1)

        assert (first.attempts, second.attempts) == (1, 2)
        assert second.failures == 1

    def test_claims_hundreds_at_once(self, storage: StorageProvider, server: ServerRecord) -> None:
        jobs = [a_job() for _ in range(1_200)]
        storage.insert(jobs)

        claimed = storage.claim(server.id, server.name, 1_000)

        assert ids(claimed) == [job.id for job in jobs[:1_000]]
        assert storage.counts()[JobState.PROCESSING] == 1_000
        assert present(storage, jobs[1_000]).state is JobState.ENQUEUED
